"""Decoding equals fastavro on any schema and record, and any bytes have a defined outcome."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.avro import Json, decoder, encoded, read
from support.records import output_values, record_batch

from streamproc.avro.display import record_as_json
from streamproc.avro.encoder import PredictionEncoder
from streamproc.avro.from_json import json_to_avro
from streamproc.avro.schemas import SchemaIds, record_schema
from streamproc.errors import Reason
from streamproc.models.base import Variant

Values = st.SearchStrategy[Json]

SETTINGS = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


class SchemaMaker:
    """Draws schemas with the strategy of their values; names are unique within one schema."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw
        self._names = 0

    def name(self) -> str:
        self._names += 1
        return f"N{self._names}"

    def any_type(self, depth: int) -> tuple[Json, Values]:
        makers: list[Callable[[int], tuple[Json, Values]]] = [self.primitive, self.enum, self.fixed]
        if depth:
            makers += [self.array, self.map, self.union, self.record]
        maker = self._draw(st.sampled_from(makers))
        made: tuple[Json, Values] = maker(depth)
        return made

    def primitive(self, depth: int) -> tuple[Json, Values]:
        del depth
        schema, values = self._draw(st.sampled_from(PRIMITIVES))
        return schema, values

    def enum(self, depth: int) -> tuple[Json, Values]:
        del depth
        symbols = ["A", "B", "C"][: self._draw(st.integers(1, 3))]
        return {"type": "enum", "name": self.name(), "symbols": symbols}, st.sampled_from(symbols)

    def fixed(self, depth: int) -> tuple[Json, Values]:
        del depth
        size = self._draw(st.integers(0, 5))
        return {"type": "fixed", "name": self.name(), "size": size}, st.binary(min_size=size, max_size=size)

    def array(self, depth: int) -> tuple[Json, Values]:
        schema, values = self.any_type(depth - 1)
        return {"type": "array", "items": schema}, st.lists(values, max_size=4)

    def map(self, depth: int) -> tuple[Json, Values]:
        schema, values = self.any_type(depth - 1)
        return {"type": "map", "values": schema}, st.dictionaries(TEXT, values, max_size=4)

    def union(self, depth: int) -> tuple[Json, Values]:
        """Null and one or two other types, told apart by Python's types."""
        options = [("long", LONGS), ("string", TEXT), ("boolean", st.booleans())]
        chosen = self._draw(st.lists(st.sampled_from(options), min_size=0, max_size=2, unique_by=lambda option: option[0]))
        if not chosen or self._draw(st.booleans()):
            chosen = [*chosen, self._draw(st.sampled_from([self.array, self.map, self.record]))(depth - 1)]
        return ["null", *(schema for schema, _ in chosen)], st.one_of(st.none(), *(values for _, values in chosen))

    def record(self, depth: int) -> tuple[Json, Values]:
        name = self.name()
        fields = {f"f{number}": self.any_type(max(depth - 1, 0)) for number in range(self._draw(st.integers(0, 4)))}
        schema = {"type": "record", "name": name, "fields": [{"name": key, "type": typ} for key, (typ, _) in fields.items()]}
        return schema, st.fixed_dictionaries({key: values for key, (_, values) in fields.items()})


LONGS = st.integers(-(1 << 63), (1 << 63) - 1)
INTS = st.integers(-(1 << 31), (1 << 31) - 1)
DOUBLES = st.floats(allow_nan=False)
PRIMITIVES: list[tuple[Json, Values]] = [
    ("null", st.none()),
    ("boolean", st.booleans()),
    ("int", INTS),
    ("long", LONGS),
    ("float", st.floats(width=32, allow_nan=False)),
    ("double", DOUBLES),
    ("bytes", st.binary(max_size=9)),
    ("string", TEXT),
]
FEATURES: dict[str, tuple[Json, Values]] = {
    "i": ("int", INTS),
    "l": ("long", LONGS),
    "f": ("float", st.floats(width=32, allow_nan=False)),
    "d": ("double", DOUBLES),
    "b": ("boolean", st.booleans()),
    "s": ("string", TEXT),
    "e": ({"type": "enum", "name": "Colour", "symbols": ["red", "green"]}, st.sampled_from(["red", "green"])),
    "nl": (["null", "long"], st.none() | LONGS),
    "nd": (["double", "null"], st.none() | DOUBLES),
    "nb": (["null", "boolean"], st.none() | st.booleans()),
    "ns": (["null", "string"], st.none() | TEXT),
    "v": ({"type": "array", "items": "double"}, st.lists(DOUBLES, min_size=3, max_size=3)),
    "w": ({"type": "array", "items": ["null", "long"]}, st.lists(st.none() | st.integers(-(1 << 53), 1 << 53), max_size=5)),
}


