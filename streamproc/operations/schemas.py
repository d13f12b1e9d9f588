"""Which schemas records are shown with: those of the configuration, or a registry's."""

from __future__ import annotations

from streamproc.app.schemas import listed_schemas, open_schema_registry
from streamproc.avro.registry import RegistrySchemas
from streamproc.avro.types import AvroSchema
from streamproc.config import Settings
from streamproc.errors import Reason, RecordError, Stage
from streamproc.operations.shown import FrameSchemas, ListedFrameSchemas


def frame_schemas(settings: Settings) -> FrameSchemas:
    """The schemas of inputs and outputs by what frames say; a registry is asked when a record needs it.

    Raises:
        ConfigurationError: a listed file is missing or holds no schema that can be used.

    """
    registry = settings.avro.registry
    if registry is None:
        return ListedFrameSchemas(listed_schemas(settings).schemas, output_topic=settings.kafka.output_topic)
    return _RegistryFrameSchemas(open_schema_registry(settings, registry))


class _RegistryFrameSchemas:
    """Those of a registry; the configuration allows it with Confluent's frames only."""

    def __init__(self, schemas: RegistrySchemas) -> None:
        self._schemas = schemas

    def by_id(self, schema_id: int) -> AvroSchema:
        return self._schemas.shown_by_id(schema_id)

    def by_guid(self, guid: bytes) -> AvroSchema:
        return self._schemas.shown_by_guid(guid)

    def by_fingerprint(self, fingerprint: bytes) -> AvroSchema:
        raise RecordError(Reason.UNKNOWN_SCHEMA, Stage.DECODE, f"a registry has no fingerprints such as {fingerprint.hex()}")

    def only(self, topic: str) -> AvroSchema:
        raise RecordError(Reason.UNKNOWN_SCHEMA, Stage.DECODE, f"a registry does not say which schema {topic} has unframed")
