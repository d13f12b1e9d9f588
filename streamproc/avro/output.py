"""The output schema: the writer's schema, renamed, with the prediction as its last field."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from streamproc.avro.types import PRIMITIVES, JsonValue, SchemaError, full_name, namespace_of, schema_of
from streamproc.errors import ConfigurationError
from streamproc.models.base import Variant

PREDICTION_FIELD: Final = "prediction"

PREDICTION_SCHEMA: Final[Mapping[str, JsonValue]] = {
    "type": "record",
    "name": "Prediction",
    "namespace": "streamproc",
    "fields": [
        {"name": "model_id", "type": "string"},
        {
            "name": "variant",
            "type": {
                "type": "enum",
                "name": "Variant",
                "symbols": [variant.value for variant in Variant],
                "default": Variant.UNKNOWN.value,
            },
        },
        {"name": "value", "type": ["long", "double", "boolean", "string", {"type": "array", "items": "double"}]},
        {"name": "scores", "type": ["null", {"type": "map", "values": "double"}]},
        {"name": "predicted_at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "source_topic", "type": "string"},
        {"name": "source_partition", "type": "int"},
        {"name": "source_offset", "type": "long"},
    ],
}
"""The type of the field; `schemas/prediction.avsc` is its published copy."""

_NEW_NAMES: Final = ("streamproc.Prediction", "streamproc.Variant")


def derive_output_schema(writer: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The schema of records whose bytes are a record of `writer` followed by an encoded prediction.

    A reference of `writer` to itself still means `writer`: the first one becomes its definition.

    Raises:
        SchemaError: `writer` is no valid schema, or no record.
        ConfigurationError: it has a field `prediction`, or defines a name that the output schema defines.

    """
    schema = schema_of(writer)
    if not isinstance(writer, Mapping) or writer.get("type") not in ("record", "error"):
        raise SchemaError("is not a record: its top type must be one, to have fields")
    name = full_name(writer, "")
    new_name = f"{name}Prediction"
    _refuse_conflicts(writer, name, frozenset(schema.named))
    fields = _Rewriter(writer, name).fields() if _refers_to(name, schema.text) else list(writer["fields"])
    prediction = {"name": PREDICTION_FIELD, "type": dict(PREDICTION_SCHEMA)}
    renamed = new_name if "." in writer["name"] else new_name.rpartition(".")[2]
    return {**writer, "type": "record", "name": renamed, "fields": [*fields, prediction]}


def _refers_to(name: str, text: str) -> bool:
    """Whether the schema may mention its own top name once more; a false yes only costs a rewriting that changes nothing."""
    return text.count(json.dumps(name.rpartition(".")[2], ensure_ascii=False)[1:-1]) > 1


def _refuse_conflicts(writer: Mapping[str, JsonValue], name: str, named: frozenset[str]) -> None:
    if any(field["name"] == PREDICTION_FIELD for field in writer["fields"]):
        raise ConfigurationError(
            f"the schema {name} already has a field '{PREDICTION_FIELD}', which the output schema appends; rename it, "
            "or read a topic that holds no predictions yet"
        )
    for taken in (*_NEW_NAMES, f"{name}Prediction"):
        if taken in named:
            raise ConfigurationError(f"the schema {name} defines {taken}, which its output schema defines; rename that type")


class _Rewriter:
    """Rewrites the fields of a recursive schema so that each name is defined once, where it is met first.

    The writer's own definition moves to where it is referred to first, and is walked from its start there: it may refer to
    types before the place that defined them.
    """

    def __init__(self, writer: Mapping[str, JsonValue], name: str) -> None:
        self._writer = writer
        self._name = name
        self._defined: set[str] = set()
        self._definitions: dict[str, Mapping[str, JsonValue]] = {}
        _find_definitions(writer, "", self._definitions)

    def fields(self) -> list[JsonValue]:
        return [self._field(field, namespace_of(self._name)) for field in self._writer["fields"]]

    def _field(self, field: Mapping[str, JsonValue], namespace: str) -> dict[str, JsonValue]:
        return {**field, "type": self._type(field["type"], namespace)}

    def _type(self, node: JsonValue, namespace: str) -> JsonValue:
        if isinstance(node, str):
            return self._reference(node, namespace)
        if isinstance(node, list):
            return [self._type(branch, namespace) for branch in node]
        kind = node["type"]
        if kind in ("record", "error", "enum", "fixed"):
            return self._definition(node, namespace)
        if kind == "array":
            return {**node, "items": self._type(node["items"], namespace)}
        if kind == "map":
            return {**node, "values": self._type(node["values"], namespace)}
        return node if kind in PRIMITIVES else self._reference(kind, namespace)

    def _reference(self, name: str, namespace: str) -> JsonValue:
        if name in PRIMITIVES:
            return name
        full = name if "." in name or not namespace else f"{namespace}.{name}"
        full = full if full in self._definitions else name
        if full in self._defined:
            return name
        own, node = namespace_of(full), self._definitions[full]
        return self._definition(node if own == namespace else {**node, "namespace": own}, namespace)

    def _definition(self, node: Mapping[str, JsonValue], namespace: str) -> JsonValue:
        name = full_name(node, namespace)
        if name in self._defined:
            return name
        self._defined.add(name)
        if "fields" not in node:
            return node
        return {**node, "fields": [self._field(field, namespace_of(name)) for field in node["fields"]]}


def _find_definitions(node: JsonValue, namespace: str, found: dict[str, Mapping[str, JsonValue]]) -> None:
    """Note every definition in `node` under its full name."""
    if isinstance(node, list):
        for branch in node:
            _find_definitions(branch, namespace, found)
    elif isinstance(node, dict) and node["type"] in ("record", "error", "enum", "fixed"):
        name = full_name(node, namespace)
        found[name] = node
        for field in node.get("fields", ()):
            _find_definitions(field["type"], namespace_of(name), found)
    elif isinstance(node, dict):
        _find_definitions(node.get("items", node.get("values")), namespace, found)
