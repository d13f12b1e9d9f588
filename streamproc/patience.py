"""Waiting for a dependency of the loop that is away."""

from __future__ import annotations

import logging

from streamproc.clock import Backoff, Clock, Shutdown
from streamproc.errors import TransientError
from streamproc.ports import ProcessorObserver

_FIRST_BACKOFF_SECONDS = 0.1
_LONGEST_BACKOFF_SECONDS = 5.0

logger = logging.getLogger(__name__)


class Patience:
    """Pauses the loop after each failure, for longer each time, and says once that it waits and once that it goes on."""

    def __init__(self, observer: ProcessorObserver, shutdown: Shutdown, clock: Clock) -> None:
        self._observer = observer
        self._shutdown = shutdown
        self._clock = clock
        self._backoff = Backoff(_FIRST_BACKOFF_SECONDS, _LONGEST_BACKOFF_SECONDS)

    def failed(self, error: TransientError) -> None:
        """Wait before the next attempt; a shutdown ends the pause."""
        logger.log(logging.DEBUG if self._backoff.is_failing else logging.WARNING, "Waiting: %s", error)
        self._observer.waiting(str(error))
        until = self._clock.monotonic() + self._backoff.failed()
        while not self._shutdown.is_requested and self._clock.monotonic() < until:
            self._clock.sleep(_FIRST_BACKOFF_SECONDS)

    def succeeded(self) -> None:
        """The next failure is a first one again."""
        if self._backoff.is_failing:
            logger.warning("Going on")
            self._observer.waiting(None)
            self._backoff.succeeded()
