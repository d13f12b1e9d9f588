"""Decoding batches: frames, schemas, times, columns, and the values and headers of outputs."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.avro import Json, OneSchema, decoder, encoded, record_type
from support.records import output_values, record_batch

from streamproc.avro import plans
from streamproc.avro.decoder import DecodedBatch, Decoder
from streamproc.avro.encoder import encode_long, encode_string
from streamproc.avro.features import event_time_problems, feature_problems, tenant_problems
from streamproc.avro.listed import ListedSchemas, SchemaEntry
from streamproc.avro.schemas import RecordSchema, SchemaIds, record_schema
from streamproc.batches import PartitionId, RecordBatch
from streamproc.errors import Reason, TransientError

COLOUR = {"type": "enum", "name": "Colour", "symbols": ["red", "green"]}
SIMPLE = record_type(tenant="string", x="double")


def of(items: Json) -> Json:
    return {"type": "array", "items": items}


def simple(tenant: str = "t", x: float = 1.0) -> bytes:
    return encoded(SIMPLE, {"tenant": tenant, "x": x})


def with_headers(batch: RecordBatch, *headers: list[tuple[str, bytes | None]] | None) -> RecordBatch:
    return replace(batch, headers=list(headers))


def confluent(tmp_path: Path) -> Decoder:
    """Two versions of a schema, ids 1 and 5 (output ids 2 and 6), the first also with GUIDs of 1s and 2s."""
    (tmp_path / "1.avsc").write_text(json.dumps(SIMPLE))
    (tmp_path / "2.avsc").write_text(json.dumps(record_type(y="int", x="float", tenant="long")))
    entries = [
        SchemaEntry(tmp_path / "1.avsc", 1, 2, "1" * 32, "2" * 32),
        SchemaEntry(tmp_path / "2.avsc", 5, 6),
    ]
    schemas = ListedSchemas(entries, framing="confluent")
    return Decoder(schemas, framing="confluent", tenant_field="tenant", event_time_field=None, max_record_bytes=1000)


def tenants(decoded: DecodedBatch) -> list[str | None]:
    return [decoded.tenants[index] if index >= 0 else None for index in decoded.tenant.tolist()]


def test_an_empty_batch_decodes_to_nothing() -> None:
    decoded = decoder(SIMPLE).decode(RecordBatch.empty())
    assert (len(decoded.status), tuple(decoded.tenants), decoded.schemas) == (0, (), ())


def test_ten_thousand_records_are_told_apart() -> None:
    values: list[bytes | None] = [simple(f"tenant-{row % 997}", row) for row in range(10_000)]
    decoded = decoder(SIMPLE).decode(record_batch(values))
    assert not decoded.status.any()
    assert len(decoded.tenants) == len(set(decoded.tenants)) == 997
    assert tenants(decoded) == [f"tenant-{row % 997}" for row in range(10_000)]
    assert decoded.features(0, np.arange(10_000), ("x",)).arrays[0].tolist() == list(range(10_000))


def test_records_of_one_batch_may_have_different_schemas(tmp_path: Path) -> None:
    second = encode_long(3) + np.float32(2.5).tobytes() + encode_long(7)
    values: list[bytes | None] = [
        b"\x00\x00\x00\x00\x01" + simple("7"),
        b"\x00\x00\x00\x00\x05" + second,
        b"\x00\x00\x00\x00\x09" + second,
        b"\x00\x00\x00\x00\x05" + second,
    ]
    batch = record_batch(values)
    decoded = confluent(tmp_path).decode(batch)
    assert decoded.status.tolist() == [0, 0, Reason.UNKNOWN_SCHEMA.code, 0]
    assert decoded.schema.tolist() == [0, 1, -1, 1]
    assert decoded.tenants == ["7"]
    assert tenants(decoded) == ["7", "7", None, "7"]
    assert "schema id 9" in decoded.error(2).message
    assert decoded.features(1, np.array([3, 1]), ("x", "y")).arrays[0].tolist() == [2.5, 2.5]
    outputs = output_values(batch, decoded, [b"A", b"B"])
    assert outputs == [b"\x00\x00\x00\x00\x02" + simple("7") + b"A", b"\x00\x00\x00\x00\x06" + second + b"B"]


def test_a_header_names_the_schema_and_the_value_is_the_body(tmp_path: Path) -> None:
    guid, schema_id = b"\x01" + b"\x11" * 16, b"\x00\x00\x00\x00\x01"
    batch = with_headers(
        record_batch([simple("a"), simple("b"), b"\x00\x00\x00\x00\x01" + simple("c"), b"\x00\x00\x00\x00\x01" + simple("d")]),
        [("k", b"v"), ("__value_schema_id", guid), ("n", None)],
        [("__value_schema_id", schema_id)],
        [("k", b"v")],
        [("__value_schema_id", None)],
    )
    decoded = confluent(tmp_path).decode(batch)
    assert tenants(decoded) == ["a", "b", "c", "d"]
    rows = np.arange(4)
    frame = b"\x00\x00\x00\x00\x02"
    assert output_values(batch, decoded, [b""] * 4) == [simple("a"), simple("b"), frame + simple("c"), frame + simple("d")]
    assert decoded.output_headers(rows) == [
        [("k", b"v"), ("n", None), ("__value_schema_id", b"\x01" + b"\x22" * 16)],
        [("__value_schema_id", b"\x00\x00\x00\x00\x02")],
        [("k", b"v")],
        [],
    ]


def test_a_body_that_begins_like_a_frame_is_whole_where_a_header_names_the_schema(tmp_path: Path) -> None:
    body = encode_long(0) + bytes(4) + encode_long(7)
    batch = with_headers(record_batch([body]), [("__value_schema_id", b"\x00\x00\x00\x00\x05")])
    decoded = confluent(tmp_path).decode(batch)
    assert tenants(decoded) == ["7"]
    assert output_values(batch, decoded, [b"!"]) == [body + b"!"]


@pytest.mark.parametrize(
    "value", [b"", b"\x01", b"\x01" + bytes(15), b"\x01" + bytes(17), b"\x00" + bytes(3), b"\x02" + bytes(16)]
)
def test_a_header_that_names_no_schema_is_bad_framing(tmp_path: Path, value: bytes) -> None:
    batch = with_headers(record_batch([b"\x00\x00\x00\x00\x01" + simple()]), [("__value_schema_id", value)])
    decoded = confluent(tmp_path).decode(batch)
    assert decoded.status[0] == Reason.BAD_FRAMING.code
    assert "__value_schema_id" in decoded.error(0).message


def test_a_header_with_an_unknown_guid_is_an_unknown_schema(tmp_path: Path) -> None:
    decoded = confluent(tmp_path).decode(with_headers(record_batch([simple()]), [("__value_schema_id", b"\x01" + bytes(16))]))
    assert decoded.error(0).reason is Reason.UNKNOWN_SCHEMA


def test_an_empty_value_with_a_header_is_empty(tmp_path: Path) -> None:
    header = [("__value_schema_id", b"\x01" + b"\x11" * 16)]
    decoded = confluent(tmp_path).decode(with_headers(record_batch([None, b""]), list(header), list(header)))
    assert decoded.status.tolist() == [Reason.EMPTY_VALUE.code] * 2


@pytest.mark.parametrize("framing", ["single_object", "raw"])
def test_frames_without_ids_ignore_the_header_and_drop_it(framing: Any) -> None:  # noqa: ANN401 - a Literal
    subject = decoder(SIMPLE, framing=framing)
    schema = record_schema(SIMPLE, SchemaIds())
    frame = b"\xc3\x01" + schema.writer.fingerprint if framing == "single_object" else b""
    batch = with_headers(record_batch([frame + simple("a")]), [("__value_schema_id", b"x"), ("k", b"v")])
    decoded = subject.decode(batch)
    assert tenants(decoded) == ["a"]
    output_frame = b"\xc3\x01" + schema.output.fingerprint if framing == "single_object" else b""
    assert output_values(batch, decoded, [b"!"]) == [output_frame + simple("a") + b"!"]
    assert decoded.output_headers(np.array([0])) == [[("k", b"v")]]


def test_a_source_that_is_down_stops_the_batch_and_no_record_is_blamed() -> None:
    class Down(OneSchema):
        def by_id(self, schema_id: int, topic: str) -> RecordSchema:
            del schema_id, topic
            raise TransientError("down")

    subject = Decoder(
        Down(record_schema(SIMPLE, SchemaIds())),
        framing="confluent",
        tenant_field="tenant",
        event_time_field=None,
        max_record_bytes=1000,
    )
    with pytest.raises(TransientError):
        subject.decode(record_batch([bytes(5) + simple()]))


def test_a_source_is_told_each_records_topic() -> None:
    asked = []

    class Asked(OneSchema):
        def by_id(self, schema_id: int, topic: str) -> RecordSchema:
            asked.append((schema_id, topic))
            return self.schema

    batch = record_batch([bytes(5) + simple()] * 3)
    batch = replace(
        batch,
        partitions=(PartitionId("a", 0), PartitionId("b", 0), PartitionId("a", 1)),
        partition=np.array([0, 1, 2], np.int32),
    )
    source = Asked(record_schema(SIMPLE, SchemaIds()))
    Decoder(source, framing="confluent", tenant_field="tenant", event_time_field=None, max_record_bytes=99).decode(batch)
    assert sorted(asked) == [(0, "a"), (0, "b")]


TIMES: dict[str, tuple[Json, bytes, int]] = {
    "milliseconds": ({"type": "long", "logicalType": "timestamp-millis"}, encode_long(1_700_000_000_123), 1_700_000_000_123),
    "microseconds": (
        {"type": "long", "logicalType": "timestamp-micros"},
        encode_long(1_700_000_000_123_999),
        1_700_000_000_123,
    ),
    "nanoseconds": (
        {"type": "long", "logicalType": "timestamp-nanos"},
        encode_long(1_700_000_000_123_999_999),
        1_700_000_000_123,
    ),
    "local milliseconds": ({"type": "long", "logicalType": "local-timestamp-millis"}, encode_long(5), 5),
    "local microseconds": ({"type": "long", "logicalType": "local-timestamp-micros"}, encode_long(5000), 5),
    "a plain long": ("long", encode_long(5), 5),
    "a nullable one": (["null", {"type": "long", "logicalType": "timestamp-micros"}], b"\x02" + encode_long(5000), 5),
    "null": (["null", {"type": "long", "logicalType": "timestamp-micros"}], b"\x00", -1),
    "before 1970": ("long", encode_long(-5000), -1),
    "an int": ("int", encode_long(5), -1),
    "a time of day": ({"type": "long", "logicalType": "time-micros"}, encode_long(5), -1),
    "a string": ("string", encode_string("2024-01-01"), -1),
}


@pytest.mark.parametrize("kind", TIMES)
def test_the_event_time_is_in_milliseconds_whatever_its_type(kind: str) -> None:
    field, value, expected = TIMES[kind]
    decoded = decoder(record_type(tenant="string", at=field), time="at").decode(record_batch([b"\x02t" + value]))
    assert decoded.status[0] == 0
    assert decoded.event_time.tolist() == [expected]


def test_a_record_that_is_not_sound_has_no_time() -> None:
    schema = record_type(at="long", tenant="string", flag="boolean")
    values: list[bytes | None] = [encode_long(5) + b"\x02t\x01", encode_long(5) + b"\x02t\x02"]
    assert decoder(schema, time="at").decode(record_batch(values)).event_time.tolist() == [5, -1]


def test_nested_doubles_keep_their_names_whatever_their_order() -> None:
    inner = record_type("Inner", z="double", a="double", m="double")
    schema = record_type(tenant="string", y="double", inner=inner, b="double")
    value = {"y": 1.0, "inner": {"z": 2.0, "a": 3.0, "m": 4.0}, "b": 5.0}
    for columns in columns_of(schema, [value], ("b", "inner.a", "inner.z", "inner.m", "y")):
        assert [array.tolist() for array in columns.arrays] == [[5.0], [3.0], [2.0], [4.0], [1.0]]


def test_tenant_and_time_may_stand_in_nested_and_nullable_records_and_be_features_too() -> None:
    inner = record_type("Inner", id="long")
    schema = record_type(meta=["null", record_type("Meta", who=["null", inner])], x="double")
    values: list[bytes | None] = [
        encoded(schema, {"meta": {"who": {"id": 8}}, "x": 1.0}),
        encoded(schema, {"meta": {"who": None}, "x": 2.0}),
        encoded(schema, {"meta": None, "x": 3.0}),
    ]
    decoded = decoder(schema, tenant="meta.who.id", time="meta.who.id").decode(record_batch(values))
    assert decoded.status.tolist() == [0, Reason.TENANT_MISSING.code, Reason.TENANT_MISSING.code]
    assert (tenants(decoded)[0], decoded.event_time.tolist()) == ("8", [8, -1, -1])
    columns = decoded.features(0, np.array([0]), ("meta.who.id", "x"))
    assert [array.tolist() for array in columns.arrays] == [[8.0], [1.0]]


def test_a_schema_without_the_tenant_field_has_no_tenant() -> None:
    decoded = decoder(record_type(x="double")).decode(record_batch([bytes(8)]))
    assert decoded.error(0).reason is Reason.TENANT_MISSING


def test_a_text_and_a_number_that_read_the_same_are_one_tenant() -> None:
    schema = record_type(tenant=["string", "long", COLOUR])
    values: list[bytes | None] = [
        b"\x00" + encode_string("7"),
        b"\x02" + encode_long(7),
        b"\x04\x00",
        b"\x00" + encode_string("red"),
    ]
    decoded = decoder(schema).decode(record_batch(values))
    assert decoded.tenants == ["7", "red"]
    assert decoded.tenant.tolist() == [0, 0, 1, 1]


class Expected:
    def __init__(self, field: Json, values: list[Json], dtype: str, column: list[Json]) -> None:
        self.field, self.values, self.dtype, self.column = field, values, dtype, column


NAN = float("nan")
COLUMNS: dict[str, Expected] = {
    "int": Expected("int", [1, -2], "int64", [1, -2]),
    "long": Expected("long", [1, 2**62], "int64", [1, 2**62]),
    "float": Expected("float", [0.5, -2.0], "float64", [0.5, -2.0]),
    "double": Expected("double", [0.1, NAN], "float64", [0.1, NAN]),
    "boolean": Expected("boolean", [True, False], "bool", [True, False]),
    "nullable int": Expected(["null", "int"], [None, 3], "float64", [NAN, 3.0]),
    "nullable long without a null": Expected(["long", "null"], [4, 3], "float64", [4.0, 3.0]),
    "nullable float": Expected(["null", "float"], [None, 0.5], "float64", [NAN, 0.5]),
    "nullable double": Expected(["double", "null"], [0.1, None], "float64", [0.1, NAN]),
    "nullable boolean": Expected(["null", "boolean"], [True, None], "float64", [1.0, NAN]),
    "int or long": Expected(["int", "long"], [1, 2**40], "int64", [1, 2**40]),
    "int or double": Expected(["int", "double"], [1, 0.5], "float64", [1.0, 0.5]),
    "null, int or double": Expected(["null", "int", "double"], [None, 0.5], "float64", [NAN, 0.5]),
    "string": Expected("string", ["", "é"], "object", ["", "é"]),
    "nullable string": Expected(["null", "string"], ["a", None], "object", ["a", NAN]),
    "enum": Expected(COLOUR, ["green", "red"], "object", ["green", "red"]),
    "nullable enum": Expected(["null", COLOUR], [None, "red"], "object", [NAN, "red"]),
    "string or long": Expected(["null", "string", "long"], ["a", 7], "object", ["a", 7]),
    "a timestamp": Expected({"type": "long", "logicalType": "timestamp-millis"}, [5, 6], "int64", [5, 6]),
}


def same(found: list[Json], expected: list[Json]) -> bool:
    return all(
        (a != a and b != b) or (type(a) is type(b) and a == b)  # noqa: PLR0124 - only NaN differs from itself
        for a, b in zip(found, expected, strict=True)
    )


def columns_of(schema: Json, values: list[Json], names: tuple[str, ...], n_columns: int | None = None) -> tuple[Any, Any]:
    """The columns from a second walk, and from the first walk of the next batch."""
    subject = decoder(schema)
    batch = record_batch([encoded(schema, {"tenant": "t", **value}) for value in values])
    rows = np.arange(len(values))
    first = subject.decode(batch).features(0, rows, names, n_columns)
    return first, subject.decode(batch).features(0, rows, names, n_columns)


@pytest.mark.parametrize("kind", COLUMNS)
def test_a_columns_dtype_follows_the_writers_schema(kind: str) -> None:
    case = COLUMNS[kind]
    for columns in columns_of(record_type(tenant="string", x=case.field), [{"x": value} for value in case.values], ("x",)):
        assert columns.arrays[0].dtype == case.dtype
        assert same(columns.arrays[0].tolist(), case.column)
        assert columns.null[:, 0].tolist() == [value is None for value in case.values]
        assert columns.status.tolist() == [0, 0]


@pytest.mark.parametrize("kind", COLUMNS)
def test_a_columns_dtype_does_not_depend_on_the_batch(kind: str) -> None:
    schema = record_type(tenant="string", x=COLUMNS[kind].field)
    for value in COLUMNS[kind].values:
        for columns in columns_of(schema, [{"x": value}], ("x",)):
            assert columns.arrays[0].dtype == COLUMNS[kind].dtype


def test_a_feature_that_the_schema_lacks_is_null() -> None:
    for columns in columns_of(SIMPLE, [{"x": 1.0}], ("nothing", "x.deeper", "x[0]", "x")):
        assert [array.dtype for array in columns.arrays] == [np.float64] * 4
        assert columns.null.tolist() == [[True, True, True, False]]
        assert columns.status[0] == Reason.FEATURE_INVALID.code  # x[0]: x is no array
    for columns in columns_of(SIMPLE, [{"x": 1.0}], ("nothing", "x.deeper", "y[0]", "x[-1]", "x")):
        assert columns.status.tolist() == [0]


@pytest.mark.parametrize(
    "field",
    ["bytes", {"type": "map", "values": "double"}, of("string"), of(of("double")), record_type("Inner", y="double"), "null"],
    ids=["bytes", "map", "strings", "matrix", "record", "null"],
)
def test_a_type_that_no_model_reads_costs_the_records_and_nothing_else(field: Json) -> None:
    value = (
        {"bytes": b"a"}.get(str(field))
        if isinstance(field, str)
        else {"map": {}, "array": [], "record": {"y": 1.0}}[field["type"]]
    )
    for columns in columns_of(record_type(tenant="string", x=field), [{"x": value}], ("x",)):
        assert columns.status.tolist() == [0 if field == "null" else Reason.FEATURE_INVALID.code]
        assert np.isnan(columns.arrays[0]).all()


def test_only_records_with_an_unusable_branch_are_invalid() -> None:
    schema = record_type(tenant="string", x=["null", "double", "bytes", of("int")])
    for columns in columns_of(schema, [{"x": 1.0}, {"x": b"a"}, {"x": None}, {"x": [1]}], ("x",)):
        invalid = Reason.FEATURE_INVALID.code
        assert columns.status.tolist() == [0, invalid, 0, invalid]


def test_elements_of_arrays_are_numbers_or_null() -> None:
    schema = record_type(tenant="string", v=["null", of(["null", "int", "double"])])
    for columns in columns_of(schema, [{"v": [1, 0.5, None]}, {"v": []}, {"v": None}], ("v[0]", "v[1]", "v[2]", "v[9]")):
        assert [array.tolist()[0] for array in columns.arrays[:2]] == [1.0, 0.5]
        assert columns.null.tolist() == [[False, False, True, True], [True] * 4, [True] * 4]
        assert columns.status.tolist() == [0, 0, 0]
        assert all(array.dtype == np.float64 for array in columns.arrays)


@pytest.mark.parametrize("items", ["int", "long", "float", "double", ["double"]])
def test_a_vector_takes_the_columns_that_the_other_names_leave(items: Json) -> None:
    schema = record_type(tenant="string", v=of(items), x="double")
    for columns in columns_of(schema, [{"v": [1, 2, 3], "x": 9.0}, {"v": [4, 5, 6], "x": 8.0}], ("v", "x"), 4):
        assert columns.arrays[0].tolist() == [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
        assert columns.arrays[1].tolist() == [9.0, 8.0]
        assert columns.status.tolist() == [0, 0]


def test_a_vector_of_another_length_costs_its_record_only() -> None:
    schema = record_type(tenant="string", v=["null", of(["null", "double"])])
    rows = [{"v": [1.0, 2.0]}, {"v": [1.0]}, {"v": [1.0, 2.0, 3.0]}, {"v": None}, {"v": [None, 2.0]}]
    for columns in columns_of(schema, rows, ("v",), 2):
        invalid = Reason.FEATURE_INVALID.code
        assert columns.status.tolist() == [0, invalid, invalid, 0, 0]
        assert columns.null[:, 0].tolist() == [False, True, False, True, True]
        assert same(columns.arrays[0][4].tolist(), [NAN, 2.0])


def test_a_vector_that_the_schema_lacks_is_null_and_as_wide() -> None:
    for columns in columns_of(SIMPLE, [{"x": 1.0}], ("x", "v"), 4):
        assert columns.arrays[1].shape == (1, 3)
        assert columns.null.tolist() == [[False, True]]


def test_two_whole_arrays_are_one_too_many() -> None:
    schema = record_type(tenant="string", v=of("double"), w=of("double"))
    for columns in columns_of(schema, [{"v": [1.0], "w": [2.0]}], ("v", "w"), 3):
        assert columns.status.tolist() == [Reason.FEATURE_INVALID.code]


def test_a_text_feature_that_is_no_utf8_costs_its_record_only() -> None:
    schema = record_type(tenant="string", s="string")
    subject = decoder(schema)
    batch = record_batch([b"\x02t\x02\xff", b"\x02t\x02a"])
    columns = subject.decode(batch).features(0, np.arange(2), ("s",))
    assert columns.status.tolist() == [Reason.UNDECODABLE.code, 0]
    assert columns.arrays[0].tolist()[1] == "a"


def test_rows_come_in_the_order_in_which_they_are_asked_for() -> None:
    decoded = decoder(SIMPLE).decode(record_batch([simple(x=row) for row in range(9)]))
    for rows in ([7, 0, 3], [3], []):
        wanted: NDArray[np.int64] = np.array(rows, np.int64)
        assert decoded.features(0, wanted, ("x",)).arrays[0].tolist() == rows


def test_fields_above_the_bound_are_still_read_and_the_least_recently_used_are_forgotten() -> None:
    schema = record_schema(record_type(tenant="string", **dict.fromkeys("abcdef", "int")), SchemaIds())
    subject = plans.SchemaPlans(schema, tenant_field="tenant", event_time_field=None, max_paths=3)
    for names in (("a", "b", "c"), ("a",), ("d",)):
        subject.columns(names, None)
    assert sorted(subject.program.slots) == ["a", "c", "d", "tenant"]
    before = subject.program
    subject.columns(("a", "c"), None)
    assert subject.program is before


def test_what_was_wanted_once_is_captured_on_the_first_walk() -> None:
    subject = decoder(SIMPLE)
    batch = record_batch([simple()])
    subject.decode(batch).features(0, np.array([0]), ("x",))
    (walked,) = subject.decode(batch).walks
    assert "x" in walked.captured.program.slots


def problems(schema: Json, *names: str, n_columns: int | None = None) -> list[str]:
    return feature_problems(record_schema(schema, SchemaIds()), names, n_columns)


def test_a_schema_that_lacks_what_a_model_wants_is_told_by_field_and_type() -> None:
    schema = record_type(
        tenant="string", a=record_type("A", b="int"), m={"type": "map", "values": "int"}, v=of("int"), w=of("int")
    )
    assert problems(schema, "a.b", "v[3]") == []
    assert problems(schema, "a.c", "z") == [
        "feature 'a.c' is absent from schema Event",
        "feature 'z' is absent from schema Event",
    ]
    assert problems(schema, "m") == [
        (
            "feature 'm' has type map in schema Event, expected number, boolean, enum, string, an array of numbers, "
            "or one of these or null"
        )
    ]
    assert problems(schema, "a.b[0]") == ["feature 'a.b[0]' has type int in schema Event, expected an array of numbers"]
    assert problems(schema, "v", n_columns=7) == []
    assert len(problems(schema, "v", "w", n_columns=7)) == 2
    assert problems(schema, "a.b", n_columns=2) == ["the model has 2 columns, and its features make 1 of schema Event"]


def test_tenant_and_time_fields_are_judged_before_the_first_record() -> None:
    schema = record_schema(record_type(tenant="string", t=["null", "double"], at="long"), SchemaIds())
    assert (tenant_problems(schema, "tenant"), event_time_problems(schema, "at")) == ([], [])
    assert tenant_problems(schema, "nothing") == ["records.tenant_field: 'nothing' is absent from schema Event"]
    assert "double or null" in tenant_problems(schema, "t")[0]
    assert "string" in event_time_problems(schema, "tenant")[0]


def test_schemas_and_features_are_judged_without_loading_the_compiler() -> None:
    code = "import streamproc.avro.features, streamproc.avro.listed, sys; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
