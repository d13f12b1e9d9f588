"""Schemas: what is accepted, how they are named, and what outputs are written with."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import fastavro
import pytest
from fastavro.schema import fingerprint, to_parsing_canonical_form
from support.avro import Json, encoded, read, record_type

from streamproc.avro.listed import Framing, ListedSchemas, SchemaEntry
from streamproc.avro.output import PREDICTION_SCHEMA, derive_output_schema
from streamproc.avro.program import compile_program
from streamproc.avro.schemas import SchemaIds, record_schema
from streamproc.avro.types import SchemaError, parse_schema, schema_of
from streamproc.errors import ConfigurationError, Reason, RecordError

PUBLISHED = Path(__file__).parents[2] / "schemas"
PREDICTION = {
    "model_id": "m@1",
    "variant": "champion",
    "value": 0.5,
    "scores": None,
    "predicted_at": 0,
    "source_topic": "events",
    "source_partition": 0,
    "source_offset": 1,
}
SUFFIX = encoded(dict(PREDICTION_SCHEMA), PREDICTION)
TREE = {
    "type": "record",
    "name": "Node",
    "namespace": "a.b",
    "fields": [
        {"name": "left", "type": ["null", "Node"]},
        {"name": "colour", "type": {"type": "enum", "name": "Colour", "symbols": ["red", "black"]}},
        {"name": "others", "type": {"type": "array", "items": "a.b.Node"}},
        {"name": "again", "type": "Colour"},
    ],
}
SCHEMAS: dict[str, Json] = {
    "flat": record_type(tenant="string", x=["null", "double"]),
    "namespaces": {
        "type": "record",
        "name": "x.y.Event",
        "doc": "kept",
        "fields": [
            {"name": "f", "type": {"type": "fixed", "name": "F", "size": 2}, "aliases": ["g"]},
            {"name": "e", "type": {"type": "enum", "name": "z.E", "symbols": ["A"], "default": "A"}},
            {"name": "r", "type": {"type": "record", "name": "R", "namespace": "z", "fields": [{"name": "e", "type": "E"}]}},
            {"name": "t", "type": {"type": "long", "logicalType": "timestamp-millis"}, "default": 0},
        ],
    },
    "recursive": TREE,
    "mentions its name only": record_type("Event", Event="string", x="int"),
}


def leaf(colour: str) -> Json:
    return {"left": None, "colour": colour, "others": [], "again": "red"}


RECORDS: dict[str, Json] = {
    "flat": {"tenant": "t", "x": None},
    "namespaces": {"f": b"ab", "e": "A", "r": {"e": "A"}, "t": 5},
    "recursive": {"left": leaf("black"), "colour": "red", "others": [leaf("red"), leaf("black")], "again": "black"},
    "mentions its name only": {"Event": "e", "x": 1},
}


@pytest.mark.parametrize("kind", SCHEMAS)
def test_the_fingerprint_is_fastavros(kind: str) -> None:
    canonical = to_parsing_canonical_form(fastavro.parse_schema(SCHEMAS[kind]))
    assert schema_of(SCHEMAS[kind]).canonical_form == canonical
    assert schema_of(SCHEMAS[kind]).fingerprint.hex() == fingerprint(canonical, "CRC-64-AVRO")


def test_the_fingerprint_of_int_is_that_of_the_specifications_test_data() -> None:
    assert int.from_bytes(parse_schema('"int"').fingerprint, "little") == 0x7275D51A3F395C8F


@pytest.mark.parametrize("kind", SCHEMAS)
def test_an_input_record_and_a_prediction_make_an_output_record(kind: str) -> None:
    output = derive_output_schema(SCHEMAS[kind])
    body = encoded(SCHEMAS[kind], RECORDS[kind])
    record, used = read(output, body + SUFFIX)
    assert used == len(body + SUFFIX)
    assert record.pop("prediction")["source_offset"] == 1
    assert record == read(SCHEMAS[kind], body)[0]


def test_an_output_schema_is_the_writers_renamed_with_one_field_more() -> None:
    output = derive_output_schema(SCHEMAS["namespaces"])
    assert output["name"] == "x.y.EventPrediction"
    assert output["doc"] == "kept"
    assert output["fields"][:-1] == SCHEMAS["namespaces"]["fields"]
    assert output["fields"][-1] == {"name": "prediction", "type": PREDICTION_SCHEMA}


def test_a_recursive_schemas_first_reference_to_itself_becomes_the_original_definition() -> None:
    fields = derive_output_schema(TREE)["fields"]
    inner = fields[0]["type"][1]
    assert (inner["name"], inner["type"]) == ("Node", "record")
    assert [field["name"] for field in inner["fields"]] == ["left", "colour", "others", "again"]
    assert fields[1]["type"] == "a.b.Colour"
    assert fields[2]["type"]["items"] == "a.b.Node"


def test_a_recursive_schema_without_namespace_refers_to_itself_from_another_namespace() -> None:
    inner = {"type": "record", "name": "z.Inner", "fields": [{"name": "below", "type": ["null", "Outer"]}]}
    schema = record_type("Outer", inner=inner, x="int")
    output = schema_of(derive_output_schema(schema))
    assert set(output.named) >= {"Outer", "OuterPrediction", "z.Inner"}


@pytest.mark.parametrize(
    "schema",
    [
        record_type(prediction="int"),
        record_type(x={"type": "fixed", "name": "streamproc.Prediction", "size": 1}),
        record_type(x={"type": "enum", "name": "streamproc.Variant", "symbols": ["A"]}),
        record_type(x={"type": "fixed", "name": "EventPrediction", "size": 1}),
        derive_output_schema(record_type(tenant="string")),
    ],
    ids=["field", "Prediction", "Variant", "own name", "an output schema"],
)
def test_a_schema_that_defines_what_outputs_define_is_refused(schema: Json) -> None:
    with pytest.raises(ConfigurationError, match=r"prediction|Prediction|Variant"):
        derive_output_schema(schema)


def test_the_published_schemas_are_those_that_are_used() -> None:
    assert json.loads((PUBLISHED / "prediction.avsc").read_text()) == PREDICTION_SCHEMA
    event = record_schema(json.loads((PUBLISHED / "event.avsc").read_text()), SchemaIds())
    assert event.name == "example.Event"


@pytest.mark.parametrize(
    "schema",
    [
        record_type(a="nothing"),
        record_type(a=["int", "int"]),
        record_type(a=["int", ["null"]]),
        record_type(a=[{"type": "array", "items": "int"}, {"type": "array", "items": "long"}]),
        record_type(a={"type": "array"}),
        record_type(a={"type": "map"}),
        record_type(a={"type": "fixed", "name": "F", "size": -1}),
        record_type(a={"type": "fixed", "name": "F", "size": "4"}),
        record_type(a={"type": "enum", "name": "E", "symbols": ["A", "A"]}),
        record_type(a={"type": "enum", "name": "E", "symbols": "A"}),
        record_type(a={"type": "enum", "symbols": ["A"]}),
        record_type(a={"type": "fixed", "name": "Event", "size": 1}),
        record_type(a={"type": "fixed", "name": "int", "size": 1}),
        record_type(a={"type": {"type": "int"}}),
        {"type": "record", "name": "Event"},
        {"type": "record", "name": "Event", "fields": [{"name": "a", "type": "int"}] * 2},
        {"type": "record", "name": "Event", "fields": [{"type": "int"}]},
        {"type": "record", "name": "Event", "fields": [{"name": "a"}]},
        {"type": "record", "fields": []},
        17,
        None,
        True,
    ],
)
def test_what_is_no_schema_is_refused(schema: Json) -> None:
    with pytest.raises(SchemaError):
        schema_of(schema)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"type": "array", "items": ' * 5000])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(SchemaError):
        parse_schema(text)


def test_references_that_double_at_each_step_make_a_small_program() -> None:
    fields: dict[str, Json] = {"a0": record_type("A0", x="int", y="int")}
    for number in range(1, 60):
        fields[f"a{number}"] = record_type(f"A{number}", x=f"A{number - 1}", y=f"A{number - 1}")
    assert len(compile_program(schema_of(record_type(**fields)), ["a1.x.x"]).ops) < 1000


@pytest.fixture
def event_file(tmp_path: Path) -> Path:
    file = tmp_path / "event.avsc"
    file.write_text(json.dumps(record_type(tenant="string")))
    return file


def test_listed_schemas_are_found_by_what_frames_say(event_file: Path) -> None:
    guid, output_guid = "00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002"
    schemas = ListedSchemas([SchemaEntry(event_file, 1, 2, guid, output_guid)], framing="confluent")
    (schema,) = schemas.schemas
    assert schemas.by_id(1, "events") is schema
    assert schemas.by_guid(bytes(15) + b"\x01", "events") is schema
    assert schemas.by_fingerprint(schema.writer.fingerprint) is schema
    assert (schema.output_ref.id, schema.output_ref.guid) == (2, bytes(15) + b"\x02")
    asks: list[Callable[[], object]] = [
        lambda: schemas.by_id(2, "events"),
        lambda: schemas.by_guid(bytes(16), "events"),
        lambda: schemas.by_fingerprint(b"x" * 8),
    ]
    for ask in asks:
        with pytest.raises(RecordError) as caught:
            ask()
        assert caught.value.reason is Reason.UNKNOWN_SCHEMA


@pytest.mark.parametrize(
    ("entries", "framing", "names"),
    [
        ([], "confluent", "avro.schemas is empty"),
        ([{"id": 1}], "confluent", r"avro.schemas\[0\] has id but no output_id"),
        ([{"output_id": 1}], "confluent", "has output_id but no id"),
        ([{"guid": "00000000-0000-0000-0000-000000000001"}], "confluent", "has guid but no output_guid"),
        ([{"guid": "x", "output_guid": "x"}], "confluent", r"avro.schemas\[0\].guid must be a GUID"),
        ([{}], "confluent", "needs id and output_id"),
        ([{"id": 1, "output_id": 2}, {"id": 1, "output_id": 3}], "confluent", "id 1 is given twice"),
        ([{"id": 1, "output_id": 3}, {"id": 2, "output_id": 3}], "confluent", "output_id 3 is given twice"),
        ([{"id": 1, "output_id": 2}, {"id": 2, "output_id": 3}], "confluent", "2 is an id and an output_id"),
        ([{"id": -1, "output_id": 2}], "confluent", r"avro.schemas\[0\].id must be 0 to 2147483647"),
        ([{}, {}], "raw", "exactly one entry"),
        ([{}, {}], "single_object", "same fingerprint"),
        ([{"file": "missing.avsc"}], "raw", r"avro.schemas\[0\].file: .*missing.avsc does not exist"),
        ([{"file": "."}], "raw", "can't be read"),
    ],
)
def test_a_list_of_schemas_that_can_not_work_is_refused_with_its_setting(
    event_file: Path, entries: list[Json], framing: Framing, names: str
) -> None:
    made = [SchemaEntry(**{**entry, "file": event_file.parent / entry.get("file", "event.avsc")}) for entry in entries]
    with pytest.raises(ConfigurationError, match=names):
        ListedSchemas(made, framing=framing)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("{", "is not JSON at line 1, column 2"),
        ('"string"', "is not a record"),
        ('["null", {"type": "record", "name": "R", "fields": []}]', "is not a record"),
        ('{"type": "record", "name": "R"}', "lacks 'fields'"),
        (json.dumps(record_type(prediction="int")), "already has a field 'prediction'"),
    ],
)
def test_a_file_that_holds_no_usable_schema_is_named(event_file: Path, text: str, names: str) -> None:
    event_file.write_text(text)
    with pytest.raises(ConfigurationError, match=names) as caught:
        ListedSchemas([SchemaEntry(event_file)], framing="raw")
    assert str(event_file) in str(caught.value)
