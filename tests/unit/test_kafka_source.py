"""What the source does between the client's calls, with a client that does as it is told."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace

import pytest
from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from streamproc.batches import PartitionId, RecordBatch
from streamproc.errors import FencedError, TransientError
from streamproc.kafka.assignment import Assignment
from streamproc.kafka.columns import MessageColumns
from streamproc.kafka.options import ConnectionOptions
from streamproc.kafka.source import KafkaSource
from streamproc.ports import Committed

A, B = PartitionId("t", 0), PartitionId("t", 1)
MANY_BYTES = 1 << 30


def message(partition: PartitionId, offset: int, value: bytes | None = b"v") -> Message:
    return Message(partition.topic, partition.partition, offset, b"k", value, None, None, (1, 1000 + offset))


class ScriptedConsumer:
    """Returns what each step of its script returns; remembers what it was told."""

    def __init__(self) -> None:
        self.script: list[Callable[[], list[Message]]] = []
        self.asked: list[int] = []
        self.waits: list[float] = []
        self.assigned: list[tuple[str, int, int]] = []
        self.unassigned: list[tuple[str, int]] = []
        self.seek_errors: list[int] = []
        self.sought: list[tuple[str, int, int]] = []
        self.on_assign: Callable[[object, list[TopicPartition]], None]
        self.on_revoke: Callable[[object, list[TopicPartition]], None]
        self.on_lost: Callable[[object, list[TopicPartition]], None]

    def subscribe(self, _: list[str], **callbacks: Callable[[object, list[TopicPartition]], None]) -> None:
        self.on_assign, self.on_revoke, self.on_lost = callbacks["on_assign"], callbacks["on_revoke"], callbacks["on_lost"]

    def consume(self, wanted: int, seconds: float) -> list[Message]:
        self.asked.append(wanted)
        self.waits.append(seconds)
        return self.script.pop(0)() if self.script else []

    def list_topics(self, topic: str, timeout: float) -> object:
        assert timeout > 0
        return SimpleNamespace(topics={topic: SimpleNamespace(error=None)})

    def committed(self, partitions: list[TopicPartition], _: float) -> list[TopicPartition]:
        return [TopicPartition(one.topic, one.partition, 0) for one in partitions]

    def incremental_assign(self, partitions: list[TopicPartition]) -> None:
        self.assigned += [(one.topic, one.partition, one.offset) for one in partitions]

    def incremental_unassign(self, partitions: list[TopicPartition]) -> None:
        self.unassigned += [(one.topic, one.partition) for one in partitions]

    def seek(self, position: TopicPartition) -> None:
        if self.seek_errors:
            raise KafkaException(KafkaError(self.seek_errors.pop(0)))
        self.sought.append((position.topic, position.partition, position.offset))

    def give(self, *partitions: PartitionId) -> list[Message]:
        self.on_assign(self, [TopicPartition(*partition) for partition in partitions])
        return []

    def revoke(self, *partitions: PartitionId) -> list[Message]:
        self.on_revoke(self, [TopicPartition(*partition) for partition in partitions])
        return []

    def lose(self, *partitions: PartitionId) -> list[Message]:
        self.on_lost(self, [TopicPartition(*partition) for partition in partitions])
        return []


class Listener:
    def __init__(self) -> None:
        self.heard: list[str] = []
        self.error: Exception | None = None

    def assigned(self, partitions: Mapping[PartitionId, Committed]) -> None:
        self.heard.append(f"assigned {sorted(p.partition for p in partitions)}")

    def revoked(self, partitions: Sequence[PartitionId]) -> None:
        self.heard.append(f"revoked {sorted(p.partition for p in partitions)}")
        if self.error:
            raise self.error

    def lost(self, partitions: Sequence[PartitionId]) -> None:
        self.heard.append(f"lost {sorted(p.partition for p in partitions)}")


class Rig:
    def __init__(self) -> None:
        options = ConnectionOptions("127.0.0.1:1")
        self.source = KafkaSource(
            options, ["t"], auto_offset_reset="earliest", logger=logging.getLogger("tests"), monotonic=lambda: 0.0
        )
        self.source._consumer.close()
        self.client = ScriptedConsumer()
        self.source._consumer = self.source._lookout._consumer = self.client  # type: ignore[assignment]  # does as it is told
        self.listener = Listener()
        self.source.subscribe(self.listener)
        self.poll()
        self.client.script = [lambda: self.client.give(A, B)]
        self.poll()

    def poll(self, max_records: int = 100, max_bytes: int = MANY_BYTES) -> RecordBatch:
        return self.source.poll(max_records, max_bytes, 0)

    def offsets(self, batch: RecordBatch) -> dict[PartitionId, list[int]]:
        return {partition: offsets.tolist() for partition, offsets in batch.offsets_by_partition().items()}


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_given_partitions_are_read_from_explicit_positions(rig: Rig) -> None:
    assert rig.client.assigned == [("t", 0, 0), ("t", 1, 0)]
    assert rig.listener.heard == ["assigned [0, 1]"]


def test_one_record_is_waited_for_and_the_rest_taken_at_once(rig: Rig) -> None:
    rig.client.asked.clear()
    rig.client.script = [lambda: [message(A, 0)], lambda: [message(A, 1), message(A, 2)]]
    assert len(rig.poll(max_records=3)) == 3
    assert rig.client.asked == [1, 2]


def test_records_are_asked_for_by_the_size_of_those_that_came(rig: Rig) -> None:
    rig.client.asked.clear()
    rig.client.script = [lambda: [message(A, 0, b"x" * 1000)], lambda: [message(A, row, b"x" * 1000) for row in (1, 2, 3)]]
    rig.poll(max_bytes=4500)
    assert rig.client.asked == [1, 3, 1]


def test_records_of_a_partition_that_was_revoked_in_the_same_poll_are_dropped(rig: Rig) -> None:
    rig.client.script = [lambda: [message(A, 0)], lambda: [*rig.client.revoke(A), message(A, 1), message(B, 1)]]
    assert rig.offsets(rig.poll()) == {B: [1]}
    assert rig.listener.heard[-1] == "revoked [0]"
    assert rig.client.unassigned == [("t", 0)]


def test_a_partition_that_comes_back_in_the_same_poll_is_told_as_a_new_assignment(rig: Rig) -> None:
    rig.client.script = [lambda: [message(A, 0)], lambda: [message(B, 0), *rig.client.revoke(A), *rig.client.give(A)]]
    assert rig.offsets(rig.poll()) == {B: [0]}
    assert rig.listener.heard == ["assigned [0, 1]", "revoked [0]", "assigned [0]"]


def test_a_partition_revoked_before_it_was_read_is_told_to_nobody(rig: Rig) -> None:
    other = PartitionId("t", 2)
    rig.client.script = [lambda: [*rig.client.give(other), *rig.client.revoke(other)]]
    rig.poll()
    assert rig.listener.heard == ["assigned [0, 1]", "assigned []"]
    assert rig.client.unassigned == []


def test_nothing_is_raised_inside_the_clients_callback_and_all_of_it_afterwards(rig: Rig) -> None:
    rig.listener.error = TransientError("no commit")
    rig.client.script = [lambda: [*rig.client.revoke(A), message(B, 0)]]
    with pytest.raises(TransientError, match="no commit"):
        rig.poll()
    assert rig.client.unassigned == [("t", 0)]
    rig.client.script = [lambda: [message(B, 0)]]
    assert rig.offsets(rig.poll()) == {B: [0]}


def test_a_lost_partition_is_not_committed_even_by_the_listener(rig: Rig) -> None:
    rig.client.script = [lambda: [*rig.client.lose(A), message(A, 0)]]
    assert len(rig.poll()) == 0
    assert rig.listener.heard[-1] == "lost [0]"
    with pytest.raises(TransientError, match="t/0 are not assigned"):
        rig.source.commit({A: Committed(1)})


def test_a_seek_that_the_client_refuses_is_repeated_and_records_are_discarded_until_then(rig: Rig) -> None:
    state = KafkaError._STATE
    rig.client.seek_errors = [state, state]
    rig.source.seek({A: 5})
    rig.client.script = [lambda: [message(A, 9), message(B, 9)]]
    assert rig.offsets(rig.poll()) == {B: [9]}
    rig.client.script = [lambda: [message(A, 5)]]
    assert rig.offsets(rig.poll()) == {A: [5]}
    assert rig.client.sought == [("t", 0, 5)]


def test_a_seek_is_forgotten_with_its_partition(rig: Rig) -> None:
    rig.client.seek_errors = [KafkaError._STATE, KafkaError._STATE]
    rig.source.seek({A: 5})
    rig.client.script = [lambda: rig.client.revoke(A)]
    rig.poll()
    rig.poll()
    assert rig.client.sought == []


def test_a_finished_client_ends_in_a_restart(rig: Rig) -> None:
    def fatal() -> list[Message]:
        raise KafkaException(KafkaError(KafkaError.FENCED_INSTANCE_ID))

    rig.client.script = [fatal]
    with pytest.raises(FencedError, match="restart"):
        rig.poll()


def test_pausing_tells_the_client_only_what_changes() -> None:
    assignment = Assignment()
    assignment.given([A, B])
    assignment.began([A, B])
    assert assignment.pause([A, PartitionId("foreign", 0)]) == [A]
    assert assignment.pause([A, B]) == [B]
    assert assignment.resume([A]) == [A]
    assert assignment.resume([A]) == []
    assignment.taken_away([B])
    assignment.given([B])
    assignment.began([B])
    assert assignment.resume([B]) == []


def test_messages_become_columns() -> None:
    other = PartitionId("u", 3)
    records = [message(other, 7, b"ab"), message(A, 1, None), message(other, 9, b""), message(B, 2, b"c")]
    columns = MessageColumns([A.topic, other.topic])
    assert [columns.add(records[:3]), columns.add(records[3:])] == [2, 1]
    batch = columns.batch()
    assert [batch.value(row) for row in range(4)] == [b"ab", None, b"", b"c"]
    assert [batch.partition_id(row) for row in range(4)] == [other, A, other, B]
    assert batch.offsets.tolist() == [7, 1, 9, 2]
    assert batch.timestamps.tolist() == [1007, 1001, 1009, 1002]
    assert set(batch.partitions) == {A, B, other}
    assert batch.keys == [b"k"] * 4


def test_a_poll_waits_for_more_only_after_one_that_found_very_many() -> None:
    rig = Rig()
    rig.poll()
    for taken, waits in ((700, 0.0), (3, 0.01), (3, 0.0)):
        rig.client.waits.clear()
        chunks = [1, *[300] * ((taken - 1) // 300), (taken - 1) % 300]
        rig.client.script = [lambda size=size: [message(A, row, b"v") for row in range(size)] for size in chunks]  # type: ignore[misc]  # a default binds the size
        rig.source.poll(10_000, 10**9, 1.0)
        assert set(rig.client.waits[1:]) == {waits}
