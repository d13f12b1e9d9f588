"""Time, injected: nothing in streamproc asks the system for it but `SYSTEM_CLOCK`."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from streamproc.errors import Stage


@dataclass(frozen=True, slots=True)
class Clock:
    """Where durations, dates and pauses come from."""

    monotonic: Callable[[], float]
    """Seconds that never go back: for durations and deadlines."""
    wall: Callable[[], float]
    """Seconds since the epoch: for what leaves the process, never for durations."""
    sleep: Callable[[float], None]


SYSTEM_CLOCK = Clock(monotonic=time.monotonic, wall=time.time, sleep=time.sleep)


class StageClock:
    """Adds up the time spent in each stage; owned by the loop's thread."""

    def __init__(self, clock: Clock) -> None:
        self._monotonic = clock.monotonic
        self._seconds: dict[Stage, float] = {}

    @contextmanager
    def measure(self, stage: Stage) -> Iterator[None]:
        """Count the time inside the block for `stage`."""
        started = self._monotonic()
        try:
            yield
        finally:
            self._seconds[stage] = self._seconds.get(stage, 0.0) + self._monotonic() - started

    def take(self) -> Mapping[Stage, float]:
        """The seconds of each stage since the last call."""
        seconds, self._seconds = self._seconds, {}
        return seconds


class Backoff:
    """How long to pause after each failure in a row. Passive."""

    def __init__(self, first_seconds: float, longest_seconds: float) -> None:
        self._first_seconds = first_seconds
        self._longest_seconds = longest_seconds
        self._seconds = 0.0

    @property
    def is_failing(self) -> bool:
        """The last attempt failed."""
        return self._seconds > 0

    def failed(self) -> float:
        """The pause before the next attempt: doubles from failure to failure up to the longest."""
        self._seconds = min(self._longest_seconds, 2 * self._seconds or self._first_seconds)
        return self._seconds

    def succeeded(self) -> None:
        """The next failure is a first one again."""
        self._seconds = 0.0


class Shutdown:
    """Whether the process is to end, and how much time is left. `request` only sets a value: safe in a signal handler."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._monotonic = clock.monotonic
        self._seconds = seconds
        self._deadline: float | None = None

    def request(self) -> None:
        """End the process; asking again changes nothing."""
        if self._deadline is None:
            self._deadline = self._monotonic() + self._seconds

    @property
    def is_requested(self) -> bool:
        """The process is to end."""
        return self._deadline is not None

    def seconds_left(self) -> float:
        """Until the process has to be gone; infinite while nobody wants it to."""
        return math.inf if self._deadline is None else max(0.0, self._deadline - self._monotonic())
