"""A Kafka broker in a container, where a Docker engine answers."""

from __future__ import annotations

import gc
import warnings

from docker.errors import DockerException  # type: ignore[import-untyped]  # ships no types
from testcontainers.core.container import DockerContainer

_IMAGE = "apache/kafka:4.3.0"
_PORT = 9092


class ContainerUnavailableError(RuntimeError):
    """There is no Docker engine, or it can't run the broker."""


class ContainerBroker:
    """A broker in a container that publishes a port of 127.0.0.1.

    Raises:
        ContainerUnavailableError: no engine answers, or it can't start the container, for example without the image.

    """

    def __init__(self, host_port: int) -> None:
        self.address = f"127.0.0.1:{host_port}"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            started = _started(host_port)
            gc.collect()  # docker's client, where nobody answers it, leaves its socket to the collector, which warns of that
        if isinstance(started, str):
            raise ContainerUnavailableError(started)
        self._container = started

    def stop(self) -> None:
        """End and remove the container."""
        self._container.stop()
        self._container.get_docker_client().client.close()


def _started(host_port: int) -> DockerContainer | str:
    """The container, or why there is none: the error itself would keep the client alive."""
    try:
        container = DockerContainer(_IMAGE, env=_environment(host_port))
        container.ports = {f"{_PORT}/tcp": ("127.0.0.1", host_port)}  # type: ignore[dict-item]  # docker takes both
        container.start()
    except DockerException as error:
        return f"no Docker engine answers, or it can't run {_IMAGE} ({type(error).__name__})"
    return container


def _environment(host_port: int) -> dict[str, str]:
    return {
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_LISTENERS": f"PLAINTEXT://:{_PORT},CONTROLLER://:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://127.0.0.1:{host_port}",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        "KAFKA_LOG_RETENTION_MS": "-1",
        "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "1",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS": "1",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS": "1000",
    }
