"""A member of a group of the broker in memory."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from streamproc.batches import PartitionId, RecordBatch, bounds_of
from streamproc.errors import ConfigurationError, TransientError
from streamproc.ports import AssignmentListener, Committed
from streamproc.testing.broker import InMemoryBroker
from streamproc.testing.logs import StoredRecord

_NOBODY = 0


class InMemorySource:
    """Implements `streamproc.ports.RecordSource` over an `InMemoryBroker`."""

    def __init__(
        self,
        broker: InMemoryBroker,
        group: str,
        topics: Sequence[str],
        *,
        auto_offset_reset: Literal["earliest", "latest", "error"] = "earliest",
    ) -> None:
        self._broker = broker
        self._group = group
        self._topics = list(topics)
        self._offset_reset = auto_offset_reset
        self._member = _NOBODY
        self._listener: AssignmentListener | None = None
        self._has_joined = False
        self._pending: list[PartitionId] = []
        self._positions: dict[PartitionId, int] = {}
        self._paused: set[PartitionId] = set()

    def subscribe(self, listener: AssignmentListener) -> None:
        """Join the group; partitions arrive in a later `poll`."""
        self._listener = listener
        self._member = self._broker.join(self._group, self._topics)

    def poll(self, max_records: int, max_bytes: int, timeout: float) -> RecordBatch:
        """Wait up to `timeout` seconds for a record, then take what is there; see `RecordSource.poll`."""
        self._broker.ask(self._topics)
        self._rebalance()
        deadline = time.monotonic() + timeout
        while not (records := self._take(max_records, max_bytes)) and (left := deadline - time.monotonic()) > 0:
            self._broker.wait_for_news(left)
            self._rebalance()
        return _record_batch(records)

    def commit(self, offsets: Mapping[PartitionId, Committed]) -> None:
        """Commit; see `RecordSource.commit`."""
        if foreign := [partition for partition in offsets if partition not in self._positions]:
            names = ", ".join(f"{topic}/{number}" for topic, number in foreign)
            raise TransientError(f"not committed: {names} are not assigned to this member (any more)")
        self._broker.commit(self._group, self._member, offsets)

    def seek(self, positions: Mapping[PartitionId, int]) -> None:
        """Go on reading at these offsets."""
        self._positions.update({partition: offset for partition, offset in positions.items() if partition in self._positions})

    def pause(self, partitions: Sequence[PartitionId]) -> None:
        """Return no records of these until `resume`."""
        self._paused.update(partition for partition in partitions if partition in self._positions)

    def resume(self, partitions: Sequence[PartitionId]) -> None:
        """Return records of these again."""
        self._paused.difference_update(partitions)

    def end_offsets(self) -> Mapping[PartitionId, int]:
        """The end offsets of the assigned partitions."""
        return {partition: self._broker.offset_range(partition)[1] for partition in self._positions}

    def close(self) -> None:
        """Leave the group; the listener hears `revoked` first."""
        try:
            self._give_up(list(self._positions))
        finally:
            self._broker.leave(self._group, self._member)

    def _rebalance(self) -> None:
        leaving = self._broker.to_give_up(self._group, self._member)
        try:
            self._give_up([partition for partition in leaving if partition in self._positions])
        finally:
            self._pending = [partition for partition in self._pending if partition not in leaving]
            self._pending += self._broker.exchange(self._group, self._member, leaving)
        if self._pending or not self._has_joined:
            starts = {partition: self._start(partition) for partition in self._pending}
            self._pending = []
            self._has_joined = True
            self._positions.update({partition: start.offset for partition, start in starts.items()})
            if self._listener:
                self._listener.assigned(starts)

    def _give_up(self, partitions: list[PartitionId]) -> None:
        try:
            if partitions and self._listener:
                self._listener.revoked(partitions)
        finally:
            for partition in partitions:
                del self._positions[partition]
                self._paused.discard(partition)

    def _start(self, partition: PartitionId) -> Committed:
        if committed := self._broker.committed(self._group, *partition):
            return committed
        if self._offset_reset == "error":
            text = (
                f"group {self._group!r} has committed nothing for partition {partition.partition} of topic {partition.topic!r}"
            )
            raise ConfigurationError(
                f"{text}, and auto_offset_reset is error; set it to earliest or latest, or commit a position"
            )
        start, end = self._broker.offset_range(partition)
        return Committed(start if self._offset_reset == "earliest" else end)

    def _take(self, max_records: int, max_bytes: int) -> list[tuple[str, StoredRecord]]:
        taken: list[tuple[str, StoredRecord]] = []
        size = 0
        for partition, position in list(self._positions.items()):
            if len(taken) >= max_records:
                break
            if partition in self._paused:
                continue
            self._positions[partition] = self._positions.pop(partition)  # the next poll begins with another one
            for record in self._broker.read(partition, position, max_records - len(taken)):
                if size >= max_bytes:
                    return taken
                taken.append((partition.topic, record))
                size += len(record.value or b"")
                self._positions[partition] = record.offset + 1
        return taken


def _record_batch(taken: list[tuple[str, StoredRecord]]) -> RecordBatch:
    records = [record for _, record in taken]
    spans = [record.value or b"" for record in records]
    homes = [PartitionId(topic, record.partition) for topic, record in taken]
    partitions = tuple(dict.fromkeys(homes))
    return RecordBatch(
        payload=b"".join(spans),
        bounds=bounds_of(spans),
        null=np.array([record.value is None for record in records], np.bool_),
        keys=[record.key for record in records],
        headers=[record.headers for record in records],
        timestamps=np.array([record.timestamp for record in records], np.int64),
        partitions=partitions,
        partition=np.array([partitions.index(home) for home in homes], np.int32),
        offsets=np.array([record.offset for record in records], np.int64),
    )
