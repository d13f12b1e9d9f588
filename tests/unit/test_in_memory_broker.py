from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from streamproc.batches import OutgoingRecords, PartitionId
from streamproc.errors import TransientError
from streamproc.ports import Committed
from streamproc.testing import InMemoryBroker, InMemorySink, InMemorySource
from streamproc.testing.partitioning import murmur2

MANY_BYTES = 1 << 30


class Nobody:
    def assigned(self, partitions: Mapping[PartitionId, Committed]) -> None: ...

    def revoked(self, partitions: Sequence[PartitionId]) -> None: ...

    def lost(self, partitions: Sequence[PartitionId]) -> None: ...


def member(broker: InMemoryBroker, group: str = "g", topic: str = "t") -> InMemorySource:
    source = InMemorySource(broker, group, [topic])
    source.subscribe(Nobody())
    return source


def outgoing(topic: str, values: list[bytes | None]) -> OutgoingRecords:
    count = len(values)
    return OutgoingRecords(topic, values, [None] * count, [None] * count, np.zeros(count, np.int64))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_murmur2_gives_the_hashes_of_kafkas_own_tests(data: bytes, expected: int) -> None:
    assert murmur2(data) == expected & 0xFFFFFFFF


def test_records_without_a_key_go_round_and_those_with_a_partition_there() -> None:
    broker = InMemoryBroker()
    broker.create_topic("t", 2)
    places = [broker.produce("t", b"v").partition for _ in range(4)]
    assert sorted(places) == [0, 0, 1, 1]
    assert broker.produce("t", b"v", b"k", partition=1) == PartitionId("t", 1)


def test_gaps_and_deleted_records_are_passed_over() -> None:
    broker = InMemoryBroker()
    broker.create_topic("t")
    for value in (b"0", b"1"):
        broker.produce("t", value)
    broker.leave_gap("t", 0, 3)
    broker.produce("t", b"5")
    broker.delete_before("t", 0, 1)
    batch = member(broker).poll(10, MANY_BYTES, 0)
    assert batch.offsets.tolist() == [1, 5]
    assert [record.offset for record in broker.records("t")] == [1, 5]


def test_a_waiting_poll_wakes_up_for_a_record_from_another_thread() -> None:
    broker = InMemoryBroker()
    broker.create_topic("t")
    source = member(broker)
    source.poll(1, MANY_BYTES, 0)
    producer = threading.Timer(0.01, broker.produce, ("t", b"v"))
    producer.start()
    assert len(source.poll(10, MANY_BYTES, 30)) == 1
    producer.join()


def test_a_busy_partition_does_not_starve_another() -> None:
    broker = InMemoryBroker()
    broker.create_topic("t", 2)
    for _ in range(10):
        broker.produce("t", b"busy", partition=0)
    broker.produce("t", b"quiet", partition=1)
    source = member(broker)
    first, second = source.poll(2, MANY_BYTES, 0), source.poll(2, MANY_BYTES, 0)
    assert {batch.partition_id(0).partition for batch in (first, second)} == {0, 1}


def test_partitions_are_shared_as_evenly_as_they_can_be() -> None:
    broker = InMemoryBroker()
    broker.create_topic("t", 5)
    members = [member(broker) for _ in range(3)]
    for _ in range(3):
        for source in members:
            source.poll(1, MANY_BYTES, 0)
    assert sorted(len(source.end_offsets()) for source in members) == [1, 2, 2]


def test_a_broker_that_is_away_is_away_for_all_and_delivers_nothing_later() -> None:
    broker = InMemoryBroker()
    broker.create_topic("t")
    source, sink = member(broker), InMemorySink(broker)
    source.poll(1, MANY_BYTES, 0)
    broker.available = False
    sink.send(outgoing("t", [b"v"]))
    with pytest.raises(TransientError):
        sink.flush(1)
    with pytest.raises(TransientError):
        source.poll(1, MANY_BYTES, 0)
    with pytest.raises(TransientError):
        source.commit({PartitionId("t", 0): Committed(1)})
    broker.available = True
    sink.flush(1)
    assert broker.records("t") == []


def test_what_a_group_committed_can_be_looked_at() -> None:
    broker = InMemoryBroker()
    broker.create_topic("t")
    broker.produce("t", b"v")
    source = member(broker)
    source.poll(1, MANY_BYTES, 0)
    assert broker.committed("g", "t", 0) is None
    source.commit({PartitionId("t", 0): Committed(1, "m")})
    assert broker.committed("g", "t", 0) == Committed(1, "m")


def test_a_topic_is_made_once() -> None:
    broker = InMemoryBroker()
    broker.create_topic("t")
    with pytest.raises(ValueError, match="'t' exists"):
        broker.create_topic("t")
    with pytest.raises(KeyError, match="create_topic"):
        broker.produce("u", b"v")