@st.composite
def schemas_and_records(draw: st.DrawFn) -> tuple[dict[str, Json], list[dict[str, Json]]]:
    """A record schema with a tenant, some of `FEATURES` and fields of any type in any order, and some records of it."""
    maker = SchemaMaker(draw)
    wanted = draw(st.lists(st.sampled_from(sorted(FEATURES)), max_size=6, unique=True))
    fields = {"tenant": ("string", TEXT), **{name: FEATURES[name] for name in wanted}}
    fields |= {f"x{number}": maker.any_type(3) for number in range(draw(st.integers(0, 4)))}
    order = draw(st.permutations(sorted(fields)))
    schema = {"type": "record", "name": "Event", "fields": [{"name": name, "type": fields[name][0]} for name in order]}
    records = draw(
        st.lists(st.fixed_dictionaries({name: values for name, (_, values) in fields.items()}), min_size=1, max_size=5)
    )
    return schema, records


def same(found: object, expected: object) -> bool:
    """Null is NaN in a column; everything else is itself, with its sign and type kept."""
    if expected is None:
        return isinstance(found, float) and math.isnan(found)
    if isinstance(expected, float) and isinstance(found, float):
        return np.float64(found).tobytes() == np.float64(expected).tobytes()
    return found == expected and isinstance(found, str) == isinstance(expected, str)


def column_values(array: np.ndarray[Any, Any]) -> list[Json]:  # the dtype is what is tested
    return [array[row].tolist() if isinstance(array[row], np.ndarray | np.generic) else array[row] for row in range(len(array))]


def as_feature(name: str, value: Json) -> Json:
    """What the column of the feature holds for a value that fastavro has read."""
    if name in ("nl", "nb") and value is not None:
        return float(value)
    return value


@SETTINGS
@given(schemas_and_records())
def test_tenants_and_features_equal_what_fastavro_reads(drawn: tuple[dict[str, Json], list[dict[str, Json]]]) -> None:
    schema, records = drawn
    bodies = [encoded(schema, record) for record in records]
    expected_records = [read(schema, body)[0] for body in bodies]
    subject = decoder(schema)
    names = tuple(name for name in FEATURES if name not in ("v", "w") and any(f["name"] == name for f in schema["fields"]))
    for _ in range(2):  # the second time the fields are captured on the first walk
        decoded = subject.decode(record_batch([*bodies]))
        assert all(status in (0, Reason.TENANT_INVALID.code) for status in decoded.status.tolist())
        rows = np.flatnonzero(decoded.status == 0)
        assert [decoded.tenants[decoded.tenant[row]] for row in rows] == [expected_records[row]["tenant"] for row in rows]
        if not len(rows):
            return
        columns = decoded.features(0, rows, names, len(names))
        assert not columns.status.any()
        for place, name in enumerate(names):
            expected = [as_feature(name, expected_records[row][name]) for row in rows]
            assert all(map(same, column_values(columns.arrays[place]), expected)), name
            assert columns.null[:, place].tolist() == [value is None for value in expected]


@SETTINGS
@given(st.lists(FEATURES["v"][1], min_size=1), st.lists(FEATURES["w"][1], min_size=1), st.integers(0, 6))
def test_arrays_equal_what_fastavro_reads(vectors: list[list[float]], lists: list[list[int | None]], index: int) -> None:
    fields = [
        {"name": name, "type": typ} for name, typ in (("tenant", "string"), ("v", FEATURES["v"][0]), ("w", FEATURES["w"][0]))
    ]
    schema = {"type": "record", "name": "Event", "fields": fields}
    records = [{"tenant": "t", "v": v, "w": w} for v, w in zip(vectors, lists, strict=False)]
    decoded = decoder(schema).decode(record_batch([encoded(schema, record) for record in records]))
    columns = decoded.features(0, np.arange(len(records)), ("v", f"w[{index}]"), 4)
    assert not columns.status.any()
    assert columns.arrays[0].shape == (len(records), 3)
    assert columns.arrays[0].tolist() == [record["v"] for record in records]
    expected = [record["w"][index] if index < len(record["w"]) else None for record in records]
    assert all(map(same, columns.arrays[1].tolist(), expected))
    assert columns.null[:, 1].tolist() == [value is None for value in expected]


