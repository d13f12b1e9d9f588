"""What every source and sink promise, checked against the broker in memory and against a real Kafka, both group protocols."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal, Protocol, cast

import numpy as np
import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from support.kafka import Cluster, unique_name

from streamproc.batches import Headers, OutgoingRecords, PartitionId, RecordBatch
from streamproc.errors import ConfigurationError, TransientError
from streamproc.kafka.options import ConnectionOptions, GroupProtocol, Setting
from streamproc.kafka.sink import KafkaSink
from streamproc.kafka.source import KafkaSource
from streamproc.ports import Committed, DeliveryRefusedError, RecordSink, RecordSource
from streamproc.testing import InMemoryBroker, InMemorySink, InMemorySource

Reset = Literal["earliest", "latest", "error"]
MANY_BYTES = 1 << 30
PATIENCE_SECONDS = 30.0
"""How long a test waits for what must come; no test is that slow."""


class Platform(Protocol):
    """A broker and its clients."""

    def create_topic(self, partitions: int = 1, *, max_bytes: int | None = None) -> str: ...

    def source(self, topics: Sequence[str], group: str, reset: Reset = "earliest") -> RecordSource: ...

    def sink(self, *, max_bytes: int | None = None) -> RecordSink: ...

    def delete_before(self, topic: str, partition: int, offset: int) -> None: ...

    def produce_to(self, topic: str, partition: int, values: Sequence[bytes]) -> None: ...


class MemoryPlatform:
    def __init__(self) -> None:
        self._broker = InMemoryBroker()

    def create_topic(self, partitions: int = 1, *, max_bytes: int | None = None) -> str:
        topic = unique_name("topic")
        self._broker.create_topic(topic, partitions, max_record_bytes=max_bytes)
        return topic

    def source(self, topics: Sequence[str], group: str, reset: Reset = "earliest") -> RecordSource:
        return InMemorySource(self._broker, group, topics, auto_offset_reset=reset)

    def sink(self, *, max_bytes: int | None = None) -> RecordSink:
        return InMemorySink(self._broker, max_record_bytes=max_bytes)

    def delete_before(self, topic: str, partition: int, offset: int) -> None:
        self._broker.delete_before(topic, partition, offset)

    def produce_to(self, topic: str, partition: int, values: Sequence[bytes]) -> None:
        for value in values:
            self._broker.produce(topic, value, partition=partition)


class KafkaPlatform:
    def __init__(self, cluster: Cluster, protocol: GroupProtocol) -> None:
        self._cluster = cluster
        self._protocol = protocol
        self._logger = logging.getLogger("tests.kafka")

    def create_topic(self, partitions: int = 1, *, max_bytes: int | None = None) -> str:
        return self._cluster.create_topic("topic", partitions, {"max.message.bytes": str(max_bytes)} if max_bytes else None)

    def source(self, topics: Sequence[str], group: str, reset: Reset = "earliest") -> RecordSource:
        quick: dict[str, Setting] = {"heartbeat.interval.ms": 200} if self._protocol == "classic" else {}
        address = self._cluster.bootstrap_servers
        options = ConnectionOptions(address, group_id=group, group_protocol=self._protocol, consumer=quick)
        return KafkaSource(options, topics, auto_offset_reset=reset, logger=self._logger)

    def sink(self, *, max_bytes: int | None = None) -> RecordSink:
        settings = {"message.max.bytes": max_bytes} if max_bytes else {}
        return KafkaSink(ConnectionOptions(self._cluster.bootstrap_servers, producer=settings), logger=self._logger)

    def delete_before(self, topic: str, partition: int, offset: int) -> None:
        admin = AdminClient({"bootstrap.servers": self._cluster.bootstrap_servers})
        for answer in admin.delete_records([TopicPartition(topic, partition, offset)]).values():
            answer.result(30)

    def produce_to(self, topic: str, partition: int, values: Sequence[bytes]) -> None:
        producer = Producer({"bootstrap.servers": self._cluster.bootstrap_servers, "log_level": 0})
        for value in values:
            producer.produce(topic, value, partition=partition)
        assert producer.flush(30) == 0


class Listener:
    """Remembers what it is told, and commits on `revoked` what it is given as `to_commit`."""

    def __init__(self) -> None:
        self.source: RecordSource | None = None
        self.to_commit: Mapping[PartitionId, Committed] = {}
        self.held: dict[PartitionId, Committed] = {}
        self.events: list[str] = []
        self.error: Exception | None = None

    def assigned(self, partitions: Mapping[PartitionId, Committed]) -> None:
        self.events.append("assigned")
        self.held.update(partitions)

    def revoked(self, partitions: Sequence[PartitionId]) -> None:
        self.events.append("revoked")
        leaving = {partition: at for partition, at in self.to_commit.items() if partition in partitions}
        if leaving and self.source:
            self.source.commit(leaving)
        self._drop(partitions)
        if self.error:
            raise self.error

    def lost(self, partitions: Sequence[PartitionId]) -> None:
        self.events.append("lost")
        self._drop(partitions)

    def _drop(self, partitions: Sequence[PartitionId]) -> None:
        for partition in partitions:
            del self.held[partition]


class Member:
    """A source with its listener, polled as the loop does it."""

    def __init__(self, source: RecordSource) -> None:
        self.source = source
        self.listener = Listener()
        self.listener.source = source
        self.records: list[RecordBatch] = []
        source.subscribe(self.listener)

    def poll(self, max_records: int = 1000, max_bytes: int = MANY_BYTES) -> RecordBatch:
        batch = self.source.poll(max_records, max_bytes, 0.1)
        self.records.append(batch)
        return batch

    def until(self, condition: Callable[[], bool], *others: Member) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert time.monotonic() < deadline, f"waited {PATIENCE_SECONDS} s; events {self.listener.events}, {self.values()}"
            for member in (self, *others):
                member.poll()

    def take(self, count: int) -> RecordBatch:
        """Poll until at least this many records have come since the last call; returns them."""
        self.records.clear()
        self.until(lambda: sum(map(len, self.records)) >= count)
        return RecordBatch.concatenate(self.records)

    def values(self) -> list[bytes | None]:
        return values(RecordBatch.concatenate(self.records))


def values(batch: RecordBatch) -> list[bytes | None]:
    return [batch.value(row) for row in range(len(batch))]


@pytest.fixture(params=["memory", "kafka-classic", "kafka-consumer"])
def platform(request: pytest.FixtureRequest) -> Platform:
    if request.param == "memory":
        return MemoryPlatform()
    cluster: Cluster = request.getfixturevalue("kafka")
    return KafkaPlatform(cluster, cast("GroupProtocol", request.param.removeprefix("kafka-")))


@pytest.fixture
def join(platform: Platform) -> Iterator[Callable[..., Member]]:
    members: list[Member] = []

    def new(topics: Sequence[str] | str, group: str, reset: Reset = "earliest") -> Member:
        member = Member(platform.source([topics] if isinstance(topics, str) else topics, group, reset))
        members.append(member)
        return member

    yield new
    for member in members:
        member.source.close()


@pytest.fixture
def sink(platform: Platform) -> Iterator[RecordSink]:
    sink = platform.sink()
    yield sink
    sink.close()


@pytest.fixture
def group() -> str:
    return unique_name("group")


Join = Callable[..., Member]


def outgoing(
    topic: str,
    contents: Sequence[bytes | None],
    *,
    keys: Sequence[bytes | None] | None = None,
    headers: Sequence[Headers | None] | None = None,
    timestamps: Sequence[int] | None = None,
) -> OutgoingRecords:
    count = len(contents)
    return OutgoingRecords(
        topic=topic,
        values=list(contents),
        keys=list(keys or [None] * count),
        headers=list(headers or [None] * count),
        timestamps=np.array(timestamps or [1_700_000_000_000 + row for row in range(count)], np.int64),
    )


def deliver(sink: RecordSink, records: OutgoingRecords) -> None:
    assert list(sink.send(records)) == []
    sink.flush(PATIENCE_SECONDS)


def test_records_of_a_key_come_out_in_the_order_in_which_they_went_in(
    platform: Platform, sink: RecordSink, join: Join, group: str
) -> None:
    topic = platform.create_topic(3)
    contents = [b"%d" % number for number in range(500)]
    keys = [b"key-%d" % (number % 7) for number in range(500)]
    deliver(sink, outgoing(topic, contents, keys=keys))
    batch = join(topic, group).take(500)
    assert len(batch) == 500
    for key in set(keys):
        mine = [value for value, its_key in zip(values(batch), batch.keys, strict=True) if its_key == key]
        assert mine == [value for value, its_key in zip(contents, keys, strict=True) if its_key == key]
    for offsets in batch.offsets_by_partition().values():
        assert offsets.tolist() == list(range(len(offsets)))


def test_keys_lie_in_the_partitions_that_java_clients_choose(
    platform: Platform, sink: RecordSink, join: Join, group: str
) -> None:
    # The hashes are those of Kafka's own UtilsTest.testMurmur2.
    hashes = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536}
    topic = platform.create_topic(7)
    deliver(sink, outgoing(topic, list(hashes), keys=list(hashes)))
    batch = join(topic, group).take(3)
    found = {batch.keys[row]: batch.partition_id(row).partition for row in range(3)}
    assert found == {key: (value & 0x7FFFFFFF) % 7 for key, value in hashes.items()}


def test_null_and_empty_values_and_keys_stay_apart(platform: Platform, sink: RecordSink, join: Join, group: str) -> None:
    topic = platform.create_topic()
    contents = [b"x", None, b"", b"y"]
    deliver(sink, outgoing(topic, contents, keys=[None, b"", b"k", b"\x00\xff"]))
    batch = join(topic, group).take(4)
    assert dict(zip(batch.keys, values(batch), strict=True)) == {None: b"x", b"": None, b"k": b"", b"\x00\xff": b"y"}


def test_headers_keep_their_order_duplicates_and_null_values(
    platform: Platform, sink: RecordSink, join: Join, group: str
) -> None:
    topic = platform.create_topic()
    headers: list[Headers | None] = [(("a", b"1"), ("b", None), ("a", b""), ("ä", b"\xff")), None, [("c", b"3")]]
    deliver(sink, outgoing(topic, [b"0", b"1", b"2"], headers=headers))
    batch = join(topic, group).take(3)
    assert [[*map(tuple, pairs or ())] for pairs in batch.headers] == [[*map(tuple, pairs or ())] for pairs in headers]


def test_timestamps_are_kept_and_given_to_records_without_one(
    platform: Platform, sink: RecordSink, join: Join, group: str
) -> None:
    topic = platform.create_topic()
    before = int(time.time() * 1000)
    deliver(sink, outgoing(topic, [b"0", b"1"], timestamps=[1_600_000_000_123, -1]))
    kept, given = join(topic, group).take(2).timestamps.tolist()
    assert kept == 1_600_000_000_123
    assert before <= given <= before + 60_000


def test_a_poll_takes_no_more_records_than_it_may(platform: Platform, sink: RecordSink, join: Join, group: str) -> None:
    topic = platform.create_topic()
    deliver(sink, outgoing(topic, [b"%d" % number for number in range(50)]))
    member = join(topic, group)
    taken: list[bytes | None] = []
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(taken) < 50 and time.monotonic() < deadline:
        batch = member.poll(max_records=7)
        assert len(batch) <= 7
        taken += values(batch)
    assert taken == [b"%d" % number for number in range(50)]


def test_a_poll_passes_its_bound_in_bytes_by_no_more_than_one_record(
    platform: Platform, sink: RecordSink, join: Join, group: str
) -> None:
    topic = platform.create_topic()
    deliver(sink, outgoing(topic, [b"x" * 1000] * 50))
    member = join(topic, group)
    total = 0
    deadline = time.monotonic() + PATIENCE_SECONDS
    while total < 50_000 and time.monotonic() < deadline:
        batch = member.poll(max_bytes=4500)
        assert len(batch.payload) <= 5000
        total += len(batch.payload)
    assert total == 50_000


def test_without_a_commit_earliest_starts_at_the_first_record_and_latest_behind_the_last(
    platform: Platform, sink: RecordSink, join: Join
) -> None:
    topic = platform.create_topic()
    deliver(sink, outgoing(topic, [b"old"]))
    first, last = join(topic, unique_name("group"), "earliest"), join(topic, unique_name("group"), "latest")
    first.until(lambda: bool(first.listener.held))
    last.until(lambda: bool(last.listener.held))
    deliver(sink, outgoing(topic, [b"new"]))
    first.until(lambda: b"new" in first.values())
    last.until(lambda: b"new" in last.values())
    assert first.values() == [b"old", b"new"]
    assert last.values() == [b"new"]
    assert last.listener.held == {PartitionId(topic, 0): Committed(1)}


def test_without_a_commit_error_stops_and_names_the_setting(
    platform: Platform, sink: RecordSink, join: Join, group: str
) -> None:
    topic = platform.create_topic()
    deliver(sink, outgoing(topic, [b"old"]))
    member = join(topic, group, "error")
    with pytest.raises(ConfigurationError, match="auto_offset_reset"):
        member.until(lambda: False)


def test_a_position_that_retention_has_deleted_stops_and_never_jumps(
    platform: Platform, sink: RecordSink, join: Join, group: str
) -> None:
    topic = platform.create_topic()
    deliver(sink, outgoing(topic, [b"%d" % number for number in range(10)]))
    member = join(topic, group)
    member.take(10)
    member.source.commit({PartitionId(topic, 0): Committed(3)})
    member.source.close()
    platform.delete_before(topic, 0, 6)
    with pytest.raises(ConfigurationError, match=f"partition 0 of topic {topic!r} lies outside"):
        (late := join(topic, group)).until(lambda: bool(late.values()))


def test_a_later_member_goes_on_where_the_group_committed_and_gets_the_metadata(
    platform: Platform, sink: RecordSink, join: Join, group: str
) -> None:
    topic = platform.create_topic()
    deliver(sink, outgoing(topic, [b"0", b"1", b"2"]))
    first = join(topic, group)
    first.take(3)
    first.source.commit({PartitionId(topic, 0): Committed(1, "ranges: é")})
    first.source.close()
    second = join(topic, group, "error")
    batch = second.take(2)
    assert values(batch) == [b"1", b"2"]
    assert batch.offsets.tolist() == [1, 2]
    assert second.listener.held == {PartitionId(topic, 0): Committed(1, "ranges: é")}


def test_seek_goes_back_and_forgets_what_was_fetched(platform: Platform, sink: RecordSink, join: Join, group: str) -> None:
    topic = platform.create_topic()
    deliver(sink, outgoing(topic, [b"%d" % number for number in range(10)]))
    member = join(topic, group)
    while not len(member.poll(max_records=3)):
        pass
    member.source.seek({PartitionId(topic, 0): 2, PartitionId("foreign", 0): 5})
    assert values(member.take(8)) == [b"%d" % number for number in range(2, 10)]


def test_paused_partitions_give_nothing_until_resumed_and_then_lose_nothing(platform: Platform, join: Join, group: str) -> None:
    topic = platform.create_topic(2)
    held, flowing = PartitionId(topic, 0), PartitionId(topic, 1)
    member = join(topic, group)
    member.until(lambda: len(member.listener.held) == 2)
    member.source.pause([held])
    platform.produce_to(topic, 0, [b"a", b"b"])
    platform.produce_to(topic, 1, [b"c"])
    assert member.take(1).offsets_by_partition().keys() == {flowing}
    member.source.resume([held])
    batch = member.take(2)
    assert values(batch) == [b"a", b"b"]


def test_a_paused_partition_goes_on_where_it_was_sought(platform: Platform, join: Join, group: str) -> None:
    topic = platform.create_topic()
    only = PartitionId(topic, 0)
    platform.produce_to(topic, 0, [b"0", b"1", b"2", b"3"])
    member = join(topic, group)
    member.take(4)
    member.source.pause([only])
    member.source.seek({only: 1})
    assert len(member.poll()) == 0
    member.source.resume([only])
    assert values(member.take(3)) == [b"1", b"2", b"3"]


def test_end_offsets_are_those_of_the_assigned_partitions(platform: Platform, join: Join, group: str) -> None:
    topic = platform.create_topic()
    platform.produce_to(topic, 0, [b"0", b"1", b"2"])
    member = join(topic, group)
    member.until(lambda: dict(member.source.end_offsets()) == {PartitionId(topic, 0): 3})
    member.source.close()
    assert dict(member.source.end_offsets()) == {}


def test_a_second_member_takes_over_what_the_first_gives_up_from_what_it_commits_then(
    platform: Platform, join: Join, group: str
) -> None:
    topic = platform.create_topic(4)
    for number in range(4):
        platform.produce_to(topic, number, [b"%d-%d" % (number, row) for row in range(5)])
    first = join(topic, group)
    first.until(lambda: len(first.values()) == 20)
    first.listener.to_commit = {PartitionId(topic, number): Committed(3, f"at {number}") for number in range(4)}
    second = join(topic, group, "error")
    first.until(lambda: len(second.listener.held) == 2 and len(first.listener.held) == 2, second)
    assert first.listener.held.keys().isdisjoint(second.listener.held)
    assert dict(second.listener.held) == {p: Committed(3, f"at {p.partition}") for p in second.listener.held}
    first.until(lambda: len(second.values()) >= 4, second)
    assert sorted(second.values(), key=str) == sorted(
        (b"%d-%d" % (partition.partition, row) for partition in second.listener.held for row in (3, 4)), key=str
    )


def test_what_a_member_keeps_in_a_rebalance_goes_on_without_a_repeat(platform: Platform, join: Join, group: str) -> None:
    topic = platform.create_topic(2)
    first = join(topic, group)
    first.until(lambda: len(first.listener.held) == 2)
    platform.produce_to(topic, 0, [b"0"])
    platform.produce_to(topic, 1, [b"1"])
    first.until(lambda: len(first.values()) == 2)
    second = join(topic, group)
    first.until(lambda: len(first.listener.held) == 1 and len(second.listener.held) == 1, second)
    (kept,) = first.listener.held
    first.records.clear()
    platform.produce_to(topic, kept.partition, [b"next"])
    first.until(lambda: bool(first.values()), second)
    assert first.values() == [b"next"]


def test_a_member_that_leaves_hands_its_partitions_on(platform: Platform, join: Join, group: str) -> None:
    topic = platform.create_topic(2)
    first, second = join(topic, group), join(topic, group)
    first.until(lambda: len(first.listener.held) == 1 and len(second.listener.held) == 1, second)
    second.source.close()
    assert second.listener.events[-1] == "revoked"
    assert not second.listener.held
    first.until(lambda: len(first.listener.held) == 2)


def test_a_member_without_partitions_hears_that_it_has_joined(platform: Platform, join: Join, group: str) -> None:
    topic = platform.create_topic(1)
    first = join(topic, group)
    first.until(lambda: len(first.listener.held) == 1)
    second = join(topic, group)
    second.until(lambda: second.listener.events == ["assigned"], first)
    assert not second.listener.held


def test_what_a_listener_raises_comes_out_of_poll_and_loses_nothing(platform: Platform, join: Join, group: str) -> None:
    topic = platform.create_topic(2)
    first = join(topic, group)
    first.until(lambda: len(first.listener.held) == 2)
    first.listener.error = TransientError("commit on revoke failed")
    second = join(topic, group)
    with pytest.raises(TransientError, match="commit on revoke failed"):
        first.until(lambda: False, second)
    first.listener.error = None
    first.source.seek({partition: at.offset for partition, at in first.listener.held.items()})
    first.until(lambda: len(second.listener.held) == 1, second)
    first.records.clear()
    second.records.clear()
    for number in range(2):
        platform.produce_to(topic, number, [b"%d" % number])
    first.until(lambda: len(first.values()) + len(second.values()) == 2, second)
    assert {*first.values(), *second.values()} == {b"0", b"1"}


def test_offsets_of_a_partition_that_is_not_held_are_not_committed(platform: Platform, join: Join, group: str) -> None:
    topic = platform.create_topic(2)
    first, second = join(topic, group), join(topic, group)
    first.until(lambda: len(first.listener.held) == 1 and len(second.listener.held) == 1, second)
    (foreign,) = second.listener.held
    with pytest.raises(TransientError, match="not assigned"):
        first.source.commit({foreign: Committed(7)})
    first.source.close()
    second.source.close()
    third = join(topic, group)
    third.until(lambda: len(third.listener.held) == 2)
    assert third.listener.held[foreign] == Committed(0)


def test_a_topic_that_does_not_exist_is_named_and_waited_for(join: Join, group: str) -> None:
    name = unique_name("missing")
    member = join(name, group)
    with pytest.raises(TransientError, match=name):
        member.until(lambda: False)


def test_a_record_too_large_for_the_client_is_refused_at_once_and_its_neighbours_go(
    platform: Platform, join: Join, group: str
) -> None:
    topic = platform.create_topic()
    sink = platform.sink(max_bytes=2000)
    refused = sink.send(outgoing(topic, [b"0", b"x" * 3000, b"2"]))
    sink.flush(PATIENCE_SECONDS)
    sink.close()
    assert [row for row, _ in refused] == [1]
    assert topic in refused[0].message
    assert values(join(topic, group).take(2)) == [b"0", b"2"]


def test_a_record_too_large_for_the_topic_fails_the_flush_and_the_sink_goes_on(
    platform: Platform, sink: RecordSink, join: Join, group: str
) -> None:
    topic = platform.create_topic(max_bytes=2000)
    sink.send(outgoing(topic, [b"x" * 3000]))
    with pytest.raises(DeliveryRefusedError, match=topic):
        sink.flush(PATIENCE_SECONDS)
    deliver(sink, outgoing(topic, [b"next"]))
    assert values(join(topic, group).take(1)) == [b"next"]


def test_a_missing_topic_fails_the_flush_and_is_named(platform: Platform) -> None:
    sink = platform.sink()
    name = unique_name("missing")
    with pytest.raises(TransientError, match=name):
        deliver(sink, outgoing(name, [b"0"]))
    sink.close()


def test_flush_confirms_everything_that_was_sent(platform: Platform, sink: RecordSink, join: Join, group: str) -> None:
    topic = platform.create_topic(2)
    for start in range(0, 3000, 1000):
        assert not sink.send(outgoing(topic, [b"%d" % number for number in range(start, start + 1000)]))
    sink.flush(PATIENCE_SECONDS)
    assert len({*values(join(topic, group).take(3000))}) == 3000


def test_an_empty_batch_is_sent_and_confirmed(platform: Platform, sink: RecordSink) -> None:
    deliver(sink, outgoing(platform.create_topic(), []))
