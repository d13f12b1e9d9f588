"""Settings → the source of schemas."""

from __future__ import annotations

from streamproc.avro.listed import ListedSchemas, SchemaEntry
from streamproc.avro.registry import RegistrySchemas
from streamproc.avro.schemas import SchemaSource
from streamproc.config import Settings


def open_schemas(settings: Settings) -> SchemaSource:
    """The schemas of the input: a registry's, or those that the configuration lists.

    Raises:
        ConfigurationError: a listed file is missing or holds no schema that can be used.

    """
    avro = settings.avro
    if avro.registry is not None:
        return RegistrySchemas(
            avro.registry.url,
            username=avro.registry.username,
            password=avro.registry.password.get_secret_value() if avro.registry.password else None,
            output_topic=settings.kafka.output_topic,
        )
    return listed_schemas(settings)


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
