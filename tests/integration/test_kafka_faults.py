"""What source and sink say, and what they keep, when the broker refuses them or is away."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # all public, though the package's types don't say so
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)
from support.kafka import Cluster, KafkaBroker, free_port, own_broker, unique_name
from support.raw_producer import produce_with_header

from streamproc.batches import OutgoingRecords, PartitionId, RecordBatch
from streamproc.errors import ConfigurationError, TransientError
from streamproc.kafka.lag import group_lag
from streamproc.kafka.options import ConnectionOptions, SecurityOptions, Setting
from streamproc.kafka.reader import TopicReader, TopicRecord
from streamproc.kafka.sink import KafkaSink
from streamproc.kafka.source import KafkaSource
from streamproc.kafka.topics import TopicAdmin
from streamproc.ports import Committed

PATIENCE_SECONDS = 30.0
MANY_BYTES = 1 << 30
LOGGER = logging.getLogger("tests.kafka")


class Nobody:
    """A listener that only keeps what it holds."""

    def __init__(self) -> None:
        self.held: dict[PartitionId, Committed] = {}

    def assigned(self, partitions: Mapping[PartitionId, Committed]) -> None:
        self.held.update(partitions)

    def revoked(self, partitions: Sequence[PartitionId]) -> None:
        for partition in partitions:
            del self.held[partition]

    lost = revoked


def poll_until(source: KafkaSource, condition: Callable[[], bool]) -> list[bytes | None]:
    values: list[bytes | None] = []
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited {PATIENCE_SECONDS} s, got {values}"
        batch = source.poll(1000, MANY_BYTES, 0.1)
        values += [batch.value(row) for row in range(len(batch))]
    return values


def first_that_waiting_does_not_mend(source: KafkaSource) -> ConfigurationError:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            source.poll(1, MANY_BYTES, 0.1)
        except ConfigurationError as error:
            return error
        except TransientError:
            continue
    pytest.fail(f"no ConfigurationError in {PATIENCE_SECONDS} s")


def outgoing(topic: str, values: Sequence[bytes]) -> OutgoingRecords:
    count = len(values)
    return OutgoingRecords(topic, list(values), [b"k"] * count, [None] * count, np.full(count, 1_700_000_000_000, np.int64))


def everything(options: ConnectionOptions, topic: str) -> list[TopicRecord]:
    with TopicReader(options, topic, logger=LOGGER) as reader:
        return list(reader.read())


class GuardedBroker:
    """A broker with accounts and rights: user `svc` may do what a test allows it."""

    def __init__(self, broker: KafkaBroker, port: int) -> None:
        self.broker = broker
        self._address = f"127.0.0.1:{port}"

    def options(self, group: str, *, password: str = "svc-pw", mechanism: str = "PLAIN") -> ConnectionOptions:  # noqa: S107  # a test's
        security = SecurityOptions(protocol="sasl_plaintext", mechanism=mechanism, username="svc", password=password)
        return ConnectionOptions(self._address, group_id=group, security=security)

    def allow(self, kind: ResourceType, name: str, operation: AclOperation) -> None:
        binding = AclBinding(kind, name, ResourcePatternType.LITERAL, "User:svc", "*", operation, AclPermissionType.ALLOW)
        admin = self.broker.admin()
        for answer in admin.create_acls([binding]).values():
            answer.result(30)

    def forget_rights(self) -> None:
        admin = self.broker.admin()
        anything = (ResourceType.ANY, None, ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ANY)
        everything = AclBindingFilter(*anything)  # type: ignore[arg-type]  # None stands for any
        for answer in admin.delete_acls([everything]).values():
            answer.result(30)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedBroker]:
    port = free_port()
    login = 'org.apache.kafka.common.security.plain.PlainLoginModule required user_svc="svc-pw";'
    settings = {
        "listener.name.client.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.client.plain.sasl.jaas.config": login,
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
        "allow.everyone.if.no.acl.found": "false",
    }
    folder = tmp_path_factory.mktemp("guarded")
    with own_broker(folder, settings=settings, listeners={"CLIENT": ("SASL_PLAINTEXT", port)}) as broker:
        yield GuardedBroker(broker, port)


def start(options: ConnectionOptions, topic: str) -> tuple[KafkaSource, Nobody]:
    source, listener = KafkaSource(options, [topic], auto_offset_reset="earliest", logger=LOGGER), Nobody()
    source.subscribe(listener)
    return source, listener


@pytest.mark.parametrize("options", [{"password": "wrong"}, {"mechanism": "SCRAM-SHA-512"}])
def test_a_refused_login_is_said_within_seconds_and_not_quoted(guarded: GuardedBroker, options: dict[str, str]) -> None:
    source, _ = start(guarded.options(unique_name("group"), **options), "any")
    began = time.monotonic()
    error = first_that_waiting_does_not_mend(source)
    assert time.monotonic() - began < 10
    assert "kafka.security.username, password and mechanism" in str(error)
    assert "'svc'" in str(error)
    source.close()


def test_a_missing_right_to_read_the_topic_is_named(guarded: GuardedBroker) -> None:
    topic, group = guarded.broker.create_topic(), unique_name("group")
    guarded.allow(ResourceType.GROUP, group, AclOperation.READ)
    source, listener = start(guarded.options(group), topic)
    with pytest.raises(ConfigurationError, match=f"user 'svc' has no right to READ on topic '{topic}'"):
        poll_until(source, lambda: bool(listener.held))
    source.close()


def test_a_missing_right_to_the_group_is_named(guarded: GuardedBroker) -> None:
    topic, group = guarded.broker.create_topic(), unique_name("group")
    guarded.allow(ResourceType.TOPIC, topic, AclOperation.READ)
    source, listener = start(guarded.options(group), topic)
    with pytest.raises(ConfigurationError, match=f"user 'svc' has no right to READ on group '{group}'"):
        poll_until(source, lambda: bool(listener.held))
    source.close()


def test_a_missing_right_to_write_is_named(guarded: GuardedBroker) -> None:
    guarded.forget_rights()
    topic, other = guarded.broker.create_topic(), guarded.broker.create_topic()
    guarded.allow(ResourceType.TOPIC, topic, AclOperation.DESCRIBE)
    sink = KafkaSink(guarded.options("any"), logger=LOGGER)
    sink.send(outgoing(topic, [b"0"]))
    with pytest.raises(ConfigurationError, match="user 'svc' has no right to WRITE on any topic"):
        sink.flush(PATIENCE_SECONDS)
    guarded.allow(ResourceType.TOPIC, other, AclOperation.WRITE)
    sink.send(outgoing(topic, [b"0"]))
    with pytest.raises(ConfigurationError, match=f"user 'svc' has no right to WRITE on topic '{topic}'"):
        sink.flush(PATIENCE_SECONDS)
    sink.close()


def test_four_rights_are_enough_for_the_job(guarded: GuardedBroker) -> None:
    inputs, outputs, group = guarded.broker.create_topic(), guarded.broker.create_topic(), unique_name("group")
    guarded.allow(ResourceType.TOPIC, inputs, AclOperation.READ)
    guarded.allow(ResourceType.TOPIC, outputs, AclOperation.WRITE)
    guarded.allow(ResourceType.GROUP, group, AclOperation.READ)
    source, listener = start(guarded.options(group), inputs)
    poll_until(source, lambda: bool(listener.held))
    source.commit({PartitionId(inputs, 0): Committed(0)})
    source.close()
    sink = KafkaSink(guarded.options(group), logger=LOGGER)
    sink.send(outgoing(outputs, [b"0"]))
    sink.flush(PATIENCE_SECONDS)
    sink.close()


@pytest.fixture
def fragile(tmp_path: Path) -> Iterator[KafkaBroker]:
    with own_broker(tmp_path) as broker:
        yield broker


def test_a_member_says_that_the_broker_is_away_and_goes_on_when_it_is_back(fragile: KafkaBroker) -> None:
    options = ConnectionOptions(fragile.bootstrap_servers, group_id="g")
    topic = fragile.create_topic()
    source, listener = start(options, topic)
    poll_until(source, lambda: bool(listener.held))
    fragile.kill()
    with pytest.raises(TransientError, match=fragile.bootstrap_servers):
        poll_until(source, lambda: False)
    with pytest.raises(TransientError, match=fragile.bootstrap_servers):
        source.commit({PartitionId(topic, 0): Committed(0)})
    fragile.start()
    sink = KafkaSink(options, logger=LOGGER)
    sink.send(outgoing(topic, [b"after"]))
    sink.flush(PATIENCE_SECONDS)
    sink.close()
    values: list[bytes | None] = []
    deadline = time.monotonic() + PATIENCE_SECONDS
    while b"after" not in values and time.monotonic() < deadline:
        try:
            batch = source.poll(1000, MANY_BYTES, 0.1)
        except TransientError:
            source.seek({PartitionId(topic, 0): 0})
        else:
            values += [batch.value(row) for row in range(len(batch))]
    assert values == [b"after"]
    source.close()


def test_a_broker_that_is_not_there_yet_is_waited_for(fragile: KafkaBroker) -> None:
    topic = fragile.create_topic()
    fragile.kill()
    source, listener = start(ConnectionOptions(fragile.bootstrap_servers, group_id="g"), topic)
    with pytest.raises(TransientError, match=fragile.bootstrap_servers):
        poll_until(source, lambda: False)
    fragile.start()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not listener.held and time.monotonic() < deadline:
        try:
            source.poll(1, MANY_BYTES, 0.1)
        except TransientError:
            continue
    assert listener.held
    source.close()


def test_nothing_of_a_failed_flush_is_delivered_later(fragile: KafkaBroker) -> None:
    options = ConnectionOptions(fragile.bootstrap_servers, group_id="g")
    topic = fragile.create_topic()
    sink = KafkaSink(options, logger=LOGGER)
    sink.send(outgoing(topic, [b"0"]))
    sink.flush(PATIENCE_SECONDS)
    fragile.kill()
    sink.send(outgoing(topic, [b"lost-%d" % number for number in range(100)]))
    with pytest.raises(TransientError, match=r"100 records were not delivered within 0\.5 s"):
        sink.flush(0.5)
    fragile.start()
    sink.send(outgoing(topic, [b"1"]))
    sink.flush(PATIENCE_SECONDS)
    sink.close()
    assert [record.value for record in everything(options, topic)] == [b"0", b"1"]


def test_a_full_queue_waits_for_room_and_ends_when_deliveries_fail(fragile: KafkaBroker) -> None:
    settings: dict[str, Setting] = {"queue.buffering.max.messages": 10, "message.timeout.ms": 5000}
    options = ConnectionOptions(fragile.bootstrap_servers, group_id="g", producer=settings)
    topic = fragile.create_topic()
    sink = KafkaSink(options, logger=LOGGER)
    sink.send(outgoing(topic, [b"%d" % number for number in range(500)]))
    sink.flush(PATIENCE_SECONDS)
    assert [record.value for record in everything(options, topic)] == [b"%d" % number for number in range(500)]
    fragile.kill()
    with pytest.raises(TransientError, match=topic):
        sink.send(outgoing(topic, [b"x"] * 20))
    sink.close()


def test_a_header_whose_name_is_no_text_does_not_stop_its_partition(kafka: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    topic = kafka.create_topic()
    produce_with_header(kafka.bootstrap_servers, topic, b"hostile", b"\xff\xfe", b"x")
    produce_with_header(kafka.bootstrap_servers, topic, b"decent", b"name", b"x")
    options = ConnectionOptions(kafka.bootstrap_servers, group_id=unique_name("group"))
    source, _ = start(options, topic)
    batches: list[RecordBatch] = []
    deadline = time.monotonic() + PATIENCE_SECONDS
    while sum(map(len, batches)) < 2 and time.monotonic() < deadline:
        batches.append(source.poll(10, MANY_BYTES, 0.1))
    source.close()
    batch = RecordBatch.concatenate(batches)
    assert [batch.value(row) for row in range(2)] == [b"hostile", b"decent"]
    assert [list(pairs or ()) for pairs in batch.headers] == [[], [("name", b"x")]]
    assert f"topic '{topic}', partition 0, offset 0" in caplog.text
    assert [record.headers for record in everything(options, topic)] == [(), (("name", b"x"),)]


def test_end_offsets_and_lag_stop_at_an_open_transaction(kafka: Cluster) -> None:
    topic, group = kafka.create_topic(), unique_name("group")
    options = ConnectionOptions(kafka.bootstrap_servers, group_id=group)
    sink = KafkaSink(options, logger=LOGGER)
    sink.send(outgoing(topic, [b"0", b"1"]))
    sink.flush(PATIENCE_SECONDS)
    sink.close()
    client = {"bootstrap.servers": kafka.bootstrap_servers, "transactional.id": unique_name("writer"), "log_level": 0}
    writer = Producer(client)
    writer.init_transactions(30)
    writer.begin_transaction()
    writer.produce(topic, b"open")
    writer.flush(30)
    source, _ = start(options, topic)
    values = poll_until(source, lambda: dict(source.end_offsets()) == {PartitionId(topic, 0): 2})
    assert values == [b"0", b"1"]
    source.commit({PartitionId(topic, 0): Committed(1)})
    before = time.time()
    (lag,) = group_lag(options, [topic], logger=LOGGER, wall_clock=lambda: before, monotonic=time.monotonic)
    assert (lag.partition, lag.committed, lag.end, lag.records) == (PartitionId(topic, 0), 1, 2, 1)
    assert lag.seconds == pytest.approx(before - 1_700_000_000)
    writer.abort_transaction(30)
    source.close()


def test_a_group_without_commits_lags_by_all_that_there_is(kafka: Cluster) -> None:
    topic, empty = kafka.create_topic(), kafka.create_topic()
    options = ConnectionOptions(kafka.bootstrap_servers, group_id=unique_name("group"))
    sink = KafkaSink(options, logger=LOGGER)
    sink.send(outgoing(topic, [b"0", b"1"]))
    sink.flush(PATIENCE_SECONDS)
    sink.close()
    first, second = group_lag(
        options, [topic, empty], logger=LOGGER, wall_clock=lambda: 1_700_000_060, monotonic=time.monotonic
    )
    assert (first.committed, first.end, first.records, first.seconds) == (None, 2, 2, 60.0)
    assert (second.committed, second.end, second.records, second.seconds) == (None, 0, 0, 0.0)


def test_lag_of_a_missing_topic_names_it(kafka: Cluster) -> None:
    options = ConnectionOptions(kafka.bootstrap_servers)
    with pytest.raises(TransientError, match="no-such-topic"):
        group_lag(options, ["no-such-topic"], logger=LOGGER, wall_clock=time.time, monotonic=time.monotonic)


def test_a_reader_reads_all_the_newest_or_what_comes(kafka: Cluster) -> None:
    topic = kafka.create_topic(partitions=2)
    options = ConnectionOptions(kafka.bootstrap_servers)
    sink = KafkaSink(options, logger=LOGGER)
    sink.send(outgoing(topic, [b"%d" % number for number in range(20)]))
    sink.flush(PATIENCE_SECONDS)
    assert [record.value for record in everything(options, topic)] == [b"%d" % number for number in range(20)]
    with TopicReader(options, topic, logger=LOGGER) as reader:
        assert [record.value for record in reader.read(newest=2)] == [b"18", b"19"]
    came: list[bytes | None] = []
    with TopicReader(options, topic, logger=LOGGER) as reader:
        for record in reader.follow(newest=1, stopped=lambda: len(came) == 2):
            came.append(record.value)
            if len(came) == 1:
                sink.send(outgoing(topic, [b"new"]))
                sink.flush(PATIENCE_SECONDS)
    assert came == [b"19", b"new"]
    sink.close()


def test_topic_facts_name_what_is_missing_and_creating_twice_changes_nothing(kafka: Cluster) -> None:
    name, missing = unique_name("made"), unique_name("missing")
    admin = TopicAdmin(ConnectionOptions(kafka.bootstrap_servers), logger=LOGGER)
    admin.create({name: 3}, settings={"retention.ms": "60000", "cleanup.policy": "compact", "max.message.bytes": "5000"})
    admin.create({name: 5})
    facts = admin.inspect([name, missing])
    assert facts[missing] is None
    found = facts[name]
    assert found is not None
    assert (found.partitions, found.replicas, found.retention_ms) == (3, 1, 60_000)
    assert (found.cleanup_policy, found.max_message_bytes) == ("compact", 5000)
