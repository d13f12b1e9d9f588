"""A broker in memory, with which users test their models and settings without Kafka.

With `InMemorySource` and `InMemorySink` it passes the same contract suite as the Kafka adapters. It has no transactions and no
rights. Any number of threads may use it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from itertools import count

from streamproc.batches import Headers, PartitionId
from streamproc.errors import ConfigurationError, TransientError
from streamproc.ports import Committed
from streamproc.testing.groups import Group
from streamproc.testing.logs import PartitionLog, StoredRecord, record_bytes
from streamproc.testing.partitioning import partition_of


class InMemoryBroker:
    """Topics and consumer groups.

    Attributes:
        available: set it to False, and its clients get a `TransientError`, as from a broker that is away.

    """

    def __init__(self) -> None:
        self.available = True
        self._lock = threading.RLock()
        self._news = threading.Condition(self._lock)
        self._topics: dict[str, list[PartitionLog]] = {}
        self._limits: dict[str, int | None] = {}
        self._groups: dict[str, Group] = {}
        self._members = count(1)
        self._keyless = count()

    def create_topic(self, topic: str, partitions: int = 1, *, max_record_bytes: int | None = None) -> None:
        """Make an empty topic; a record above `max_record_bytes` is refused on delivery.

        Raises:
            ValueError: it exists, or `partitions` is not positive.

        """
        with self._lock:
            if topic in self._topics or partitions < 1:
                raise ValueError(f"topic {topic!r} exists already, or {partitions} is no number of partitions")
            self._topics[topic] = [PartitionLog(number) for number in range(partitions)]
            self._limits[topic] = max_record_bytes
            self._plan_all()

    def produce(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None = None,
        headers: Headers | None = None,
        *,
        timestamp: int | None = None,
        partition: int | None = None,
    ) -> PartitionId:
        """Append a record, to the partition that Java clients choose for its key unless `partition` is given; returns where.

        `timestamp` is in milliseconds since the epoch; without it, it is now.
        """
        with self._news:
            logs = self._logs(topic)
            if partition is None:
                partition = next(self._keyless) % len(logs) if key is None else partition_of(key, len(logs))
            logs[partition].append(key, value, headers, int(time.time() * 1000) if timestamp is None else timestamp)
            self._news.notify_all()
            return PartitionId(topic, partition)

    def leave_gap(self, topic: str, partition: int, offsets: int) -> None:
        """Let the partition's next record be this many offsets further on, as compaction and transaction markers do."""
        with self._lock:
            self._logs(topic)[partition].leave_gap(offsets)

    def delete_before(self, topic: str, partition: int, offset: int) -> None:
        """Delete the records below `offset`, as retention does."""
        with self._lock:
            self._logs(topic)[partition].delete_before(offset)

    def records(self, topic: str) -> list[StoredRecord]:
        """Every record of the topic, partition by partition, in offset order."""
        with self._lock:
            return [record for log in self._logs(topic) for record in log.read(log.start, log.end)]

    def committed(self, group: str, topic: str, partition: int) -> Committed | None:
        """What the group has committed there; None where nothing."""
        with self._lock:
            return self._group(group).committed.get(PartitionId(topic, partition))

    # What its clients, the source and the sink, need.

    def join(self, group: str, topics: Sequence[str]) -> int:
        """A new member of the group; returns its number."""
        with self._lock:
            member = next(self._members)
            self._group(group).join(member, topics)
            self._plan_all()
            return member

    def leave(self, group: str, member: int) -> None:
        """The member goes; what it owned is free."""
        with self._news:
            self._group(group).leave(member)
            self._plan_all()
            self._news.notify_all()

    def to_give_up(self, group: str, member: int) -> list[PartitionId]:
        """What the member has to give up before it reads on."""
        with self._lock:
            return self._group(group).to_give_up(member)

    def exchange(self, group: str, member: int, given_up: Sequence[PartitionId]) -> list[PartitionId]:
        """The member gives up these, and gets what is free for it."""
        with self._news:
            self._group(group).give_up(member, given_up)
            self._news.notify_all()
            return self._group(group).take_over(member)

    def commit(self, group: str, member: int, offsets: Mapping[PartitionId, Committed]) -> None:
        """Commit for a member; like Kafka, it looks at who commits, and not at what that member owns.

        Raises:
            TransientError: the broker is away, or no such member is in the group.

        """
        self.ask()
        with self._lock:
            if not self._group(group).has(member):
                raise TransientError(f"group {group!r} can't go on at the moment: this member has left it")
            self._group(group).committed.update(offsets)

    def read(self, partition: PartitionId, offset: int, limit: int) -> list[StoredRecord]:
        """At most `limit` records from `offset` on.

        Raises:
            ConfigurationError: the offset lies outside of the partition.

        """
        with self._lock:
            start, end = self.offset_range(partition)
            if not start <= offset <= end:
                text = f"the position in partition {partition.partition} of topic {partition.topic!r} lies outside of the topic"
                raise ConfigurationError(f"{text}: expected {start} to {end}, found {offset}")
            return self._logs(partition.topic)[partition.partition].read(offset, limit)

    def offset_range(self, partition: PartitionId) -> tuple[int, int]:
        """The partition's first offset and its end."""
        with self._lock:
            log = self._logs(partition.topic)[partition.partition]
            return log.start, log.end

    def accepts(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers | None) -> bool:
        """Whether the record is small enough for the topic."""
        with self._lock:
            limit = self._limits.get(topic)
            return limit is None or record_bytes(key, value, headers) <= limit

    def wait_for_news(self, seconds: float) -> None:
        """Return when something was produced or given up, or the time is over."""
        with self._news:
            self._news.wait(seconds)

    def ask(self, topics: Sequence[str] = ()) -> None:
        """Whether the broker answers, and has these topics.

        Raises:
            TransientError: it doesn't.

        """
        if not self.available:
            raise TransientError("no broker answers: InMemoryBroker.available is False")
        with self._lock:
            if missing := [topic for topic in topics if topic not in self._topics]:
                raise TransientError(
                    f"topic {missing[0]!r} does not exist at the broker in memory; create it, or correct its name"
                )

    def _logs(self, topic: str) -> list[PartitionLog]:
        if topic not in self._topics:
            raise KeyError(f"topic {topic!r} does not exist: create_topic makes it")
        return self._topics[topic]

    def _group(self, group: str) -> Group:
        return self._groups.setdefault(group, Group())

    def _plan_all(self) -> None:
        for group in self._groups.values():
            group.plan({topic: len(logs) for topic, logs in self._topics.items()})
