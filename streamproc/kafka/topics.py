"""What a cluster says about topics, and making some; for `check`, the demo and tests. `run` creates none."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # all public, though the package's types don't say so
    AdminClient,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from streamproc.errors import RefusedError, StreamprocError, TransientError
from streamproc.kafka import codes
from streamproc.kafka.client_log import ClientLog
from streamproc.kafka.faults import BrokerWatch, client_error, construction_error, missing_right, no_broker
from streamproc.kafka.options import ConnectionOptions, admin_config


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """What the cluster says about one topic. The settings are None where there is no right (DESCRIBE_CONFIGS) to see them."""

    name: str
    partitions: int
    replicas: int
    retention_ms: int | None
    """-1: for ever."""
    cleanup_policy: str | None
    max_message_bytes: int | None


class TopicAdmin:
    """Asks and makes. Used by one thread."""

    def __init__(self, options: ConnectionOptions, *, seconds: float = 10.0, logger: logging.Logger) -> None:
        """Make the client; talks to nobody yet.

        Raises:
            ConfigurationError: it can't be made with these options; names the setting.

        """
        self._options = options
        self._seconds = seconds
        self._watch = BrokerWatch(options)
        # Any: the client's types allow plain values only
        callbacks: dict[str, Any] = {"error_cb": self._watch.heard, "logger": ClientLog(logger)}
        try:
            self._admin = AdminClient({**admin_config(options), **callbacks})
        except KafkaException as error:
            raise construction_error(error, options) from error

    def missing(self, topics: Sequence[str]) -> list[str]:
        """Those of the topics that don't exist.

        Raises:
            TransientError: no answer in time.
            ConfigurationError: a refused login, or no right to see a topic.

        """
        return [topic for topic in topics if self._size(topic) is None]

    def inspect(self, topics: Sequence[str]) -> dict[str, TopicFacts | None]:
        """What there is to say about each topic; None where it does not exist.

        Raises:
            TransientError: no answer in time.
            ConfigurationError: a refused login, or no right to see a topic.

        """
        sizes = {topic: self._size(topic) for topic in topics}
        settings = self._settings([topic for topic, size in sizes.items() if size is not None])
        return {topic: None if size is None else _facts(topic, size, settings.get(topic, {})) for topic, size in sizes.items()}

    def create(self, topics: Mapping[str, int], *, replicas: int = 1, settings: Mapping[str, str] | None = None) -> None:
        """Make topics (name → partitions); those that exist already stay as they are.

        Raises:
            TransientError: no answer in time.
            ConfigurationError: no right to CREATE one, or a refused login.
            RefusedError: the broker refuses one, for example for its name.

        """
        wanted = [NewTopic(name, count, replicas, config=dict(settings or {})) for name, count in topics.items()]
        for name, answer in self._admin.create_topics(wanted, operation_timeout=self._seconds).items():
            try:
                answer.result(self._seconds)
            except FutureTimeoutError as error:
                raise self._silence() from error
            except KafkaException as error:
                cause = client_error(error)
                if cause.code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise self._refused(cause, name, "CREATE") from error

    def _size(self, topic: str) -> tuple[int, int] | None:
        """How many partitions and replicas the topic has."""
        try:
            about = self._admin.list_topics(topic, timeout=self._seconds).topics[topic]
        except KafkaException as error:
            self._admin.poll(0)  # lets the client say why
            raise self._silence() from error
        if about.error is None:
            return len(about.partitions), min((len(one.replicas) for one in about.partitions.values()), default=0)
        if about.error.code() in codes.UNKNOWN_TOPIC:
            return None
        raise self._refused(about.error, topic, "DESCRIBE")

    def _settings(self, topics: Sequence[str]) -> dict[str, dict[str, ConfigEntry]]:
        resources = [ConfigResource(ResourceType.TOPIC, topic) for topic in topics]
        if not resources:
            return {}
        answers: dict[ConfigResource, Future[dict[str, ConfigEntry]]]
        answers = self._admin.describe_configs(resources, request_timeout=self._seconds)
        found = {}
        for resource, answer in answers.items():
            try:
                found[resource.name] = answer.result(self._seconds)
            except (KafkaException, FutureTimeoutError):  # no right, or a broker without settings: they stay unknown
                continue
        return found

    def _silence(self) -> StreamprocError:
        return self._watch.error() if self._watch.is_troubled else no_broker(self._options)

    def _refused(self, cause: KafkaError, topic: str, right: str) -> StreamprocError:
        if cause.code() in codes.NO_BROKER | codes.TIMED_OUT:
            return self._silence()
        if cause.retriable():
            return TransientError(f"the broker can't do this for topic {topic!r} at the moment ({cause.name()})")
        refused = RefusedError(f"the broker refuses topic {topic!r} ({cause.name()})")
        return missing_right(cause, self._options, topic, right) or refused


def _facts(topic: str, size: tuple[int, int], settings: Mapping[str, ConfigEntry]) -> TopicFacts:
    partitions, replicas = size
    return TopicFacts(
        name=topic,
        partitions=partitions,
        replicas=replicas,
        retention_ms=_number(settings.get("retention.ms")),
        cleanup_policy=None if (entry := settings.get("cleanup.policy")) is None else str(entry.value),
        max_message_bytes=_number(settings.get("max.message.bytes")),
    )


def _number(entry: ConfigEntry | None) -> int | None:
    return None if entry is None or entry.value is None else int(entry.value)
