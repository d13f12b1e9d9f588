"""The loop: poll → decode → route → predict → encode → produce → commit, on one thread, each batch to its end."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from streamproc.batches import BatchResult, PartitionId, RecordBatch
from streamproc.clock import Clock, Shutdown, StageClock
from streamproc.delivery import Delivery, Sent
from streamproc.errors import FencedError, Stage, StreamprocError, TransientError
from streamproc.parking import Parking
from streamproc.patience import Patience
from streamproc.pipeline import Pipeline
from streamproc.ports import BatchReport, CommitReport, Committed, DeliveryRefusedError, ProcessorObserver, RecordSource
from streamproc.progress import GroupProgress

_IDLE_POLL_SECONDS = 0.1
_PARKED_POLL_SECONDS = 0.01
"""While tenants wait for their models, arrivals are looked for this often."""

logger = logging.getLogger(__name__)


class Models(Protocol):
    """What the loop needs of `TenantModels`."""

    def install_arrivals(self) -> None:
        """Take over the models that have come."""

    def is_waiting(self, tenant: str) -> bool:
        """The tenant's model has not come yet."""


@dataclass(frozen=True, slots=True)
class LoopLimits:
    """How much and how long."""

    max_records: int
    max_bytes: int
    max_parked_records: int
    max_parked_bytes: int
    commit_interval_seconds: float


