"""Schemas from a registry: each found, checked and given a registered output schema once."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final, NamedTuple, TypeVar
from uuid import UUID

from streamproc.avro.registry_client import Registered, RegistryClient
from streamproc.avro.schemas import RecordSchema, SchemaIds, record_schema
from streamproc.avro.types import AvroSchema, JsonValue, SchemaError, schema_of
from streamproc.errors import ConfigurationError, Reason, RecordError, Stage

_REFUSAL_SECONDS: Final = 10.0
_MAX_REFUSALS: Final = 1024
Found = TypeVar("Found")


class _Refusal(NamedTuple):
    until: float
    reason: Reason
    message: str


class RegistrySchemas:
    """A `SchemaSource` over a registry. What was found is kept for good; what was refused is asked for again after 10 s."""

    def __init__(self, client: RegistryClient, *, output_topic: str, monotonic: Callable[[], float]) -> None:
        """Read from `client`; register output schemas under `<output_topic>-value`. `monotonic` gives seconds."""
        self._client = client
        self._output_subject = f"{output_topic}-value"
        self._monotonic = monotonic
        self._schemas: dict[Hashable, RecordSchema] = {}
        self._allowed: set[Hashable] = set()
        self._shown: dict[Hashable, AvroSchema] = {}
        self._refusals: OrderedDict[Hashable, _Refusal] = OrderedDict()

    def by_id(self, schema_id: int, topic: str) -> RecordSchema:
        """The schema with this number, if it is registered for the topic's values."""
        key = (schema_id, topic)
        if key not in self._allowed:
            self._remembered(key, lambda: self._admit_id(schema_id, topic))
            self._allowed.add(key)
        return self._schemas[schema_id]

    def by_guid(self, guid: bytes, topic: str) -> RecordSchema:
        """The schema with this GUID, if it is registered for the topic's values."""
        key = (guid, topic)
        if key not in self._allowed:
            self._remembered(key, lambda: self._admit_guid(guid, topic))
            self._allowed.add(key)
        return self._schemas[guid]

    def by_fingerprint(self, fingerprint: bytes) -> RecordSchema:
        """No registry knows fingerprints."""
        del fingerprint
        raise ConfigurationError("avro.framing single_object takes its schemas from avro.schemas, not from avro.registry")

    def only(self) -> RecordSchema:
        """No registry knows which schema unframed records have."""
        raise ConfigurationError("avro.framing raw takes its schema from avro.schemas, not from avro.registry")

    def latest(self, topic: str) -> RecordSchema:
        """The newest schema of the topic's values, for people: nothing is registered, so its output schema has no number.

        Raises:
            RecordError: there is none, or it is none that can be read.
            TransientError: the registry does not answer.

        """
        registered = self._client.latest(f"{topic}-value")
        return _usable(registered, SchemaIds(id=registered.id, guid=registered.guid))

    def shown_by_id(self, schema_id: int) -> AvroSchema:
        """The schema with this number whatever its subject, to show a record; raises as `by_id` does."""
        return self._to_show(schema_id, lambda: self._client.by_id(schema_id))

    def shown_by_guid(self, guid: bytes) -> AvroSchema:
        """The schema with this GUID whatever its subject, to show a record; raises as `by_guid` does."""
        return self._to_show(guid, lambda: self._client.by_guid(guid))

    def _to_show(self, key: Hashable, ask: Callable[[], Registered]) -> AvroSchema:
        if key not in self._shown:
            self._shown[key] = self._remembered((key,), lambda: _parsed(ask().definition))
        return self._shown[key]

    def _admit_id(self, schema_id: int, topic: str) -> None:
        registered = self._client.by_id(schema_id)
        schema = self._schemas.get(schema_id)
        name = schema.name if schema else _name(registered.definition)
        allowed = _subjects(topic, name)
        if not allowed & self._client.subjects_of(schema_id):
            raise _foreign_subject(f"schema id {schema_id}", allowed)
        if schema is None:
            self._schemas[schema_id] = self._with_output(registered, schema_id=schema_id, guid=registered.guid)

    def _admit_guid(self, guid: bytes, topic: str) -> None:
        registered = self._client.by_guid(guid)
        allowed = _subjects(topic, _name(registered.definition))
        if not any(self._client.is_version_of(subject, registered.definition) for subject in sorted(allowed)):
            raise _foreign_subject(f"schema GUID {UUID(bytes=guid)}", allowed)
        if guid not in self._schemas:
            schema = self._with_output(registered, schema_id=registered.id, guid=guid)
            if schema.output_ref.guid is None:
                raise RecordError(
                    Reason.SCHEMA_NOT_ALLOWED,
                    Stage.DECODE,
                    f"the schema registry {self._client.url} gives the output schema no GUID",
                )
            self._schemas[guid] = schema

    def _with_output(self, registered: Registered, *, schema_id: int | None, guid: bytes | None) -> RecordSchema:
        """The schema, its output schema registered."""
        derived = _usable(registered, SchemaIds())
        output = self._client.register(self._output_subject, json.loads(derived.output.text))
        output_guid = output.guid
        if guid is not None and output_guid is None and output.id is not None:
            output_guid = self._client.by_id(output.id).guid
        return _usable(registered, SchemaIds(id=schema_id, guid=guid, output_id=output.id, output_guid=output_guid))

    def _remembered(self, key: Hashable, ask: Callable[[], Found]) -> Found:
        """Ask, unless the same was refused a moment ago."""
        refusal = self._refusals.get(key)
        if refusal is not None and refusal.until > self._monotonic():
            raise RecordError(refusal.reason, Stage.DECODE, refusal.message)
        try:
            return ask()
        except RecordError as error:
            self._refusals[key] = _Refusal(self._monotonic() + _REFUSAL_SECONDS, error.reason, error.message)
            self._refusals.move_to_end(key)
            if len(self._refusals) > _MAX_REFUSALS:
                self._refusals.popitem(last=False)
            raise


def _parsed(definition: JsonValue) -> AvroSchema:
    try:
        return schema_of(definition)
    except SchemaError as error:
        raise _not_usable(error) from error


def _usable(registered: Registered, ids: SchemaIds) -> RecordSchema:
    try:
        return record_schema(registered.definition, ids)
    except (SchemaError, ConfigurationError) as error:
        raise _not_usable(error) from error


def _not_usable(error: Exception) -> RecordError:
    return RecordError(Reason.SCHEMA_NOT_ALLOWED, Stage.DECODE, f"the registered schema can't be used: {error}")


def _name(definition: JsonValue) -> str:
    return _usable(Registered(None, None, definition), SchemaIds()).name


def _subjects(topic: str, name: str) -> frozenset[str]:
    """Where a producer may have registered the schema of a topic's values: by topic, by record, by both."""
    return frozenset({f"{topic}-value", name, f"{topic}-{name}"})


def _foreign_subject(what: str, allowed: frozenset[str]) -> RecordError:
    return RecordError(
        Reason.SCHEMA_NOT_ALLOWED, Stage.DECODE, f"{what} is registered under none of the subjects {', '.join(sorted(allowed))}"
    )
