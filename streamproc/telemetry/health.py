"""Whether this replica lives and is ready, and what it waits for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from threading import Lock
from typing import NamedTuple

from streamproc.batches import PartitionId
from streamproc.ports import BatchReport, CommitReport


class Verdict(NamedTuple):
    """An answer to a probe."""

    ok: bool
    waiting_for: tuple[str, ...]
    """Our own texts."""


class Health:
    """Told by the loop and by loaders, asked by HTTP threads. Passive but for the clock that is handed in.

    Live: the loop has made progress within `stall_seconds`; waiting for a dependency counts as progress.
    Ready: joined the group, even with no partition, and each of `dependencies` has answered once.
    Implements `ProcessorObserver`.
    """

    def __init__(
        self,
        *,
        monotonic: Callable[[], float],
        stall_seconds: float,
        dependencies: Iterable[str],
        missing: Callable[[], str | None] = lambda: None,
    ) -> None:
        """Start the clock; `missing` names a dependency, other than the loop's, that does not answer now."""
        self._monotonic = monotonic
        self._stall_seconds = stall_seconds
        self._lock = Lock()
        self._progressed = monotonic()
        self._unanswered = list(dict.fromkeys(dependencies))
        self._has_joined = False
        self._missing = missing
        self._waiting: str | None = None

    def progressed(self) -> None:
        """The process does something: a step of the start-up, or a pass of the loop."""
        self._progressed = self._monotonic()

    def answered(self, dependency: str) -> None:
        """One of the dependencies has answered; others than those declared, or a second answer, change nothing."""
        with self._lock:
            self._unanswered = [other for other in self._unanswered if other != dependency]

    @property
    def live(self) -> Verdict:
        """Whether the loop makes progress."""
        seconds = self._monotonic() - self._progressed
        if seconds <= self._stall_seconds:
            return Verdict(ok=True, waiting_for=self._waits())
        return Verdict(ok=False, waiting_for=(f"the loop, which has made no progress for {seconds:.0f} s", *self._waits()))

    @property
    def ready(self) -> Verdict:
        """Whether the replica takes part."""
        with self._lock:
            missing = [f"the first answer of the {dependency}" for dependency in self._unanswered]
        if not self._has_joined:
            missing.insert(0, "the consumer group")
        return Verdict(ok=not missing, waiting_for=(*missing, *self._waits()))

    def _waits(self) -> tuple[str, ...]:
        return tuple(what for what in (self._waiting, self._missing()) if what is not None)

    # ProcessorObserver

    def batch_done(self, report: BatchReport) -> None:
        """A pass of the loop is over."""
        del report
        self.progressed()

    def commit_done(self, report: CommitReport) -> None:
        """A commit was tried."""
        del report
        self.progressed()

    def delivery_failed(self) -> None:
        """A flush raised; the loop goes on."""
        self.progressed()

    def rebalanced(self, event: str, partitions: Sequence[PartitionId], assigned: int) -> None:
        """Any rebalance means that the group knows this member."""
        del event, partitions, assigned
        self._has_joined = True
        self.progressed()

    def waiting(self, what: str | None) -> None:
        """The loop waits for a dependency, or no longer."""
        self._waiting = what
        self.progressed()
