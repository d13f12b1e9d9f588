from __future__ import annotations

from typing import Any

import pytest

from streamproc.demo.ledger import EventCodec, Ledger

INPUT = {"type": "record", "name": "E", "fields": [{"name": "event_id", "type": "long"}]}
OUTPUT = {"type": "record", "name": "P", "fields": [{"name": "event_id", "type": "long"}, {"name": "extra", "type": "int"}]}


def output(event: int, *, partition: int = 0, offset: int | None = None) -> dict[str, Any]:  # a decoded record
    source = {"source_partition": partition, "source_offset": event if offset is None else offset}
    return {"event_id": event, "prediction": {"value": 1.5, "model_id": "m@1", "variant": "champion", **source}}


def ledger(events: int) -> Ledger:
    """A ledger with everything sent."""
    made = Ledger(events)
    made.sent = events
    return made


def test_in_equals_out_where_each_event_came_back_once() -> None:
    book = ledger(3)
    book.predicted(output(0), "a")
    book.predicted(output(2), "b")
    book.died({"event_id": 1}, reason="feature_missing", partition=0, offset=1)
    balance = book.balance()
    assert balance.holds
    assert (balance.predicted, balance.dead_letters) == (2, {"feature_missing": 1})


def test_an_event_that_never_came_back_is_missing() -> None:
    book = ledger(2)
    book.predicted(output(0), "a")
    assert not book.balance().holds
    assert book.balance().missing == 1


def test_the_same_input_record_answered_twice_is_repeated() -> None:
    book = ledger(1)
    book.predicted(output(0), "a")
    book.predicted(output(0), "a")
    assert not book.balance().holds
    assert book.balance().repeated == 1


def test_a_prediction_and_a_dead_letter_of_one_record_are_one_too_many() -> None:
    book = ledger(1)
    book.predicted(output(0), "a")
    book.died({"event_id": 0}, reason="feature_missing", partition=0, offset=0)
    assert book.balance().repeated == 1


def test_one_event_under_two_offsets_is_repeated() -> None:
    book = ledger(2)
    book.predicted(output(0, offset=0), "a")
    book.predicted(output(0, offset=1), "a")
    balance = book.balance()
    assert (balance.missing, balance.repeated) == (1, 1)


def test_equal_offsets_of_two_partitions_are_two_records() -> None:
    book = ledger(2)
    book.predicted(output(0, partition=0, offset=9), "a")
    book.predicted(output(1, partition=1, offset=9), "a")
    assert book.balance().holds


def test_the_first_output_of_a_tenant_is_its_example() -> None:
    book = ledger(2)
    book.predicted(output(1), "a")
    book.predicted(output(0), "a")
    assert book.examples["a"]["event_id"] == 1


def test_a_frame_says_which_schema_reads_the_record() -> None:
    codec = EventCodec(INPUT, OUTPUT)
    value = codec.encode({"event_id": 300})
    assert value[:5] == b"\0\0\0\0\1"
    assert codec.decode(value) == {"event_id": 300}
    assert codec.decode(b"\0\0\0\0\2" + value[5:] + b"\4") == {"event_id": 300, "extra": 2}


def test_a_foreign_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="found 7"):
        EventCodec(INPUT, OUTPUT).decode(b"\0\0\0\0\7\0")
