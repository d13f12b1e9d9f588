"""Avro for tests: fastavro as the oracle, sources of schemas, decoders over them."""

from __future__ import annotations

import io
from typing import Any

import fastavro

from streamproc.avro.decoder import Decoder
from streamproc.avro.listed import Framing
from streamproc.avro.schemas import RecordSchema, SchemaIds, record_schema

Json = Any  # schemas and records are JSON values of any shape

NUMBERED = SchemaIds(id=1, guid=bytes(range(16)), output_id=2, output_guid=bytes(range(100, 116)))


class OneSchema:
    """A source of one schema, whatever a frame says."""

    def __init__(self, schema: RecordSchema) -> None:
        self.schema = schema

    def by_id(self, schema_id: int, topic: str) -> RecordSchema:
        del schema_id, topic
        return self.schema

    def by_guid(self, guid: bytes, topic: str) -> RecordSchema:
        del guid, topic
        return self.schema

    def by_fingerprint(self, fingerprint: bytes) -> RecordSchema:
        del fingerprint
        return self.schema

    def only(self) -> RecordSchema:
        return self.schema


def decoder(
    schema: Json, *, framing: Framing = "raw", tenant: str = "tenant", time: str | None = None, max_record_bytes: int = 100_000
) -> Decoder:
    """A decoder of records of one schema."""
    source = OneSchema(record_schema(schema, NUMBERED))
    return Decoder(source, framing=framing, tenant_field=tenant, event_time_field=time, max_record_bytes=max_record_bytes)


def record_type(name: str = "Event", **fields: Json) -> dict[str, Json]:
    """A record schema with these fields."""
    return {"type": "record", "name": name, "fields": [{"name": key, "type": typ} for key, typ in fields.items()]}


def encoded(schema: Json, record: Json) -> bytes:
    """The record as fastavro writes it."""
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, fastavro.parse_schema(schema), record)
    return buffer.getvalue()


def read(schema: Json, body: bytes) -> tuple[Json, int]:
    """What fastavro reads, and how many bytes that took."""
    stream = io.BytesIO(body)
    return fastavro.schemaless_reader(stream, fastavro.parse_schema(schema), None), stream.tell()
