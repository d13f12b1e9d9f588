"""What is done of each assigned partition, and how far that lets the group commit. Passive: no clock, thread or client."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from streamproc.batches import PartitionId, RecordBatch
from streamproc.ports import Committed, PartitionLag


class PartitionProgress:
    """Which offsets of one assigned partition are done.

    Every received record is finished unless it is parked. Gaps between received offsets (compaction, transaction markers)
    count as done. Offsets are those of one assignment: a partition that is assigned anew gets a new object.
    """

    def __init__(self, start: int) -> None:
        self._position = start
        self._committed = start
        self._parked: set[int] = set()
        self._parked_heap: list[int] = []
        self._arrivals: deque[tuple[int, int]] = deque()

    def received(self, offsets: NDArray[np.int64], first_timestamp: int) -> None:
        """Records arrived, ascending and above all before; `first_timestamp` (ms, -1 unknown) is the first one's."""
        self._arrivals.append((int(offsets[0]), first_timestamp))
        self._position = int(offsets[-1]) + 1

    def parked(self, offsets: Iterable[int]) -> None:
        """These records wait; parking one again changes nothing."""
        for offset in offsets:
            if offset not in self._parked:
                self._parked.add(offset)
                heapq.heappush(self._parked_heap, offset)

    def finished(self, offsets: Iterable[int]) -> None:
        """These records, parked before, have been sent on."""
        self._parked.difference_update(offsets)
        while self._parked_heap and self._parked_heap[0] not in self._parked:
            heapq.heappop(self._parked_heap)

    def committed(self, offset: int) -> None:
        """The group's committed offset of this partition is now `offset`."""
        self._committed = offset
        while len(self._arrivals) > 1 and self._arrivals[1][0] <= offset:
            self._arrivals.popleft()
        if offset >= self._position:
            self._arrivals.clear()

    def rewind(self) -> int:
        """Forget everything above the committed offset, and return that offset: reading goes on there."""
        self._position = self._committed
        self._parked.clear()
        self._parked_heap.clear()
        self._arrivals.clear()
        return self._committed

    @property
    def position(self) -> int:
        """The next offset to receive."""
        return self._position

    @property
    def committable(self) -> int:
        """The next offset to read after a crash; every offset below it was finished."""
        return self._parked_heap[0] if self._parked_heap else self._position

    @property
    def is_committed(self) -> bool:
        """A commit now would change nothing."""
        return self.committable == self._committed

    def lag(self, end_offset: int | None, now_ms: int) -> PartitionLag:
        """How far behind the partition's end this is, at wall-clock time `now_ms`.

        The age is that of the first record of the oldest batch with an uncommitted record.
        """
        oldest = self._arrivals[0][1] if self._arrivals else -1
        return PartitionLag(
            records=None if end_offset is None else max(0, end_offset - self._committed),
            backlog=None if end_offset is None else max(0, end_offset - self._position) + len(self._parked),
            seconds=max(0, now_ms - oldest) / 1000 if oldest >= 0 else 0.0,
        )


class GroupProgress:
    """The progress of all partitions that this member holds. What is told of any other partition is ignored."""

    def __init__(self) -> None:
        self._partitions: dict[PartitionId, PartitionProgress] = {}

    def assigned(self, starts: Mapping[PartitionId, Committed]) -> None:
        """These partitions are held from now on, from their committed positions; any former progress of them is forgotten."""
        for partition, start in starts.items():
            self._partitions[partition] = PartitionProgress(start.offset)

    def dropped(self, partitions: Iterable[PartitionId]) -> None:
        """These partitions are not held any more."""
        for partition in partitions:
            self._partitions.pop(partition, None)

    def advance(self, polled: RecordBatch, settled: RecordBatch, parked: Sequence[RecordBatch]) -> None:
        """One batch was processed and its records handed to the producer.

        Args:
            polled: what was received for the first time.
            settled: formerly parked records that were processed again.
            parked: of both, what waits from now on.

        """
        for index, partition in enumerate(polled.partitions):
            rows = np.flatnonzero(polled.partition == index)
            if len(rows) and (progress := self._partitions.get(partition)):
                progress.received(polled.offsets[rows], int(polled.timestamps[rows[0]]))
        waiting: dict[PartitionId, set[int]] = {}
        for batch in parked:
            for partition, offsets in batch.offsets_by_partition().items():
                waiting.setdefault(partition, set()).update(offsets.tolist())
        for partition, offsets in settled.offsets_by_partition().items():
            if progress := self._partitions.get(partition):
                progress.finished(set(offsets.tolist()) - waiting.get(partition, set()))
        for partition, held in waiting.items():
            if progress := self._partitions.get(partition):
                progress.parked(held)

    def committable(self, partitions: Iterable[PartitionId] | None = None) -> dict[PartitionId, Committed]:
        """What there is to commit: of all partitions, or of `partitions` only; those where nothing changed are left out."""
        chosen = self._partitions if partitions is None else [p for p in partitions if p in self._partitions]
        return {
            partition: Committed(self._partitions[partition].committable)
            for partition in chosen
            if not self._partitions[partition].is_committed
        }

    def committed(self, offsets: Mapping[PartitionId, Committed]) -> None:
        """These offsets are committed."""
        for partition, committed in offsets.items():
            if progress := self._partitions.get(partition):
                progress.committed(committed.offset)

    def rewind(self) -> dict[PartitionId, int]:
        """Forget all that isn't committed, and return where each partition is to be read on."""
        return {partition: progress.rewind() for partition, progress in self._partitions.items()}

    def positions(self) -> dict[PartitionId, int]:
        """The next offset to receive of each partition."""
        return {partition: progress.position for partition, progress in self._partitions.items()}

    def lags(self, end_offsets: Mapping[PartitionId, int], now_ms: int) -> dict[PartitionId, PartitionLag]:
        """How far behind each partition is."""
        return {partition: p.lag(end_offsets.get(partition), now_ms) for partition, p in self._partitions.items()}

    def __len__(self) -> int:
        return len(self._partitions)

    def __iter__(self) -> Iterator[PartitionId]:
        return iter(self._partitions)
