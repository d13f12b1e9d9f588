"""Schemas that the configuration lists, without a registry."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar
from uuid import UUID

from streamproc.avro.schemas import RecordSchema, SchemaIds, record_schema
from streamproc.avro.types import SchemaError, parse_schema
from streamproc.errors import ConfigurationError, Reason, RecordError, Stage

Framing = Literal["confluent", "single_object", "raw"]
Key = TypeVar("Key", int, bytes)


@dataclass(frozen=True, slots=True)
class SchemaEntry:
    """One entry of the setting `avro.schemas`."""

    file: Path
    id: int | None = None
    output_id: int | None = None
    guid: str | None = None
    output_guid: str | None = None


class ListedSchemas:
    """A `SchemaSource` over the files of `avro.schemas`; reads them once, and fails at start rather than at a record."""

    def __init__(self, entries: Sequence[SchemaEntry], *, framing: Framing) -> None:
        """Read and check every entry.

        Raises:
            ConfigurationError: a file is missing or no usable schema, or its numbers do not suit the framing.

        """
        if not entries:
            raise ConfigurationError("avro.schemas is empty: list at least one schema file, or set avro.registry")
        if framing == "raw" and len(entries) > 1:
            raise ConfigurationError(f"avro.framing raw takes exactly one entry in avro.schemas, found {len(entries)}")
        self._schemas = tuple(_read(entry, f"avro.schemas[{number}]", framing) for number, entry in enumerate(entries))
        self._by_id = _unique(((schema.ref.id, schema) for schema in self._schemas), "id")
        self._by_guid = _unique(((schema.ref.guid, schema) for schema in self._schemas), "guid")
        self._by_fingerprint = {schema.ref.fingerprint: schema for schema in self._schemas}
        self._refuse_clashes(framing)

    @property
    def schemas(self) -> tuple[RecordSchema, ...]:
        """All of them, in the order of the configuration."""
        return self._schemas

    def _refuse_clashes(self, framing: Framing) -> None:
        outputs = _unique(((schema.output_ref.id, schema) for schema in self._schemas), "output_id")
        _unique(((schema.output_ref.guid, schema) for schema in self._schemas), "output_guid")
        for taken in outputs.keys() & self._by_id.keys():
            raise ConfigurationError(f"avro.schemas: {taken} is an id and an output_id; two schemas can't share a number")
        if framing == "single_object" and len(self._by_fingerprint) < len(self._schemas):
            raise ConfigurationError("avro.schemas: two files hold schemas with the same fingerprint; list one of them")

    def by_id(self, schema_id: int, topic: str) -> RecordSchema:
        """The entry with this id."""
        del topic
        return _found(self._by_id, schema_id, f"schema id {schema_id}")

    def by_guid(self, guid: bytes, topic: str) -> RecordSchema:
        """The entry with this guid."""
        del topic
        return _found(self._by_guid, guid, f"schema GUID {UUID(bytes=guid)}")

    def by_fingerprint(self, fingerprint: bytes) -> RecordSchema:
        """The entry whose schema has this fingerprint."""
        return _found(self._by_fingerprint, fingerprint, f"schema fingerprint {fingerprint[::-1].hex()}")

    def only(self) -> RecordSchema:
        """The first entry; with framing `raw` there is no other."""
        return self._schemas[0]


def _found(schemas: Mapping[Any, RecordSchema], key: object, what: str) -> RecordSchema:  # keys of either kind
    schema = schemas.get(key)
    if schema is None:
        raise RecordError(
            Reason.UNKNOWN_SCHEMA, Stage.DECODE, f"the frame names {what}, which is not listed; add it to avro.schemas"
        )
    return schema


def _unique(pairs: Iterable[tuple[Key | None, RecordSchema]], attribute: str) -> dict[Key, RecordSchema]:
    found: dict[Key, RecordSchema] = {}
    for key, schema in pairs:
        if key is None:
            continue
        if key in found:
            shown = UUID(bytes=key) if isinstance(key, bytes) else key
            raise ConfigurationError(f"avro.schemas: {attribute} {shown} is given twice; each schema has its own")
        found[key] = schema
    return found


def _read(entry: SchemaEntry, setting: str, framing: Framing) -> RecordSchema:
    ids = _ids(entry, setting, framing)
    try:
        text = entry.file.read_text("utf-8")
    except FileNotFoundError as error:
        raise ConfigurationError(f"{setting}.file: {entry.file} does not exist") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{setting}.file: {entry.file} can't be read as UTF-8 text") from error
    try:
        return record_schema(json.loads(parse_schema(text).text), ids)
    except (SchemaError, ConfigurationError) as error:
        raise ConfigurationError(f"{setting}.file: {entry.file}: {error}") from error


def _ids(entry: SchemaEntry, setting: str, framing: Framing) -> SchemaIds:
    for one, other in (("id", "output_id"), ("output_id", "id"), ("guid", "output_guid"), ("output_guid", "guid")):
        if getattr(entry, one) is not None and getattr(entry, other) is None:
            raise ConfigurationError(f"{setting} has {one} but no {other}: outputs are framed like inputs, so it needs both")
    if framing == "confluent" and entry.id is None and entry.guid is None:
        raise ConfigurationError(f"{setting} needs id and output_id (or guid and output_guid): avro.framing is confluent")
    return SchemaIds(
        id=_number(entry.id, f"{setting}.id"),
        guid=_guid(entry.guid, f"{setting}.guid"),
        output_id=_number(entry.output_id, f"{setting}.output_id"),
        output_guid=_guid(entry.output_guid, f"{setting}.output_guid"),
    )


def _number(value: int | None, setting: str) -> int | None:
    if value is not None and not 0 <= value < 1 << 31:
        raise ConfigurationError(f"{setting} must be 0 to 2147483647, not {value}")
    return value


def _guid(value: str | None, setting: str) -> bytes | None:
    try:
        return None if value is None else UUID(value).bytes
    except ValueError as error:
        raise ConfigurationError(f"{setting} must be a GUID such as 89791762-2336-4186-9674-299b90a802e2") from error
