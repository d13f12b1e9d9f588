"""A real Apache Kafka for tests: one that is given, else a container, else the broker's jars through Maven and Java.

One node in KRaft mode that binds 127.0.0.1 only. Readiness is a request that is answered, never a sleep.
"""

from __future__ import annotations

import base64
import os
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

ADDRESS_VARIABLE = "TEST_BOOTSTRAP_SERVERS"

_HERE = Path(__file__).parent
_POM = _HERE / "broker" / "pom.xml"
_LIBS = _HERE.parent / ".cache" / "kafka-4.3.0"
_START_SECONDS = 60.0


class KafkaUnavailableError(RuntimeError):
    """No broker could be started; the message says what was tried and why each attempt failed."""


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listened on a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def unique_name(prefix: str) -> str:
    """A name that no other test uses."""
    return f"{prefix}-{uuid.uuid4().hex[:10]}"


class Cluster:
    """An address at which a broker answers, and what tests do with it as an administrator."""

    def __init__(self, bootstrap_servers: str, client: Mapping[str, str] | None = None) -> None:
        self.bootstrap_servers = bootstrap_servers
        self._client = dict(client or {})

    def admin(self) -> AdminClient:
        """A new administrator's client; quiet."""
        return AdminClient({"bootstrap.servers": self.bootstrap_servers, "log_level": 0, **self._client})

    def create_topic(self, prefix: str = "topic", partitions: int = 1, settings: Mapping[str, str] | None = None) -> str:
        """Make a topic with a name of its own; returns when its partitions have leaders."""
        return self.create_named_topic(unique_name(prefix), partitions, settings)

    def create_named_topic(self, name: str, partitions: int = 1, settings: Mapping[str, str] | None = None) -> str:
        """Make a topic of exactly this name; returns when its partitions have leaders. It keeps records of any age."""
        admin = self.admin()
        config = {"retention.ms": "-1", **(settings or {})}
        topic = NewTopic(name, num_partitions=partitions, replication_factor=1, config=config)
        admin.create_topics([topic])[name].result(30)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            known = admin.list_topics(timeout=10).topics.get(name)
            if known and len(known.partitions) == partitions and all(p.leader >= 0 for p in known.partitions.values()):
                return name
            time.sleep(0.02)
        raise KafkaUnavailableError(f"topic {name!r} was created, and has no leaders after 30 s")

    def wait_until_ready(self, seconds: float = _START_SECONDS) -> None:
        """Return once the broker answers a request."""
        deadline = time.monotonic() + seconds
        admin = self.admin()
        while True:
            try:
                admin.list_topics(timeout=1)
            except KafkaException as error:
                if time.monotonic() > deadline:
                    raise KafkaUnavailableError(f"{self.bootstrap_servers} did not answer within {seconds:.0f} s") from error
            else:
                return


class KafkaBroker(Cluster):
    """One node from the broker's jars, which can be stopped, killed and started again with its data.

    Args:
        folder: for its configuration, data and `broker.log`.
        settings: further lines of `server.properties`.
        listeners: further listeners beside the plain one: name → (security protocol, port).
        client: librdkafka settings with which the administrator's client connects.
        format_arguments: further arguments of the storage tool, for the first accounts.

    """

    def __init__(
        self,
        folder: Path,
        *,
        settings: Mapping[str, str] | None = None,
        listeners: Mapping[str, tuple[str, int]] | None = None,
        client: Mapping[str, str] | None = None,
        format_arguments: tuple[str, ...] = (),
        heap_mib: int = 256,
    ) -> None:
        self.port = free_port()
        self.controller_port = free_port()
        super().__init__(f"127.0.0.1:{self.port}", client)
        self._folder = folder
        self._settings = dict(settings or {})
        self._listeners = {"PLAINTEXT": ("PLAINTEXT", self.port), **(listeners or {})}
        self._format_arguments = format_arguments
        self._heap_mib = heap_mib
        self._process: subprocess.Popen[bytes] | None = None
        self._watcher: subprocess.Popen[bytes] | None = None

    @property
    def log_file(self) -> Path:
        """What the broker wrote."""
        return self._folder / "broker.log"

    def start(self) -> None:
        """Start the node, with the data that it had, and wait until it answers."""
        properties = self._folder / "server.properties"
        if not properties.exists():
            self._format(properties)
        with self.log_file.open("ab") as log:
            command = _java("kafka.Kafka", str(properties), heap_mib=self._heap_mib)
            self._process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        # A test session that is killed, or crashes, runs no fixture's end: its broker ends when this pipe closes.
        watch = ["sh", "-c", 'cat >/dev/null; kill -9 "$0"', str(self._process.pid)]
        self._watcher = subprocess.Popen(watch, stdin=subprocess.PIPE, start_new_session=True)
        try:
            self.wait_until_ready()
        except KafkaUnavailableError as error:
            self.kill()
            raise KafkaUnavailableError(f"{error}; the last of {self.log_file}: {self._last_lines()}") from error

    def stop(self) -> None:
        """End the node as an operator would, and wait for its end."""
        if self._process:
            self._process.terminate()
            self._ended()

    def kill(self) -> None:
        """End the node at once."""
        if self._process:
            self._process.kill()
            self._ended()

    def _ended(self) -> None:
        if self._process:
            self._process.wait(60)
            self._process = None
        if self._watcher:
            self._watcher.kill()
            self._watcher.communicate()
            self._watcher = None

    def restart(self) -> None:
        """Kill the node and start it again with its data."""
        self.kill()
        self.start()

    def _format(self, properties: Path) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        settings = {**_properties(self._listeners, self.controller_port, self._folder / "data"), **self._settings}
        properties.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        command = _java("kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "-c", str(properties), heap_mib=96)
        done = subprocess.run([*command, *self._format_arguments], check=False, capture_output=True, text=True, timeout=120)
        if done.returncode:
            properties.unlink()
            raise KafkaUnavailableError(f"the storage tool failed: {(done.stderr or done.stdout).strip()[-500:]}")

    def _last_lines(self) -> str:
        return self.log_file.read_text(errors="replace").strip()[-800:] or "(nothing)"


def _properties(listeners: Mapping[str, tuple[str, int]], controller_port: int, data: Path) -> dict[str, str]:
    addresses = ",".join(f"{name}://127.0.0.1:{port}" for name, (_, port) in listeners.items())
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "listeners": f"{addresses},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": addresses,
        "listener.security.protocol.map": ",".join(
            ["CONTROLLER:PLAINTEXT", *(f"{name}:{protocol}" for name, (protocol, _) in listeners.items())]
        ),
        "inter.broker.listener.name": "PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "log.dirs": str(data),
        "auto.create.topics.enable": "false",
        "log.retention.ms": "-1",  # the records of tests are of any age
        "offsets.topic.num.partitions": "1",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.num.partitions": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "1000",
        "group.consumer.min.session.timeout.ms": "1000",
        "group.consumer.min.heartbeat.interval.ms": "200",
        "group.consumer.heartbeat.interval.ms": "500",
        "broker.session.timeout.ms": "2000",  # a killed node may come back only after it
        "broker.heartbeat.interval.ms": "500",
        "num.network.threads": "2",
        "num.io.threads": "2",
        "log.cleaner.dedupe.buffer.size": "2097152",  # its default of 128 MiB doesn't fit the heap
        "log.cleaner.io.buffer.size": "65536",
    }


