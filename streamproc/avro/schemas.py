"""The schemas that records are read and written with, and where they come from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from streamproc.avro.output import derive_output_schema
from streamproc.avro.types import AvroSchema, JsonValue, RecordType, schema_of


@dataclass(frozen=True, slots=True)
class SchemaRef:
    """How frames name a schema; None where it has no such name."""

    id: int | None
    """The registry's number, 0 to 2^32 - 1."""
    guid: bytes | None
    """The registry's GUID: 16 bytes in the order of its text."""
    fingerprint: bytes
    """CRC-64-AVRO of the Parsing Canonical Form, 8 bytes little-endian."""


@dataclass(frozen=True, slots=True, eq=False)
class RecordSchema:
    """One version of the input records, and the schema of the output records made from them.

    Equal only to itself: a source returns the same object each time.
    """

    writer: AvroSchema
    output: AvroSchema
    ref: SchemaRef
    output_ref: SchemaRef

    @property
    def record(self) -> RecordType:
        """The top type of the writer's schema."""
        root = self.writer.root
        assert isinstance(root, RecordType)  # noqa: S101 - `record_schema` lets nothing else through
        return root

    @property
    def name(self) -> str:
        """The full name of the input record, for messages."""
        return self.record.name


@dataclass(frozen=True, slots=True)
class SchemaIds:
    """The names under which a registry, or the configuration, knows a schema and its output schema."""

    id: int | None = None
    guid: bytes | None = None
    output_id: int | None = None
    output_guid: bytes | None = None


def record_schema(definition: Mapping[str, JsonValue], ids: SchemaIds) -> RecordSchema:
    """The writer's schema that `definition` describes, with its derived output schema.

    Raises:
        SchemaError: it is no valid schema, or no record.
        ConfigurationError: no output schema can be derived from it.

    """
    output = schema_of(derive_output_schema(definition))
    writer = schema_of(definition)
    return RecordSchema(
        writer=writer,
        output=output,
        ref=SchemaRef(ids.id, ids.guid, writer.fingerprint),
        output_ref=SchemaRef(ids.output_id, ids.output_guid, output.fingerprint),
    )


def schema_text(schema: AvroSchema) -> str:
    """The schema as indented JSON, for people."""
    return json.dumps(json.loads(schema.text), indent=2, ensure_ascii=False)


class SchemaSource(Protocol):
    """Knows the writers' schemas by what frames say. Used by one thread.

    Each method returns the same object for the same schema each time, and raises RecordError with reason `unknown_schema` or
    `schema_not_allowed` where no record of that schema can be read, TransientError where that can't be found out now.
    """

    def by_id(self, schema_id: int, topic: str) -> RecordSchema:
        """The schema with this number, which a record of `topic` names."""

    def by_guid(self, guid: bytes, topic: str) -> RecordSchema:
        """The schema with this GUID (16 bytes), which a record of `topic` names."""

    def by_fingerprint(self, fingerprint: bytes) -> RecordSchema:
        """The schema with this CRC-64-AVRO (8 bytes little-endian)."""

    def only(self) -> RecordSchema:
        """The schema of records without a frame."""
