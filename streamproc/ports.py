"""The processor's doors: where records come from, where they go, and who is told what happened.

`kafka` and `testing` implement source and sink, `telemetry` the observer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from streamproc.batches import OutgoingRecords, PartitionId, RecordBatch, TenantCounts
from streamproc.errors import Reason, Stage, StreamprocError


class Committed(NamedTuple):
    """What is committed of a partition."""

    offset: int
    """The next offset to read."""
    metadata: str = ""


class AssignmentListener(Protocol):
    """Told of rebalances, which happen inside `RecordSource.poll` and `close` only, on the caller's thread.

    The source calls these inside the client's own callbacks, stores whatever they raise and raises it from `poll`.
    """

    def assigned(self, partitions: Mapping[PartitionId, Committed]) -> None:
        """These partitions are ours from these positions on; a new assignment of a partition forgets the former one."""

    def revoked(self, partitions: Sequence[PartitionId]) -> None:
        """These are about to go to another member; commits of them are still accepted until this returns."""

    def lost(self, partitions: Sequence[PartitionId]) -> None:
        """These may already belong to another member: commit nothing of them."""


class RecordSource(Protocol):
    """A member of a consumer group. Used by one thread."""

    def subscribe(self, listener: AssignmentListener) -> None:
        """Join the group once every topic exists; partitions arrive in a later `poll`.

        A member that gets no partition hears `assigned` with nothing.
        """

    def poll(self, max_records: int, max_bytes: int, timeout: float) -> RecordBatch:
        """Wait up to `timeout` seconds for a record, then take what is there, up to the bounds. May be empty.

        The bound in bytes counts values, and may be passed by one record, or by what came at once where sizes jump. After any
        exception the caller rewinds every partition with `seek`: what this poll had taken is gone.

        Raises:
            TransientError: the broker or a topic is not there; the message names it. Poll again.
            FencedError: the group has let this member go for good.
            ConfigurationError: offset out of range, a missing right, a wrong password; names the setting.

        """

    def commit(self, offsets: Mapping[PartitionId, Committed]) -> None:
        """Commit synchronously.

        Raises:
            TransientError: not committed, for all or some of the partitions; commit again later. Also for partitions that
                aren't held: Kafka itself would accept those.
            ConfigurationError: no right to commit for the group.
            FencedError: the group has let this member go.

        """

    def seek(self, positions: Mapping[PartitionId, int]) -> None:
        """Go on reading at these offsets and forget what was fetched of these partitions; those not assigned are ignored."""

    def pause(self, partitions: Sequence[PartitionId]) -> None:
        """Return no records of these until `resume`. Throws away what is prefetched: call it on a change only."""

    def resume(self, partitions: Sequence[PartitionId]) -> None:
        """Return records of these again."""

    def end_offsets(self) -> Mapping[PartitionId, int]:
        """The end offsets of the assigned partitions as last heard from the broker; asks nobody, may lack some."""

    def close(self) -> None:
        """Leave the group (the listener hears `revoked` first) and free the client."""


class Refused(NamedTuple):
    """A record that the client refuses for its content, such as one too large for any broker it may reach."""

    row: int
    message: str


class DeliveryRefusedError(StreamprocError):
    """The broker refused a record for its content; others sent with it may have failed too. Send the span one by one."""


class RecordSink(Protocol):
    """Produces records. Used by one thread."""

    def send(self, records: OutgoingRecords) -> Sequence[Refused]:
        """Hand over for delivery, in order; waits while the queue is full, not for delivery.

        Returns:
            The records that were refused at once for their content; all others were handed over.

        Raises:
            TransientError: the queue is full and deliveries fail, or the client is finished. As after a failed flush, nothing
                handed over since the last successful one is delivered any more: rewind and send again.
            ConfigurationError: as for `flush`.

        """

    def flush(self, timeout: float) -> None:
        """Return when every record handed over since the last flush is delivered.

        Whatever it raises: records handed over since the last successful flush may or may not be delivered. None of them is
        delivered after this raised.

        Raises:
            DeliveryRefusedError: the broker refused a record for its content.
            TransientError: a delivery failed otherwise, or the time is over: rewind and send again.
            ConfigurationError: no right to write to the topic; names it.

        """

    def close(self) -> None:
        """Give up what is undelivered and free the client."""


class PartitionLag(NamedTuple):
    """How far behind one partition is; None where it isn't known yet."""

    records: int | None
    """End offset minus committed."""
    backlog: int | None
    """End offset minus finished, whether committed or not."""
    seconds: float
    """Age of the oldest record not yet committed; 0 where there is none."""


@dataclass(frozen=True, slots=True)
class BatchReport:
    """What one pass of the loop did."""

    consumed: Mapping[PartitionId, int]
    produced: Mapping[str, int]
    """Topic → records handed to the producer."""
    dead_letters: Mapping[Reason, int]
    tenants: TenantCounts
    """Records predicted."""
    latencies: NDArray[np.float64]
    """(outputs,): seconds from the record's time to hand-over to the producer."""
    stage_seconds: Mapping[Stage, float]
    parked_records: int
    parked_tenants: int
    lags: Mapping[PartitionId, PartitionLag]


@dataclass(frozen=True, slots=True)
class CommitReport:
    """One commit, tried."""

    succeeded: bool
    seconds: float


class ProcessorObserver(Protocol):
    """Told what the processor did. Must not raise, and must be quick: it runs on the loop."""

    def batch_done(self, report: BatchReport) -> None:
        """A pass of the loop is over; also called for passes without records."""

    def commit_done(self, report: CommitReport) -> None:
        """A commit was tried, successfully or not."""

    def delivery_failed(self) -> None:
        """A flush raised."""

    def rebalanced(self, event: str, partitions: Sequence[PartitionId], assigned: int) -> None:
        """`event` is assigned, revoked or lost; `assigned` counts what is held afterwards."""

    def waiting(self, what: str | None) -> None:
        """The loop waits for this dependency (our own text); None: no longer."""
