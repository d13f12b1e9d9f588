"""Schemas and paths that mean harm make neither large programs nor slow walks."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import numpy as np
import pytest
from support.avro import Json, decoder, record_type
from support.avro_generated import encoded_long
from support.records import record_batch

from streamproc.avro.program import compile_program
from streamproc.avro.types import schema_of

TENANT = b"\x02t"


def crossed(count: int) -> Json:
    """Records that each hold, at `a`, any of them: what references could expand to doubles at least with each level."""
    names = [f"R{number}" for number in range(count)]
    inner: Json = ["null", *names[:-1]]
    for name in reversed(names):
        inner = [
            "null",
            {"type": "record", "name": name, "fields": [{"name": "a", "type": inner}, {"name": "v", "type": "double"}]},
        ]
        inner += [other for other in names if other < name]
    return record_type(tenant="string", a=inner)


@pytest.mark.parametrize("names", [1, 10, 60])
def test_a_program_grows_with_the_length_of_a_path_and_not_with_what_it_could_expand_to(names: int) -> None:
    schema = crossed(4)
    program = compile_program(schema_of(schema), [".".join(["a"] * names + ["v"])])
    assert len(program.ops) <= (names + 2) * len(json.dumps(schema)) / 4


def test_a_path_through_many_levels_of_crossed_records_is_read() -> None:
    node = {
        "type": "record",
        "name": "B",
        "fields": [{"name": "a", "type": ["null", "A", "B"]}, {"name": "v", "type": "double"}],
    }
    schema = record_type(
        tenant="string",
        a={
            "type": "record",
            "name": "A",
            "fields": [{"name": "a", "type": ["null", "A", node]}, {"name": "v", "type": "double"}],
        },
    )
    levels = [number % 3 != 0 for number in range(40)]
    body = TENANT
    # Each record is its `a` first, then its `v`: the branches one after the other, and the numbers from the inside out.
    for is_b in levels:
        body += b"\x04" if is_b else b"\x02"
    body += b"\x00" + b"".join(np.float64(level).tobytes() for level in range(40, -1, -1))
    names = tuple(".".join(["a"] * (level + 1) + ["v"]) for level in (0, 1, 2, 17, 40))
    subject = decoder(schema)
    for _ in range(2):
        decoded = subject.decode(record_batch([body, body[:-1], body]))
        assert decoded.status.tolist() == [0, 5, 0]
        columns = decoded.features(0, np.array([0, 2]), names)
        assert [array.tolist() for array in columns.arrays] == [[0.0] * 2, [1.0] * 2, [2.0] * 2, [17.0] * 2, [40.0] * 2]


@pytest.mark.parametrize("leaf", ["v", "w", "w[0]"])
def test_a_path_longer_than_records_may_nest_is_null(leaf: str) -> None:
    fields: dict[str, Json] = {"next": ["null", "Node"], "v": "double", "w": {"type": "array", "items": "double"}}
    schema = record_type(tenant="string", next=["null", record_type("Node", **fields)])
    name = ".".join([*["next"] * 70, leaf])
    subject = decoder(schema)
    for _ in range(2):
        decoded = subject.decode(record_batch([TENANT + b"\x02\x00" + bytes(8) + b"\x00", TENANT + b"\x00"]))
        columns = decoded.features(0, np.array([0, 1]), (name,))
        assert columns.status.tolist() == [0, 0]
        assert columns.null.all()


def test_arrays_of_different_numbers_at_one_path_are_no_feature() -> None:
    one, two = (
        record_type("One", v={"type": "array", "items": "double"}),
        record_type("Two", v={"type": "array", "items": "long"}),
    )
    decoded = decoder(record_type(tenant="string", x=[one, two])).decode(record_batch([TENANT + b"\x02\x02\x02\x00"]))
    assert decoded.features(0, np.array([0]), ("x.v[0]",)).status.all()


def of(items: Json) -> Json:
    return {"type": "array", "items": items}


EMPTY = record_type("Empty", a="null")
SHAPES: dict[str, tuple[Json, Callable[[int], bytes]]] = {
    "blocks of one null each": (of("null"), lambda size: b"\x02" * size + b"\x00"),
    "sized blocks of one empty record each": (of(EMPTY), lambda size: b"\x01\x00" * (size // 2) + b"\x00"),
    "empty arrays in an array": (of(of("null")), lambda size: encoded_long(size) + bytes(size) + b"\x00"),
    "lists at the deepest level": (
        record_type("Node", next=["null", "Node"], rest=of("boolean")),
        lambda size: b"\x02" * 60 + b"\x00" + (encoded_long(size // 60) + bytes(size // 60) + b"\x00") * 61,
    ),
    "calls from item to item": (
        of(record_type("A", b=record_type("B", c=record_type("C", d="boolean")))),
        lambda size: encoded_long(size) + bytes(size) + b"\x00",
    ),
    "numbers of which every tenth is a feature": (of("int"), lambda size: encoded_long(size) + bytes(size) + b"\x00"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_record_four_times_as_large_takes_about_four_times_as_long(shape: str) -> None:
    """Sixteen times as long, where something were quadratic."""
    field, body_of = SHAPES[shape]
    subject = decoder(record_type(tenant="string", x=field), max_record_bytes=10_000_000)

    def seconds(size: int) -> float:
        """Of this thread's own work: others may need the cores meanwhile."""
        batch = record_batch([TENANT + body_of(size)])
        names = tuple(f"x[{index}]" for index in range(0, 500, 10)) if shape.startswith("numbers") else ()
        best = float("inf")
        for _ in range(7):
            started = time.thread_time()
            decoded = subject.decode(batch)
            assert not decoded.status.any()
            decoded.features(0, np.array([0]), names)
            best = min(best, time.thread_time() - started)
        return best

    assert seconds(2_000_000) < 10 * seconds(500_000)


def test_features_of_one_array_are_read_in_one_pass() -> None:
    """A thousand elements of an array of a million take about as long as one."""
    size = 1_000_000
    subject = decoder(record_type(tenant="string", x=of("int")), max_record_bytes=10_000_000)
    decoded = subject.decode(record_batch([TENANT + encoded_long(size) + bytes(size) + b"\x00"]))

    def seconds(count: int) -> float:
        best = float("inf")
        for _ in range(3):
            started = time.thread_time()
            decoded.features(0, np.array([0]), tuple(f"x[{index}]" for index in range(count)))
            best = min(best, time.thread_time() - started)
        return best

    assert seconds(1000) < 20 * seconds(1)
