"""A topic's record as a JSON value, for people and for `jq`."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Protocol

from streamproc.avro.display import record_as_json
from streamproc.avro.frames import SINGLE_OBJECT_MARKER, parse_schema_header, schema_header
from streamproc.avro.listed import Framing
from streamproc.avro.schemas import RecordSchema
from streamproc.avro.types import AvroSchema
from streamproc.batches import Headers, PartitionId
from streamproc.errors import Reason, RecordError, Stage

_ID_FRAME_BYTES = 5
_FINGERPRINT_FRAME_BYTES = 10

JsonObject = dict[str, Any]  # what it may hold, JSON says


class ShownRecord(Protocol):
    """What is asked of a record; `streamproc.kafka.reader.TopicRecord` has it."""

    @property
    def partition(self) -> PartitionId:
        """Where it lies."""

    @property
    def offset(self) -> int:
        """Its number there."""

    @property
    def timestamp(self) -> int:
        """Milliseconds since the epoch; -1 where it has none."""

    @property
    def key(self) -> bytes | None:
        """As it was received."""

    @property
    def value(self) -> bytes | None:
        """As it was received."""

    @property
    def headers(self) -> Headers:
        """As they were received."""


class FrameSchemas(Protocol):
    """Knows the schemas of inputs and of outputs by what frames say; raises RecordError for what it doesn't know."""

    def by_id(self, schema_id: int) -> AvroSchema:
        """The schema with this number."""

    def by_guid(self, guid: bytes) -> AvroSchema:
        """The schema with this GUID (16 bytes)."""

    def by_fingerprint(self, fingerprint: bytes) -> AvroSchema:
        """The schema with this CRC-64-AVRO (8 bytes little-endian)."""

    def only(self, topic: str) -> AvroSchema:
        """The schema of the unframed records of a topic."""


class ListedFrameSchemas:
    """Those of the configuration, and the output schemas derived from them."""

    def __init__(self, schemas: Iterable[RecordSchema], *, output_topic: str) -> None:
        self._schemas = tuple(schemas)
        self._output_topic = output_topic
        both = [(schema.ref, schema.writer) for schema in self._schemas]
        both += [(schema.output_ref, schema.output) for schema in self._schemas]
        self._by_id = {ref.id: schema for ref, schema in both if ref.id is not None}
        self._by_guid = {ref.guid: schema for ref, schema in both if ref.guid is not None}
        self._by_fingerprint = {ref.fingerprint: schema for ref, schema in both}

    def by_id(self, schema_id: int) -> AvroSchema:
        """The schema with this id or output_id."""
        return _known(self._by_id.get(schema_id), f"id {schema_id}")

    def by_guid(self, guid: bytes) -> AvroSchema:
        """The schema with this guid or output_guid."""
        return _known(self._by_guid.get(guid), f"GUID {guid.hex()}")

    def by_fingerprint(self, fingerprint: bytes) -> AvroSchema:
        """The schema with this fingerprint."""
        return _known(self._by_fingerprint.get(fingerprint), f"fingerprint {fingerprint[::-1].hex()}")

    def only(self, topic: str) -> AvroSchema:
        """The one schema, or its output schema for the output topic."""
        schema = self._schemas[0]
        return schema.output if topic == self._output_topic else schema.writer


def shown_record(record: ShownRecord, schemas: FrameSchemas, framing: Framing) -> JsonObject:
    """Where and when, key, headers, and the decoded value; of a value that can't be decoded why, and its bytes in base64.

    Raises:
        TransientError: the schema can't be had now.

    """
    shown: JsonObject = {
        "topic": record.partition.topic,
        "partition": record.partition.partition,
        "offset": record.offset,
        "timestamp": shown_time(record.timestamp),
        "key": _text(record.key),
        "headers": [[name, _text(value)] for name, value in record.headers],
    }
    if record.value is None:
        return {**shown, "value": None}
    try:
        schema, body = _frame(record.value, record.headers, schemas, framing, record.partition.topic)
        return {**shown, "value": record_as_json(schema, body)}
    except RecordError as error:
        why = {"reason": error.reason.value, "message": error.message}
        return {**shown, "error": why, "value_base64": base64.b64encode(record.value).decode()}


def shown_time(milliseconds: int) -> str | None:
    """ISO 8601 in UTC; None for none or what no calendar has."""
    if milliseconds < 0:
        return None
    try:
        moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _text(value: bytes | None) -> str | JsonObject | None:
    """UTF-8 as text, other bytes as an object that says so."""
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}


def _frame(value: bytes, headers: Headers, schemas: FrameSchemas, framing: Framing, topic: str) -> tuple[AvroSchema, bytes]:
    if framing == "raw":
        return schemas.only(topic), value
    if framing == "single_object":
        _check(value.startswith(SINGLE_OBJECT_MARKER) and len(value) >= _FINGERPRINT_FRAME_BYTES)
        return schemas.by_fingerprint(value[2:_FINGERPRINT_FRAME_BYTES]), value[_FINGERPRINT_FRAME_BYTES:]
    header = schema_header(headers)
    if header is not None:
        guid, number = parse_schema_header(header)
        find: Callable[[], AvroSchema] = (lambda: schemas.by_guid(guid)) if guid else (lambda: schemas.by_id(number or 0))
        return find(), value
    _check(value[:1] == b"\0" and len(value) >= _ID_FRAME_BYTES)
    return schemas.by_id(int.from_bytes(value[1:_ID_FRAME_BYTES], "big")), value[_ID_FRAME_BYTES:]


def _check(is_framed: bool) -> None:  # noqa: FBT001 - the condition itself
    if not is_framed:
        raise RecordError(Reason.BAD_FRAMING, Stage.DECODE, "the value does not begin with a frame of avro.framing's kind")


def _known(schema: AvroSchema | None, name: str) -> AvroSchema:
    if schema is None:
        raise RecordError(Reason.UNKNOWN_SCHEMA, Stage.DECODE, f"the frame names a schema with {name}, which is not listed")
    return schema
