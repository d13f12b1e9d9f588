"""Tells several observers the same."""

from __future__ import annotations

from collections.abc import Sequence

from streamproc.batches import PartitionId
from streamproc.ports import BatchReport, CommitReport, ProcessorObserver


class Observers:
    """A `ProcessorObserver` that passes everything on, in order."""

    def __init__(self, observers: Sequence[ProcessorObserver]) -> None:
        self._observers = tuple(observers)

    def batch_done(self, report: BatchReport) -> None:
        """A pass of the loop is over."""
        for observer in self._observers:
            observer.batch_done(report)

    def commit_done(self, report: CommitReport) -> None:
        """A commit was tried."""
        for observer in self._observers:
            observer.commit_done(report)

    def delivery_failed(self) -> None:
        """A flush raised."""
        for observer in self._observers:
            observer.delivery_failed()

    def rebalanced(self, event: str, partitions: Sequence[PartitionId], assigned: int) -> None:
        """Partitions came or went."""
        for observer in self._observers:
            observer.rebalanced(event, partitions, assigned)

    def waiting(self, what: str | None) -> None:
        """The loop waits for this dependency; None: no longer."""
        for observer in self._observers:
            observer.waiting(what)
