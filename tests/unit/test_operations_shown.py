"""Records and dead letters as commands print them."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import fastavro
import pytest

from streamproc.avro.frames import SCHEMA_HEADER
from streamproc.avro.schemas import SchemaIds, record_schema
from streamproc.batches import Headers, PartitionId
from streamproc.dead_letters import HEADER_PREFIX
from streamproc.errors import RefusedError
from streamproc.operations.dead_letters import (
    DeadLetterFilter,
    ListedDeadLetter,
    listed_dead_letters,
    moment,
    newest_of_each_partition,
)
from streamproc.operations.shown import ListedFrameSchemas, shown_record, shown_time

SCHEMA: Mapping[str, Any] = {  # Avro's own JSON
    "type": "record",
    "name": "Event",
    "fields": [{"name": "tenant_id", "type": "string"}, {"name": "x", "type": "double"}],
}
GUID = bytes(range(16))
EVENT = record_schema(SCHEMA, SchemaIds(id=1, output_id=2, guid=GUID, output_guid=GUID[::-1]))
SCHEMAS = ListedFrameSchemas([EVENT], output_topic="predictions")
PREDICTION = {
    "model_id": "m@1",
    "variant": "champion",
    "value": 3,
    "scores": {"0": 0.25, "1": 0.75},
    "predicted_at": datetime(2026, 1, 1, tzinfo=UTC),
    "source_topic": "events",
    "source_partition": 0,
    "source_offset": 7,
}
EVENTS = PartitionId("events", 1)
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@dataclass(frozen=True)
class Record:
    """One record of a topic."""

    value: bytes | None
    headers: Headers = ()
    key: bytes | None = b"k"
    partition: PartitionId = EVENTS
    offset: int = 5
    timestamp: int = 1_767_225_600_000


def body(schema: Mapping[str, Any], value: Mapping[str, Any]) -> bytes:
    file = io.BytesIO()
    fastavro.schemaless_writer(file, fastavro.parse_schema(dict(schema)), dict(value))
    return file.getvalue()


EVENT_BODY = body(SCHEMA, {"tenant_id": "a", "x": 1.5})
OUTPUT_BODY = body(json.loads(EVENT.output.text), {"tenant_id": "a", "x": 1.5, "prediction": PREDICTION})


def test_an_input_record_is_shown_with_its_place_time_key_headers_and_fields() -> None:
    record = Record(b"\0\0\0\0\1" + EVENT_BODY, headers=[("h", b"v"), ("n", None), ("b", b"\xff")])
    assert shown_record(record, SCHEMAS, "confluent") == {
        "topic": "events",
        "partition": 1,
        "offset": 5,
        "timestamp": "2026-01-01T00:00:00.000Z",
        "key": "k",
        "headers": [["h", "v"], ["n", None], ["b", {"base64": "/w=="}]],
        "value": {"tenant_id": "a", "x": 1.5},
    }


def test_an_output_record_is_shown_with_its_prediction() -> None:
    shown = shown_record(Record(b"\0\0\0\0\2" + OUTPUT_BODY), SCHEMAS, "confluent")
    assert shown["value"]["prediction"]["value"] == 3
    assert shown["value"]["prediction"]["predicted_at"] == "2026-01-01T00:00:00+00:00"
    json.dumps(shown, allow_nan=False)


def test_a_header_that_names_the_schema_is_followed() -> None:
    record = Record(OUTPUT_BODY, headers=[(SCHEMA_HEADER, b"\1" + GUID[::-1])])
    assert shown_record(record, SCHEMAS, "confluent")["value"]["x"] == 1.5
    record = Record(EVENT_BODY, headers=[(SCHEMA_HEADER, b"\0\0\0\0\1")])
    assert shown_record(record, SCHEMAS, "confluent")["value"]["x"] == 1.5


def test_single_objects_and_raw_values_are_shown() -> None:
    record = Record(b"\xc3\x01" + EVENT.output_ref.fingerprint + OUTPUT_BODY)
    assert shown_record(record, SCHEMAS, "single_object")["value"]["tenant_id"] == "a"
    assert shown_record(Record(EVENT_BODY), SCHEMAS, "raw")["value"]["tenant_id"] == "a"
    output = Record(OUTPUT_BODY, partition=PartitionId("predictions", 0))
    assert shown_record(output, SCHEMAS, "raw")["value"]["prediction"]["model_id"] == "m@1"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "bad_framing"),
        (b"\1\0\0\0\1", "bad_framing"),
        (b"\0\0\0", "bad_framing"),
        (b"\0\0\0\0\x09" + EVENT_BODY, "unknown_schema"),
        (b"\0\0\0\0\1" + EVENT_BODY[:-1], "undecodable"),
        (b"\0\0\0\0\1" + EVENT_BODY + b"\0", "trailing_bytes"),
    ],
)
def test_a_value_that_can_not_be_decoded_is_shown_with_the_reason_and_its_bytes(value: bytes, reason: str) -> None:
    shown = shown_record(Record(value), SCHEMAS, "confluent")
    assert shown["error"]["reason"] == reason
    assert "value_base64" in shown
    assert "value" not in shown


def test_a_tombstone_is_shown_as_null() -> None:
    assert shown_record(Record(None), SCHEMAS, "confluent")["value"] is None


@pytest.mark.parametrize("milliseconds", [-1, 10**18])
def test_a_time_that_no_calendar_has_is_null(milliseconds: int) -> None:
    assert shown_time(milliseconds) is None


def dead(reason: str, tenant: str | None, *, at: int = 1000, **more: str) -> Record:
    about = {"reason": reason, "stage": "decode", "topic": "events", "partition": "2", "offset": "9", "attempt": "1", **more}
    if tenant is not None:
        about["tenant"] = tenant
    headers: Headers = [("other", b"x"), *((HEADER_PREFIX + name, value.encode()) for name, value in about.items())]
    return Record(b"payload", headers=headers, timestamp=at)


def tenants(found: list[ListedDeadLetter]) -> list[str | None]:
    return [letter.tenant for letter in found]


def test_a_dead_letter_is_listed_with_what_its_headers_say() -> None:
    (letter,) = listed_dead_letters([dead("bad_framing", "a", timestamp="1767225600000")], DeadLetterFilter())
    assert (letter.reason, letter.stage, letter.tenant) == ("bad_framing", "decode", "a")
    assert (letter.source_topic, letter.source_partition, letter.source_offset, letter.attempt) == ("events", 2, 9, 1)
    assert letter.as_json()["source_timestamp"] == "2026-01-01T00:00:00.000Z"
    assert "payload" not in json.dumps(letter.as_json())


def test_dead_letters_are_filtered_by_tenant_reason_and_time() -> None:
    records = [dead("bad_framing", "a", at=1000), dead("undecodable", "b", at=2000), dead("undecodable", None, at=3000)]
    assert tenants(list(listed_dead_letters(records, DeadLetterFilter(tenants=["b"])))) == ["b"]
    assert tenants(list(listed_dead_letters(records, DeadLetterFilter(reasons=["undecodable"])))) == ["b", None]
    assert tenants(list(listed_dead_letters(records, DeadLetterFilter(since=2000)))) == ["b", None]
    assert tenants(list(listed_dead_letters(records, DeadLetterFilter(until=2000)))) == ["a"]


def test_the_newest_are_the_newest_of_those_that_are_wanted() -> None:
    records = [dead("undecodable", f"t{number}", at=number) for number in range(5)]
    records += [
        dead("bad_framing", "late", at=9),
        replace(dead("undecodable", "other", at=0), partition=PartitionId("dead", 7)),
    ]
    wanted = DeadLetterFilter(reasons=["undecodable"])

    def newest(count: int) -> list[str | None]:
        return tenants(list(newest_of_each_partition(listed_dead_letters(records, wanted), count)))

    assert newest(2) == ["t3", "t4", "other"]
    assert newest(10) == ["t0", "t1", "t2", "t3", "t4", "other"]
    assert newest(0) == []


def test_headers_that_hold_nonsense_are_no_error() -> None:
    headers: Headers = [(HEADER_PREFIX + "offset", b"\xff\xfe"), (HEADER_PREFIX + "attempt", b"9" * 5000)]
    (letter,) = listed_dead_letters([Record(None, headers=headers)], DeadLetterFilter())
    assert (letter.reason, letter.source_offset, letter.attempt) == (None, None, None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-02T03:04:05Z", NOW),
        ("2026-01-02T04:04:05+01:00", NOW),
        ("2026-01-02", datetime(2026, 1, 2, tzinfo=UTC)),
        ("5s", datetime(2026, 1, 2, 3, 4, 0, tzinfo=UTC)),
        ("1d", datetime(2026, 1, 1, 3, 4, 5, tzinfo=UTC)),
    ],
)
def test_a_moment_is_a_date_or_how_long_ago(text: str, expected: datetime) -> None:
    assert moment(text, NOW) == expected.timestamp() * 1000


@pytest.mark.parametrize("text", ["", "yesterday", "5", "1w", "999999d"])
def test_any_other_moment_is_refused(text: str) -> None:
    with pytest.raises(RefusedError, match="expected a time such as"):
        moment(text, NOW)