class StreamProcessor:
    """Owns the loop and everything that is in flight: between two polls, only what the producer delivers and what is parked."""

    def __init__(  # noqa: PLR0913 - the loop's collaborators; each is used by it
        self,
        source: RecordSource,
        delivery: Delivery,
        pipeline: Pipeline,
        models: Models,
        observer: ProcessorObserver,
        *,
        stages: StageClock,
        limits: LoopLimits,
        shutdown: Shutdown,
        clock: Clock,
    ) -> None:
        self._source = source
        self._delivery = delivery
        self._pipeline = pipeline
        self._models = models
        self._observer = observer
        self._stages = stages
        self._limits = limits
        self._shutdown = shutdown
        self._clock = clock
        self._progress = GroupProgress()
        self._parking = Parking(max_records=limits.max_parked_records, max_bytes=limits.max_parked_bytes)
        self._paused: set[PartitionId] = set()
        self._patience = Patience(observer, shutdown, clock)
        self._last_commit = clock.monotonic()

    def stop(self) -> None:
        """Finish what is in flight, commit, leave. Only sets a flag: safe in a signal handler."""
        self._shutdown.request()

    def run(self) -> None:
        """Process until `stop`; then finish, commit and leave the group.

        Raises:
            ConfigurationError: the broker refuses us for a reason that waiting does not mend.
            FencedError: this member is lost for good.
            TooManyDeadLettersError: the fault is probably ours.

        """
        self._source.subscribe(self)
        try:
            while not self._shutdown.is_requested:
                self.run_guarded()
            logger.info("Stopping: finishing and committing")
            self._finish()
        except BaseException:
            self._forget(list(self._progress))  # so that leaving the group commits nothing
            raise
        finally:
            self._source.close()

    def run_guarded(self) -> None:
        """One pass; where a dependency is away nothing is lost, and a later pass tries again."""
        try:
            self.run_once()
        except DeliveryRefusedError as error:
            logger.warning("The broker refuses a record; its span is sent one by one: %s", error)
        except FencedError:
            raise
        except TransientError as error:
            self._patience.failed(error)
        else:
            self._patience.succeeded()

    def run_once(self) -> None:
        """One pass of the loop."""
        polled = self._poll()
        self._models.install_arrivals()
        ready = self._parking.ready(self._models.is_waiting)
        settled = RecordBatch.concatenate(list(ready.values()))
        result = self._process(RecordBatch.concatenate([settled, polled]))
        sent = self._send(result)
        self._parking.remove(ready)
        self._parking.park(result.parked)
        self._progress.advance(polled, settled, list(result.parked.values()))
        self._hold_back()
        if self._clock.monotonic() - self._last_commit >= self._limits.commit_interval_seconds:
            self._commit()
        self._observer.batch_done(self._report(polled, result, sent))

    # The stages. What fails before anything was sent goes on where it was; what fails later goes back to the last commit.

    def _poll(self) -> RecordBatch:
        """Rebalances happen in here, and only here."""
        seconds = _PARKED_POLL_SECONDS if self._parking.records else _IDLE_POLL_SECONDS
        with self._stages.measure(Stage.POLL), _on_error(self._resume):
            return self._source.poll(self._limits.max_records, self._limits.max_bytes, seconds)

    def _process(self, records: RecordBatch) -> BatchResult:
        with _on_error(self._resume):
            return self._pipeline.process(records)

    def _send(self, result: BatchResult) -> Sent:
        with self._stages.measure(Stage.PRODUCE), _on_error(self._rewind):
            return self._delivery.send(result)

    def _commit(self, partitions: Iterable[PartitionId] | None = None) -> None:
        """Confirm what was sent, then commit what is finished. A commit that fails is tried again at the next interval."""
        started = self._last_commit = self._clock.monotonic()
        with self._stages.measure(Stage.COMMIT):
            with _on_error(self._rewind):
                self._confirm()
            offsets = self._progress.committable(partitions)
            if not offsets:
                return
            try:
                self._source.commit(offsets)
            except FencedError:
                raise
            except TransientError as error:
                logger.warning("Not committed, to be tried again: %s", error)
                self._observer.commit_done(CommitReport(succeeded=False, seconds=self._clock.monotonic() - started))
            else:
                self._progress.committed(offsets)
                self._observer.commit_done(CommitReport(succeeded=True, seconds=self._clock.monotonic() - started))

    def _confirm(self) -> None:
        try:
            self._delivery.confirm()
        except StreamprocError:
            self._observer.delivery_failed()
            raise

    # Rebalances: see AssignmentListener.

    def assigned(self, partitions: Mapping[PartitionId, Committed]) -> None:
        """Start their progress at what is committed."""
        self._progress.assigned(partitions)
        _tell_rebalance(self._observer, "assigned", list(partitions), len(self._progress))

    def revoked(self, partitions: Sequence[PartitionId]) -> None:
        """Commit what is finished of them; what isn't, the next owner reads again."""
        try:
            self._commit(partitions)
        finally:
            self._forget(partitions)
            _tell_rebalance(self._observer, "revoked", list(partitions), len(self._progress))

    def lost(self, partitions: Sequence[PartitionId]) -> None:
        """Commit nothing: another member may own them already."""
        self._forget(partitions)
        _tell_rebalance(self._observer, "lost", list(partitions), len(self._progress))

    def _forget(self, partitions: Sequence[PartitionId]) -> None:
        self._progress.dropped(partitions)
        self._parking.drop(set(partitions))
        self._delivery.forget(partitions)
        self._paused.difference_update(partitions)

    # Recovery.

    def _resume(self) -> None:
        """Go on where each partition was: nothing was sent of what is read again."""
        self._source.seek(self._progress.positions())

    def _rewind(self) -> None:
        """Go back to the last commit: what was sent since then may or may not have been delivered."""
        self._parking.clear()
        self._source.seek(self._progress.rewind())

    def _hold_back(self) -> None:
        """Read no more while parking is full."""
        if self._parking.is_full:
            new = [partition for partition in self._progress if partition not in self._paused]
            self._source.pause(new)
            self._paused.update(new)
        elif self._paused and self._parking.has_room:
            self._source.resume(sorted(self._paused))
            self._paused.clear()

    def _finish(self) -> None:
        """Give parked records a part of the time that is left, and commit."""
        enough = self._shutdown.seconds_left() / 2
        while self._parking.records and self._shutdown.seconds_left() > enough:
            self._source.pause(list(self._progress))
            self.run_guarded()
        try:
            self._commit()
        except (TransientError, DeliveryRefusedError) as error:
            logger.warning("The last commit failed; what it would have confirmed is processed again: %s", error)

    def _report(self, polled: RecordBatch, result: BatchResult, sent: Sent) -> BatchReport:
        times = result.event_times[result.event_times >= 0]
        return BatchReport(
            consumed=polled.counts_by_partition(),
            produced=sent.produced,
            dead_letters=Counter(letter.reason for letter in sent.dead_letters),
            tenants=result.tenants,
            latencies=np.maximum(0.0, self._clock.wall() - times / 1000),
            stage_seconds=self._stages.take(),
            parked_records=self._parking.records,
            parked_tenants=len(self._parking.tenants),
            lags=self._progress.lags(self._source.end_offsets(), int(self._clock.wall() * 1000)),
        )


@contextmanager
def _on_error(recover: Callable[[], None]) -> Iterator[None]:
    try:
        yield
    except StreamprocError:
        recover()
        raise


def _tell_rebalance(observer: ProcessorObserver, event: str, partitions: Sequence[PartitionId], held: int) -> None:
    names = ", ".join(f"{topic}/{number}" for topic, number in sorted(partitions)) or "none"
    logger.info("Partitions %s: %s; %d held now", event, names, held)
    observer.rebalanced(event, partitions, held)
