"""The values that travel through the stages. Frozen; their arrays are never written after they are handed on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import chain
from typing import Final, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from streamproc.errors import Reason, Stage

Headers = Sequence[tuple[str, bytes | None]]


class PartitionId(NamedTuple):
    """One partition of one topic."""

    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """n records in the order in which they were received, their values one after another in one buffer.

    Records of one partition stand in offset order, except that released (formerly parked) records may precede newer ones.
    """

    payload: bytes
    """Every value; value i is ``payload[bounds[i]:bounds[i + 1]]``."""
    bounds: NDArray[np.int64]
    """(n + 1,), ascending, from 0 to ``len(payload)``."""
    null: NDArray[np.bool_]
    """(n,): the value was null, not zero bytes long."""
    keys: list[bytes | None]
    headers: list[Headers | None]
    timestamps: NDArray[np.int64]
    """(n,): Kafka timestamps in milliseconds since the epoch; -1 where the record has none."""
    partitions: tuple[PartitionId, ...]
    partition: NDArray[np.int32]
    """(n,): index into `partitions`."""
    offsets: NDArray[np.int64]
    """(n,)"""

    def __len__(self) -> int:
        return len(self.offsets)

    def value(self, row: int) -> bytes | None:
        """The record's value as it was received."""
        return None if self.null[row] else self.payload[self.bounds[row] : self.bounds[row + 1]]

    def partition_id(self, row: int) -> PartitionId:
        """The partition that the record came from."""
        return self.partitions[int(self.partition[row])]

    def offsets_by_partition(self) -> dict[PartitionId, NDArray[np.int64]]:
        """The offsets of each partition that has records here, in batch order."""
        return {self.partitions[index]: self.offsets[self.partition == index] for index in self._present()}

    def counts_by_partition(self) -> dict[PartitionId, int]:
        """How many records each partition has here, if any."""
        counts = np.bincount(self.partition).tolist()
        return {self.partitions[index]: count for index, count in enumerate(counts) if count}

    def _present(self) -> list[int]:
        return np.flatnonzero(np.bincount(self.partition)).tolist()

    def take(self, rows: NDArray[np.int64]) -> RecordBatch:
        """The records of `rows`, in that order, in a buffer of their own."""
        spans = [self.payload[self.bounds[row] : self.bounds[row + 1]] for row in rows.tolist()]
        return RecordBatch(
            payload=b"".join(spans),
            bounds=bounds_of(spans),
            null=self.null[rows],
            keys=[self.keys[row] for row in rows.tolist()],
            headers=[self.headers[row] for row in rows.tolist()],
            timestamps=self.timestamps[rows],
            partitions=self.partitions,
            partition=self.partition[rows],
            offsets=self.offsets[rows],
        )

    @classmethod
    def empty(cls) -> RecordBatch:
        """No records."""
        return cls(
            payload=b"",
            bounds=np.zeros(1, np.int64),
            null=np.zeros(0, np.bool_),
            keys=[],
            headers=[],
            timestamps=np.zeros(0, np.int64),
            partitions=(),
            partition=np.zeros(0, np.int32),
            offsets=np.zeros(0, np.int64),
        )

    @classmethod
    def concatenate(cls, batches: Sequence[RecordBatch]) -> RecordBatch:
        """All records of `batches`, in order."""
        batches = [batch for batch in batches if len(batch)]
        if len(batches) <= 1:
            return batches[0] if batches else cls.empty()
        partitions = tuple(dict.fromkeys(chain.from_iterable(batch.partitions for batch in batches)))
        index = {partition: number for number, partition in enumerate(partitions)}
        starts = np.cumsum([0, *(len(batch.payload) for batch in batches)])
        renumbered = [
            np.array([index[partition] for partition in batch.partitions], np.int32)[batch.partition] for batch in batches
        ]
        return cls(
            payload=b"".join(batch.payload for batch in batches),
            bounds=np.concatenate(
                [*(batch.bounds[:-1] + start for batch, start in zip(batches, starts, strict=False)), starts[-1:]]
            ),
            null=np.concatenate([batch.null for batch in batches]),
            keys=list(chain.from_iterable(batch.keys for batch in batches)),
            headers=list(chain.from_iterable(batch.headers for batch in batches)),
            timestamps=np.concatenate([batch.timestamps for batch in batches]),
            partitions=partitions,
            partition=np.concatenate(renumbered),
            offsets=np.concatenate([batch.offsets for batch in batches]),
        )


def bounds_of(spans: Sequence[bytes]) -> NDArray[np.int64]:
    """(n + 1,): where each span starts in their concatenation, and where the last one ends."""
    bounds = np.zeros(len(spans) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, spans), np.int64, len(spans)), out=bounds[1:])
    return bounds


@dataclass(frozen=True, slots=True)
class FeatureColumns:
    """The features of n records as columns, in the order in which they were asked for.

    dtypes follow the Avro type of the writer's schema, never the values: int, long → int64; float, double → float64;
    boolean → bool; nullable ones, and a feature that the schema lacks → float64 with NaN; string, enum → object with NaN;
    a vector → float64 of shape (n, k).
    """

    names: tuple[str, ...]
    arrays: tuple[NDArray[np.generic], ...]
    """One array a name: (n,), or (n, k) for a vector."""
    null: NDArray[np.bool_]
    """(n, len(names)): the feature is null or absent in that record (not: NaN)."""
    status: NDArray[np.uint8]
    """(n,): 0, or the code of the reason why this record's features can't be used."""


