"""`python -m streamproc.demo.leashed ARGUMENTS`: as `streamproc ARGUMENTS`, and ends when whoever started it has ended.

Also where that was killed and could tell nobody: the system then closes its end of the pipe that is our stdin.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
from contextlib import suppress
from typing import Final

_SECONDS_TO_FINISH: Final = 10.0


def _end_with_stdin() -> None:
    """Wait for the end of stdin; then ask this process to finish, and end it where it does not."""
    with suppress(OSError):
        while os.read(0, 4096):
            pass
    signal.raise_signal(signal.SIGTERM)
    threading.Event().wait(_SECONDS_TO_FINISH)
    os._exit(1)


def main() -> None:
    """Run the command."""
    threading.Thread(target=_end_with_stdin, name="leash", daemon=True).start()
    sys.argv[0] = "streamproc"
    runpy.run_module("streamproc", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
