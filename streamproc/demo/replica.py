"""One real `streamproc run`, as a child process."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Final, Self

from streamproc.demo.exposition import Exposition
from streamproc.errors import StreamprocError

READY_SECONDS: Final = 60.0
EXIT_SECONDS: Final = 15.0
_ASK_SECONDS: Final = 5.0
_LAST_LINES: Final = 10


class ReplicaError(StreamprocError):
    """The processor ended, or never became ready; the message holds the last lines of its log."""


class Replica:
    """Runs the processor from entering the block to its end, with this configuration and nothing of the user's environment."""

    def __init__(self, config: Path) -> None:
        self._port = _free_port()
        self._config = config
        self._log = config.parent / "processor.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("STREAMPROC_")}
        command = [sys.executable, "-m", "streamproc.demo.leashed", "run"]
        command += ["-c", str(self._config), "--set", f"http.port={self._port}"]
        with self._log.open("wb") as log:
            # It stays in this process's group: whatever ends the terminal, or asks twice by Ctrl-C, reaches it too.
            self._process = subprocess.Popen(  # noqa: S603 - this very package, no shell
                command, stdin=subprocess.PIPE, stdout=log, stderr=log, env=environment
            )
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> int:
        """Ask it to finish, and wait; its exit code. A second call gives the same."""
        process = self._running()
        if process.poll() is None:
            process.terminate()
        try:
            return process.wait(EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()
        finally:
            if process.stdin is not None:
                process.stdin.close()

    def wait_until_ready(self) -> None:
        """Return when it has joined its group, and its registry and its models' store have answered.

        Raises:
            ReplicaError: it ended, or is not ready after `READY_SECONDS`.

        """
        deadline = time.monotonic() + READY_SECONDS
        while self._get("/readyz") is None:
            self.check_alive()
            if time.monotonic() > deadline:
                raise ReplicaError(
                    f"the processor was not ready after {READY_SECONDS:.0f} s; its log ends with:\n{self._end()}"
                )
            time.sleep(0.1)

    def check_alive(self) -> None:
        """Raise `ReplicaError` if it has ended."""
        code = self._running().poll()
        if code is not None:
            raise ReplicaError(f"the processor ended with exit code {code}; its log ends with:\n{self._end()}")

    def exposition(self) -> Exposition | None:
        """Its metrics as of now; None where it does not answer."""
        text = self._get("/metrics")
        return None if text is None else Exposition(text)

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "used outside of its block"  # noqa: S101 - a bug here
        return self._process

    def _get(self, path: str) -> str | None:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=_ASK_SECONDS)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read().decode()
        except (OSError, HTTPException):
            return None
        finally:
            connection.close()
        return body if answer.status == 200 else None  # noqa: PLR2004 - HTTP's number for "OK"

    def _end(self) -> str:
        lines = self._log.read_text("utf-8", "replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-_LAST_LINES:])


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port
