"""SIGTERM and SIGINT of `run`. Handlers set flags: an exception raised inside the client's `consume` would lose records."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType

from streamproc.cli.exits import ExitCode


class StopSignals:
    """Before the loop runs a signal ends the process with 0; then it stops the loop; a second SIGINT ends it at once."""

    def __init__(self) -> None:
        self._stop: Callable[[], None] | None = None
        self._interrupts = 0

    def install(self) -> None:
        """Hear both signals from now on."""
        signal.signal(signal.SIGTERM, self._heard)
        signal.signal(signal.SIGINT, self._heard)

    def hand_over(self, stop: Callable[[], None]) -> None:
        """From now on there is something to finish: a signal calls `stop`."""
        self._stop = stop

    def _heard(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self._stop is None:
            os._exit(ExitCode.OK)  # nothing was begun; raising could be swallowed by whatever is being imported or called
        self._interrupts += number == signal.SIGINT
        if self._interrupts > 1:
            os._exit(ExitCode.INTERRUPTED)  # whoever asks twice does not want to wait for threads either
        self._stop()


STOP_SIGNALS = StopSignals()
"""Those of this process; `main` installs them before the slow imports."""
