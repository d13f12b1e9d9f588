"""Records as JSON, and JSON as records."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from support.avro import Json, encoded, read, record_type

from streamproc.avro.display import record_as_json
from streamproc.avro.from_json import json_to_avro
from streamproc.avro.types import schema_of
from streamproc.errors import Reason, RecordError, RefusedError

MILLIS = {"type": "long", "logicalType": "timestamp-millis"}
MICROS = {"type": "long", "logicalType": "local-timestamp-micros"}
DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
COLOUR = {"type": "enum", "name": "Colour", "symbols": ["red", "green"]}
SHOWN: dict[str, tuple[Json, Json, Json]] = {
    "bytes": ("bytes", b"\x00\xff", "AP8="),
    "a fixed": ({"type": "fixed", "name": "F", "size": 2}, b"ab", "YWI="),
    "a timestamp": (MILLIS, datetime(2024, 5, 6, 7, 8, 9, 10_000, UTC), "2024-05-06T07:08:09.010000+00:00"),
    "a local timestamp": (MICROS, datetime(2024, 5, 6), "2024-05-06T00:00:00"),  # noqa: DTZ001 - local by its type
    "a timestamp after the year 9999": ("long", 1 << 62, 1 << 62),
    "a date": ({"type": "int", "logicalType": "date"}, 19_000, "2022-01-08"),
    "a time of day": ({"type": "int", "logicalType": "time-millis"}, 3_600_001, "01:00:00.001000"),
    "a decimal": (DECIMAL, Decimal("-12.34"), "-12.34"),
    "a UUID": ({"type": "string", "logicalType": "uuid"}, UUID(int=5), "00000000-0000-0000-0000-000000000005"),
    "no number": ("double", float("nan"), "NaN"),
    "minus infinity": ("float", float("-inf"), "-Infinity"),
    "null": (["null", "int"], None, None),
    "a map": ({"type": "map", "values": ["null", "double"]}, {"a": 1.5, "b": None}, {"a": 1.5, "b": None}),
    "an array of records": ({"type": "array", "items": record_type("In", c=COLOUR)}, [{"c": "red"}], [{"c": "red"}]),
}


@pytest.mark.parametrize("kind", SHOWN)
def test_a_record_is_shown_as_json_that_makes_the_same_record(kind: str) -> None:
    field, value, shown = SHOWN[kind]
    definition = record_type(x=field)
    body = encoded(definition, {"x": value})
    schema = schema_of(definition)
    assert record_as_json(schema, body) == {"x": shown}
    assert json.loads(json.dumps(record_as_json(schema, body), allow_nan=False)) == {"x": shown}
    assert json_to_avro(schema, json.dumps({"x": shown})) == body


def test_a_time_that_no_calendar_has_is_shown_as_its_number() -> None:
    definition = record_type(x=MILLIS)
    assert record_as_json(schema_of(definition), encoded(record_type(x="long"), {"x": 1 << 60})) == {"x": 1 << 60}


def test_bytes_that_are_no_record_are_refused_before_fastavro_sees_them() -> None:
    schema = schema_of(record_type(x={"type": "array", "items": "null"}))
    for body, reason in ((b"\xfe\xff\xff\xff\xff\x1f\x00", Reason.UNDECODABLE), (b"\x00\x00", Reason.TRAILING_BYTES)):
        with pytest.raises(RecordError) as caught:
            record_as_json(schema, body)
        assert caught.value.reason is reason


WRITTEN: dict[str, tuple[Json, Json, Json]] = {
    "a plain nullable": (["null", "double"], 1, 1.0),
    "Avro's nullable": (["null", "double"], {"double": 1}, 1.0),
    "a named branch": (["null", "long", "string"], {"string": "7"}, "7"),
    "a record branch by its short name": (
        ["null", {**record_type("In", c="int"), "namespace": "a"}],
        {"In": {"c": 1}},
        {"c": 1},
    ),
    "a plain record branch": (["null", record_type("In", c="int")], {"c": 1}, {"c": 1}),
    "the record branch that fits": ([record_type("A", a="int"), record_type("B", b="int")], {"b": 1}, {"b": 1}),
    "a map whose only key is a branch's name": (["null", {"type": "map", "values": "int"}], {"map": 1}, {"map": 1}),
    "a whole number as a long": (["double", "long"], 7, 7.0),
    "a number with a point as a double": (["long", "double"], 7.0, 7.0),
    "a whole number with a point as an int": ("int", 7.0, 7),
    "a symbol before a text": (["string", COLOUR], "red", "red"),
    "a timestamp in words": (MILLIS, "1970-01-01T00:00:01Z", datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)),
    "a timestamp as a number": (MILLIS, 1000, datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)),
}


@pytest.mark.parametrize("kind", WRITTEN)
def test_json_may_be_plain_or_avros(kind: str) -> None:
    field, value, expected = WRITTEN[kind]
    definition = record_type(x=field)
    assert read(definition, json_to_avro(schema_of(definition), json.dumps({"x": value})))[0] == {"x": expected}


def test_a_field_that_is_left_out_takes_its_default_or_null() -> None:
    definition = record_type(a="int", b=["null", "int"], c="bytes")
    definition["fields"][0]["default"] = 5
    definition["fields"][2]["default"] = "\u00ff"
    assert read(definition, json_to_avro(schema_of(definition), "{}"))[0] == {"a": 5, "b": None, "c": b"\xff"}


@pytest.mark.parametrize(
    ("field", "line", "message"),
    [
        ("int", "{", "the line is not JSON; expected one object a line"),
        ("int", "[1]", "expected an object with the fields of Event, found an array"),
        ("int", "{}", "field 'x': is missing, may not be null and has no default"),
        ("int", '{"x": 1, "y": 2}', "field 'y': is no field of Event; it has x"),
        ("int", '{"x": "secret"}', "field 'x': expected a whole number (int), found a text"),
        ("int", '{"x": 1.5}', "field 'x': expected a whole number (int), found a number"),
        ("int", '{"x": 2147483648}', "field 'x': expected int, from -2147483648 to 2147483647, found a number outside"),
        ("int", '{"x": true}', "field 'x': expected a whole number (int), found a boolean"),
        ("double", '{"x": "secret"}', "field 'x': expected a number (double), found a text"),
        ("float", '{"x": 1e300}', "field 'x': expected float, found a number outside its range"),
        ("boolean", '{"x": 1}', "field 'x': expected a boolean, found a number"),
        ("string", '{"x": null}', "field 'x': expected a text, found null"),
        ("string", '{"x": "\\ud800"}', "field 'x': expected a text, found half a surrogate pair in it"),
        ("bytes", '{"x": "secret!"}', "field 'x': expected base64, found another text"),
        ({"type": "fixed", "name": "F", "size": 2}, '{"x": "YQ=="}', "field 'x': expected 2 bytes, found 1"),
        (DECIMAL, '{"x": "1.234"}', "field 'x': expected a decimal of scale 2, found more digits after the point"),
        (COLOUR, '{"x": "blue"}', "field 'x': expected one of red, green"),
        (MILLIS, '{"x": "yesterday"}', "field 'x': expected timestamp-millis or a number, found a text"),
        (["null", "int"], '{"x": "secret"}', "field 'x': expected null or int, found a text"),
        (
            ["null", record_type("In", c="int")],
            '{"x": {"c": "secret"}}',
            "field 'x.c': expected a whole number (int), found a text",
        ),
        ({"type": "array", "items": "int"}, '{"x": [1, null]}', "field 'x[1]': expected a whole number (int), found null"),
        (
            {"type": "map", "values": "int"},
            '{"x": {"k": "secret"}}',
            "field 'x.k': expected a whole number (int), found a text",
        ),
    ],
)
def test_a_line_that_is_no_record_is_refused_with_its_field_and_without_its_value(field: Json, line: str, message: str) -> None:
    with pytest.raises(RefusedError) as caught:
        json_to_avro(schema_of(record_type(x=field)), line)
    assert str(caught.value) == message