def _java(main: str, *arguments: str, heap_mib: int) -> list[str]:
    return [
        "java",
        f"-Xmx{heap_mib}m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        "-cp",
        f"{_LIBS}/*",
        main,
        *arguments,
    ]


def fetch_jars() -> None:
    """Copy the broker's jars to the cache, once.

    Raises:
        KafkaUnavailableError: Java or Maven is missing, or the download failed.

    """
    missing = [tool for tool in ("java", "mvn") if not shutil.which(tool)]
    if "java" in missing:
        raise KafkaUnavailableError("Java 17 or newer is needed, and `java` is not on the PATH")
    if _LIBS.exists():
        return
    if missing:
        raise KafkaUnavailableError("Maven is needed to download the broker's jars, and `mvn` is not on the PATH")
    _LIBS.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_LIBS.parent) as fresh:
        libs = Path(fresh) / "libs"
        command = ["mvn", "-q", "-B", "-f", str(_POM), "dependency:copy-dependencies", f"-DoutputDirectory={libs}"]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=600)
        if done.returncode:
            raise KafkaUnavailableError(f"Maven could not copy the broker's jars: {done.stdout.strip()[-500:]}")
        if not _LIBS.exists():  # another test session may have been quicker
            libs.rename(_LIBS)


@contextmanager
def own_broker(
    folder: Path,
    *,
    settings: Mapping[str, str] | None = None,
    listeners: Mapping[str, tuple[str, int]] | None = None,
    client: Mapping[str, str] | None = None,
    format_arguments: tuple[str, ...] = (),
) -> Iterator[KafkaBroker]:
    """A broker from the jars for one test or module that stops, kills or configures it; arguments as in `KafkaBroker`."""
    fetch_jars()
    broker = KafkaBroker(folder, settings=settings, listeners=listeners, client=client, format_arguments=format_arguments)
    try:
        broker.start()
        yield broker
    finally:
        broker.kill()


@contextmanager
def session_broker(folder: Path) -> Iterator[Cluster]:
    """The broker that all tests of a session share; nobody stops it.

    Raises:
        KafkaUnavailableError: there is none; says what was tried.

    """
    if address := os.environ.get(ADDRESS_VARIABLE):
        given = Cluster(address)
        given.wait_until_ready()
        yield given
        return
    from support import kafka_container  # noqa: PLC0415  # slow to import, and needed without an address only

    try:
        container = kafka_container.ContainerBroker(free_port())
    except kafka_container.ContainerUnavailableError as error:
        with _broker_from_jars(folder, str(error)) as broker:
            yield broker
        return
    try:
        contained = Cluster(container.address)
        contained.wait_until_ready()
        yield contained
    finally:
        container.stop()


@contextmanager
def _broker_from_jars(folder: Path, tried_before: str) -> Iterator[KafkaBroker]:
    try:
        fetch_jars()
    except KafkaUnavailableError as error:
        text = f"no Kafka for the tests: {ADDRESS_VARIABLE} is not set; {tried_before}; {error}"
        raise KafkaUnavailableError(text) from error
    with own_broker(folder) as broker:
        yield broker