@dataclass(frozen=True, slots=True)
class Predictions:
    """What compiled models say of a batch of n rows; the arrays mean nothing for rows that none of them predicted."""

    slots: NDArray[np.int32]
    """(n,): the model that predicted the row; -1: none did."""
    status: NDArray[np.uint8]
    """(n,): 0, or what is wrong with the row, see `inference.packed`."""
    where: NDArray[np.int32]
    """(n,): the model's column at fault; -1: none in particular."""
    label: NDArray[np.int32]
    """(n,): index of the predicted class; -1: `predict` returned numbers."""
    numbers: NDArray[np.int32]
    """(n,): how many numbers `predict` returned."""
    scores: NDArray[np.int32]
    """(n,): how many scores there are."""
    outputs: NDArray[np.float64]
    """The numbers, then the scores, of one row after another."""
    output_start: NDArray[np.int64]
    """(n,)"""

    @classmethod
    def none(cls, count: int) -> Predictions:
        """No row is predicted yet."""
        return cls(
            slots=np.full(count, -1, np.int32),
            status=np.zeros(count, np.uint8),
            where=np.full(count, -1, np.int32),
            label=np.full(count, -1, np.int32),
            numbers=np.zeros(count, np.int32),
            scores=np.zeros(count, np.int32),
            outputs=np.zeros(0, np.float64),
            output_start=np.zeros(count, np.int64),
        )


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One record that can't become a prediction, and why. `row` counts in the batch that was processed."""

    row: int
    reason: Reason
    stage: Stage
    exception: str
    """The class name of the error."""
    message: str
    """Our own text; quotes no payload."""
    tenant: str | None = None
    model_id: str | None = None


_AT_ONCE: Final = 512


class Spans(Sequence[bytes]):
    """Byte strings that lie one after another in a buffer; each is made when it is asked for."""

    def __init__(self, buffer: NDArray[np.uint8], ends: NDArray[np.int64]) -> None:
        """String i ends at ``ends[i]`` and starts where the one before it ends, the first at 0."""
        self._buffer = buffer
        self._ends = ends

    def __len__(self) -> int:
        return len(self._ends)

    def __iter__(self) -> Iterator[bytes]:
        return chain.from_iterable(map(self._some, range(0, len(self), _AT_ONCE)))

    def _some(self, first: int) -> Iterator[bytes]:
        """Those from `first` on, as many as stay in the processor's cache; to read a stream is quicker than to slice."""
        start = int(self._ends[first - 1]) if first else 0
        ends = self._ends[first : first + _AT_ONCE]
        return map(BytesIO(self._buffer[start : int(ends[-1])].data).read, np.diff(ends, prepend=start).tolist())

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> list[bytes]: ...
    def __getitem__(self, index: int | slice) -> bytes | list[bytes]:
        if isinstance(index, slice):
            return list(self)[index]
        row = range(len(self))[index]
        start = int(self._ends[row - 1]) if row else 0
        return self._buffer[start : int(self._ends[row])].tobytes()


@dataclass(frozen=True, slots=True)
class OutgoingRecords:
    """Records to produce to one topic, in order: parallel sequences and a (n,) array of timestamps (ms, -1: none)."""

    topic: str
    values: Sequence[bytes | None]
    keys: list[bytes | None]
    headers: list[Headers | None]
    timestamps: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True, slots=True)
class TenantCounts:
    """How many records of each of k tenants."""

    names: Sequence[str]
    """Number → tenant, of more tenants than these."""
    generation: int
    """Numbers mean the same within one generation."""
    numbers: NDArray[np.int32]
    """(k,), distinct."""
    counts: NDArray[np.int64]
    """(k,)"""

    @classmethod
    def of(cls, names: Sequence[str], generation: int, tenant: NDArray[np.int32]) -> TenantCounts:
        """Count the (n,) tenant numbers of n records."""
        if len(tenant) * 8 < len(names):  # few records of few tenants cost what they are, not what is known
            numbers, counts = np.unique(tenant, return_counts=True)
        else:
            every = np.bincount(tenant, minlength=len(names))
            numbers = np.flatnonzero(every).astype(np.int32)
            counts = every[numbers]
        return cls(names, generation, numbers, counts.astype(np.int64))

    def by_name(self) -> dict[str, int]:
        """Tenant → how many."""
        return {self.names[number]: count for number, count in zip(self.numbers.tolist(), self.counts.tolist(), strict=True)}


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of each record of one batch: an output, a dead letter, or parked."""

    records: RecordBatch
    outputs: OutgoingRecords
    predicted: NDArray[np.int64]
    """(len(outputs),): the rows that the outputs were made from, ascending."""
    event_times: NDArray[np.int64]
    """(len(outputs),): ms since the epoch, from the record's own field or its Kafka timestamp; -1 where there is neither."""
    dead: tuple[DeadLetter, ...]
    parked: Mapping[str, RecordBatch]
    """Tenant → the records, in order, that wait for the tenant's model, result or turn."""
    tenants: TenantCounts
    """How many records of each tenant were predicted."""