@st.composite
def damaged(draw: st.DrawFn) -> tuple[dict[str, Json], list[bytes]]:
    """A schema and bodies of it that were cut, lengthened, or had bytes changed."""
    schema, records = draw(schemas_and_records())
    bodies = []
    for record in records:
        body = bytearray(encoded(schema, record))
        for _ in range(draw(st.integers(0, 3))):
            if body:
                body[draw(st.integers(0, len(body) - 1))] = draw(st.integers(0, 255))
        bodies.append(
            bytes(body[: draw(st.integers(0, len(body)))] if draw(st.booleans()) else body + draw(st.binary(max_size=3)))
        )
    return schema, bodies


@SETTINGS
@given(damaged())
def test_any_bytes_have_a_defined_outcome_and_cost_only_their_own_record(drawn: tuple[dict[str, Json], list[bytes]]) -> None:
    schema, bodies = drawn
    names = tuple(field["name"] for field in schema["fields"])
    subject = decoder(schema)
    subject.decode(record_batch([*bodies[:1]])).features(0, np.zeros(0, np.int64), names) if bodies[0] else None
    together = subject.decode(record_batch([*bodies]))
    for row, body in enumerate(bodies):
        alone = subject.decode(record_batch([body]))
        assert alone.status[0] == together.status[row]
        if together.status[row]:
            error = together.error(row)
            assert error.reason.code == together.status[row]
            assert error.message
        else:
            columns = together.features(0, np.array([row]), names)
            assert columns.status[0] in (0, Reason.FEATURE_INVALID.code, Reason.UNDECODABLE.code)


@SETTINGS
@given(damaged())
def test_a_body_that_is_accepted_is_read_by_fastavro_to_its_end(drawn: tuple[dict[str, Json], list[bytes]]) -> None:
    schema, bodies = drawn
    decoded = decoder(schema).decode(record_batch([*bodies]))
    for row in np.flatnonzero(decoded.status == 0).tolist():
        try:
            record, used = read(schema, bodies[row])
        except UnicodeDecodeError:
            continue  # strings that no model names are walked, not validated
        assert used == len(bodies[row])
        assert record["tenant"] == decoded.tenants[decoded.tenant[row]]


@SETTINGS
@given(st.binary(max_size=60), schemas_and_records())
def test_arbitrary_bytes_never_crash(body: bytes, drawn: tuple[dict[str, Json], list[dict[str, Json]]]) -> None:
    decoded = decoder(drawn[0]).decode(record_batch([body]))
    assert decoded.status[0] == 0 or decoded.error(0).message


@SETTINGS
@given(schemas_and_records(), st.integers(0, 1 << 62))
def test_an_output_record_is_the_input_and_its_prediction(
    drawn: tuple[dict[str, Json], list[dict[str, Json]]], offset: int
) -> None:
    schema, records = drawn
    bodies = [encoded(schema, record) for record in records]
    subject = record_schema(schema, SchemaIds())
    batch = record_batch([*bodies])
    decoded = decoder(schema).decode(batch)
    count = len(bodies)
    suffixes = PredictionEncoder(scores=True).encode(
        np.arange(count) / 7,
        np.full((count, 2), 0.5),
        ("no", "yes"),
        model_id="m@1",
        variant=Variant.CHAMPION,
        predicted_at_ms=12,
        topics=["events"] * count,
        partitions=np.zeros(count, np.int32),
        offsets=np.full(count, offset),
    )
    values = output_values(batch, decoded, suffixes.suffixes)
    output = json.loads(subject.output.text)
    for row, value in enumerate(values):
        record, used = read(output, value)
        assert used == len(value)
        prediction = record.pop("prediction")
        assert record == read(schema, bodies[row])[0]
        assert (prediction["value"], prediction["scores"]) == (row / 7, {"no": 0.5, "yes": 0.5})
        assert (prediction["source_topic"], prediction["source_offset"]) == ("events", offset)


@SETTINGS
@given(schemas_and_records())
def test_what_is_shown_of_a_record_makes_the_same_record_again(drawn: tuple[dict[str, Json], list[dict[str, Json]]]) -> None:
    schema, records = drawn
    writer = record_schema(schema, SchemaIds()).writer
    for record in records:
        shown = record_as_json(writer, encoded(schema, record))
        again = json_to_avro(writer, json.dumps(shown))
        assert record_as_json(writer, again) == shown
