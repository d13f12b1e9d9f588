"""Settings → the source of schemas."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from streamproc.avro.features import feature_problems
from streamproc.avro.listed import ListedSchemas, SchemaEntry
from streamproc.avro.registry import RegistrySchemas
from streamproc.avro.registry_client import RegistryClient
from streamproc.avro.schemas import RecordSchema, SchemaSource
from streamproc.clock import SYSTEM_CLOCK
from streamproc.config import RegistrySettings, Settings
from streamproc.models.base import ModelMetadata


def open_schemas(settings: Settings) -> SchemaSource:
    """The schemas of the input: a registry's, or those that the configuration lists.

    Raises:
        ConfigurationError: a listed file is missing or holds no schema that can be used.

    """
    avro = settings.avro
    if avro.registry is not None:
        return open_schema_registry(settings, avro.registry)
    return listed_schemas(settings)


def open_schema_registry(settings: Settings, registry: RegistrySettings) -> RegistrySchemas:
    """The registry's schemas; asks at first use."""
    client = RegistryClient(
        registry.url.get_secret_value(),
        username=registry.username,
        password=registry.password.get_secret_value() if registry.password else None,
    )
    return RegistrySchemas(client, output_topic=settings.kafka.output_topic, monotonic=SYSTEM_CLOCK.monotonic)


def input_schemas(settings: Settings) -> Sequence[RecordSchema]:
    """The schemas that records are expected to have: those listed, or the latest of each input topic in the registry.

    Raises:
        ConfigurationError: a listed file is missing or holds no schema that can be used.
        TransientError: the registry does not answer.

    """
    if settings.avro.registry is None:
        return listed_schemas(settings).schemas
    schemas = open_schema_registry(settings, settings.avro.registry)
    return [schemas.latest(topic) for topic in settings.kafka.input_topics]


def feature_check(settings: Settings) -> Callable[[ModelMetadata], Sequence[str]]:
    """Why records of the expected schemas can't give a model its features; a schema that lacks some is one way to change it.

    A model passes if any one schema satisfies it.
    """

    def problems(metadata: ModelMetadata) -> Sequence[str]:
        found = [feature_problems(schema, metadata.feature_names, metadata.n_columns) for schema in input_schemas(settings)]
        return min(found, key=len, default=())

    return problems


def listed_schemas(settings: Settings) -> ListedSchemas:
    """The schemas that the configuration lists.

    Raises:
        ConfigurationError: a file is missing or holds no schema that can be used.

    """
    entries = [
        SchemaEntry(
            file=entry.file,
            id=entry.id,
            output_id=entry.output_id,
            guid=str(entry.guid) if entry.guid else None,
            output_guid=str(entry.output_guid) if entry.output_guid else None,
        )
        for entry in settings.avro.schemas
    ]
    return ListedSchemas(entries, framing=settings.avro.framing)
