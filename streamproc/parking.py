"""Records that wait for their tenant's model or result. Passive, bounded, in order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

import numpy as np

from streamproc.batches import PartitionId, RecordBatch


class Parking:
    """Keeps each tenant's waiting records in the order in which they arrived.

    The bounds are soft by one batch: what a batch brings is always taken, and `is_full` tells the loop to bring no more.
    """

    def __init__(self, *, max_records: int, max_bytes: int) -> None:
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._batches: dict[str, list[RecordBatch]] = {}
        self._records = 0
        self._bytes = 0

    @property
    def records(self) -> int:
        """How many records wait."""
        return self._records

    @property
    def tenants(self) -> Collection[str]:
        """The tenants that have waiting records, longest waiting first."""
        return self._batches.keys()

    @property
    def is_full(self) -> bool:
        """A bound is reached."""
        return self._records >= self._max_records or self._bytes >= self._max_bytes

    @property
    def has_room(self) -> bool:
        """Half of both bounds is free: worth reading on after having been full."""
        return self._records <= self._max_records // 2 and self._bytes <= self._max_bytes // 2

    def park(self, waiting: Mapping[str, RecordBatch]) -> None:
        """Put each tenant's records behind those that it has here already."""
        for tenant, batch in waiting.items():
            self._batches.setdefault(tenant, []).append(batch)
            self._count(batch, 1)

    def ready(self, is_waiting: Callable[[str], bool]) -> dict[str, RecordBatch]:
        """The records of the tenants that need not wait any more. They stay here until `remove`."""
        return {tenant: RecordBatch.concatenate(batches) for tenant, batches in self._batches.items() if not is_waiting(tenant)}

    def remove(self, tenants: Iterable[str]) -> None:
        """These tenants' records were processed."""
        for tenant in tenants:
            for batch in self._batches.pop(tenant, ()):
                self._count(batch, -1)

    def drop(self, partitions: Collection[PartitionId]) -> None:
        """Forget the records of these partitions: another member reads them again."""
        for tenant in list(self._batches):
            kept = [self._without(batch, partitions) for batch in self._batches[tenant]]
            self.remove([tenant])
            if remaining := RecordBatch.concatenate(kept):
                self.park({tenant: remaining})

    def clear(self) -> None:
        """Forget all: reading starts again below them."""
        self._batches.clear()
        self._records = self._bytes = 0

    @staticmethod
    def _without(batch: RecordBatch, partitions: Collection[PartitionId]) -> RecordBatch:
        gone = [index for index, partition in enumerate(batch.partitions) if partition in partitions]
        return batch.take(np.flatnonzero(~np.isin(batch.partition, gone))) if gone else batch

    def _count(self, batch: RecordBatch, sign: int) -> None:
        self._records += sign * len(batch)
        self._bytes += sign * len(batch.payload)
