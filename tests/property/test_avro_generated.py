"""Decoding any record of any schema gives what the rules, worked out in plain Python, say of it; so does fastavro.

`STREAMPROC_PROPERTY_EXAMPLES=50000` asks for more schemas than `make test` does.
"""

from __future__ import annotations

import io
import json
import math
import os
import struct
from random import Random

import fastavro
import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.avro import Json, decoder, encoded
from support.avro_expected import Reference, column_differences, decoding_differences
from support.avro_generated import RecordMaker, candidate_paths, generated_schema
from support.avro_reference import parse, read_record
from support.records import record_batch

from streamproc.avro.output import PREDICTION_SCHEMA
from streamproc.avro.schemas import SchemaIds, record_schema

EXAMPLES = int(os.environ.get("STREAMPROC_PROPERTY_EXAMPLES", "2000"))
SETTINGS = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
MAX_BYTES = 100_000
"""Of a record; also its items."""


def structure(schema: Json) -> Json:
    """The schema without logical types, so that fastavro gives the values as they are written."""
    if isinstance(schema, list):
        return [structure(branch) for branch in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: structure(value) if key in ("type", "items", "values") else value
        for key, value in schema.items()
        if key != "logicalType"
    } | ({"fields": [structure(field) for field in schema["fields"]]} if "fields" in schema else {})


PREDICTION = {
    "model_id": "m@1",
    "variant": "champion",
    "value": 0.5,
    "scores": {"yes": 0.5},
    "predicted_at": 12,
    "source_topic": "events",
    "source_partition": 3,
    "source_offset": 4,
}
SUFFIX = encoded(structure(PREDICTION_SCHEMA), PREDICTION)
chances = st.randoms(use_true_random=False)


def same(found: Json, expected: Json) -> bool:
    if isinstance(found, dict) and isinstance(expected, dict):
        return found.keys() == expected.keys() and all(same(found[key], expected[key]) for key in found)
    if isinstance(found, list) and isinstance(expected, list):
        return len(found) == len(expected) and all(map(same, found, expected))
    if isinstance(found, float) and isinstance(expected, float):
        return struct.pack("<d", found) == struct.pack("<d", expected) or (math.isnan(found) and math.isnan(expected))
    return type(found) is type(expected) and bool(found == expected)


@SETTINGS
@given(chances, st.integers(1, 40))
def test_the_reference_reads_what_fastavro_reads(chance: Random, size: int) -> None:
    made = generated_schema(chance, size)
    root = parse(made.schema)
    theirs = fastavro.parse_schema(structure(made.schema))
    body = RecordMaker(root, chance).record()
    stream = io.BytesIO(body)
    assert same(read_record(root, body, MAX_BYTES).plain, fastavro.schemaless_reader(stream, theirs, None))
    assert stream.tell() == len(body)


@SETTINGS
@given(chances, st.integers(1, 40))
def test_an_output_record_is_the_input_record_with_one_field_more(chance: Random, size: int) -> None:
    """Also where the schema refers to itself, and its definition has moved."""
    made = generated_schema(chance, size)
    body = RecordMaker(parse(made.schema), chance).record()
    output = fastavro.parse_schema(structure(json.loads(record_schema(made.schema, SchemaIds()).output.text)))
    stream = io.BytesIO(body + SUFFIX)
    record = fastavro.schemaless_reader(stream, output, None)
    assert isinstance(record, dict)
    assert stream.tell() == len(body + SUFFIX)
    assert record.pop("prediction") == PREDICTION
    assert same(record, fastavro.schemaless_reader(io.BytesIO(body), fastavro.parse_schema(structure(made.schema)), None))


@SETTINGS
@given(chances, st.integers(1, 40))
def test_tenants_times_and_features_are_what_the_reference_says(chance: Random, size: int) -> None:
    made = generated_schema(chance, size)
    reference = Reference(made, MAX_BYTES)
    maker = RecordMaker(reference.root, chance)
    bodies = [maker.record() for _ in range(chance.randrange(1, 5))]
    verdicts = [reference.verdict(body) for body in bodies]
    names = candidate_paths(reference.root, chance, chance.randrange(8))
    vectors = [name for name in names if reference.is_vector(name)]
    names = [name for name in names if name not in vectors[1:]]  # one feature only can be a whole array
    width = chance.randrange(1, 4) if vectors else 1
    subject = decoder(made.schema, tenant=made.tenant, time=made.time, max_record_bytes=MAX_BYTES)
    for _ in range(2):  # the second time the features are captured on the first walk
        decoded = subject.decode(record_batch([*bodies]))
        assert list(decoding_differences(verdicts, decoded)) == []
        rows = np.flatnonzero(decoded.status == 0)
        if not len(rows):
            return
        found = decoded.features(0, rows, tuple(names), len(names) - 1 + width if vectors else None)
        sound = [verdict.read for verdict in verdicts if verdict.reason is None and verdict.read is not None]
        assert list(column_differences(reference, sound, found, width)) == []


def test_a_definition_that_has_moved_defines_what_it_refers_to() -> None:
    """`Event` moves into `A`, before the place where `A` defines `X`; inside of it `X` is referred to."""
    fixed = {"type": "fixed", "name": "X", "size": 2}
    inner = {"name": "a", "type": ["null", "Event"]}, {"name": "b", "type": fixed}
    first = {"name": "f", "type": {"type": "record", "name": "com.A", "fields": [*inner]}}
    schema = {"type": "record", "name": "Event", "fields": [first, {"name": "g", "type": "com.X"}]}
    output = fastavro.parse_schema(json.loads(record_schema(schema, SchemaIds()).output.text))
    body = b"\x02\x00abcdefgh"
    record = fastavro.schemaless_reader(io.BytesIO(body + SUFFIX), output, None)
    assert isinstance(record, dict)
    assert record["f"] == {"a": {"f": {"a": None, "b": b"ab"}, "g": b"cd"}, "b": b"ef"}
    assert record["g"] == b"gh"
