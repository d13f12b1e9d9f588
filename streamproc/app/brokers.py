"""Settings → the Kafka adapters."""

from __future__ import annotations

import logging
from collections.abc import Callable

from streamproc.config import SecuritySettings, Settings
from streamproc.kafka.awaited_topics import AwaitedTopics, missing_topics
from streamproc.kafka.options import ConnectionOptions, SecurityOptions
from streamproc.kafka.sink import KafkaSink
from streamproc.kafka.source import KafkaSource

logger = logging.getLogger("streamproc.kafka")


def connection_options(settings: Settings) -> ConnectionOptions:
    """What every Kafka client needs to know.

    Raises:
        ConfigurationError: a setting below `kafka` that users may not change, or a password file that can't be read.

    """
    kafka = settings.kafka
    return ConnectionOptions(
        bootstrap_servers=kafka.bootstrap_servers,
        group_id=kafka.group_id,
        group_protocol=kafka.group_protocol,
        security=_security_options(kafka.security),
        client=kafka.client,
        consumer=kafka.consumer,
        producer=kafka.producer,
    )


def open_source(settings: Settings) -> KafkaSource:
    """A member of the group; talks to nobody before `subscribe`."""
    return KafkaSource(
        connection_options(settings),
        settings.kafka.input_topics,
        auto_offset_reset=settings.kafka.auto_offset_reset,
        linger_seconds=settings.batch.linger_seconds,
        logger=logger,
    )


def open_sink(settings: Settings, *, patience: Callable[[], float], waiting: Callable[[str | None], None]) -> KafkaSink:
    """The producer of outputs and dead letters; see `KafkaSink` for its callbacks."""
    return KafkaSink(connection_options(settings), logger=logger, patience=patience, waiting=waiting)


def open_awaited_topics(settings: Settings) -> AwaitedTopics:
    """Looks for the topics that are written to; talks to nobody before `start`."""
    topics = (settings.kafka.output_topic, settings.kafka.dead_letter_topic)
    quiet = logger.getChild("awaited_topics.client")
    quiet.setLevel(logging.CRITICAL)  # what this client would say of the broker, the loop's clients say
    return AwaitedTopics(missing_topics(connection_options(settings), topics, logger=quiet), logger=logger)


def _security_options(security: SecuritySettings) -> SecurityOptions:
    password = security.read_password()
    files = {name: getattr(security, name) for name in ("ca_file", "cert_file", "key_file")}
    return SecurityOptions(
        protocol=security.protocol,
        mechanism=security.mechanism,
        username=security.username,
        password=password.get_secret_value() if password else None,
        **{name: str(path) if path else None for name, path in files.items()},
    )
