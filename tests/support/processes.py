"""Real `streamproc run` processes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Self

READY_SECONDS = 60


def free_port() -> int:
    """A port of 127.0.0.1 that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def wait_until(condition: Callable[[], bool], what: str, seconds: float = READY_SECONDS) -> None:
    """Wait for something outside this process; fail with `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.05)


class Replica:
    """One `streamproc run`; use it as a context manager, which kills what is still alive."""

    def __init__(self, config: Path, *settings: str) -> None:
        self.port = free_port()
        self.log = config.parent / f"replica-{self.port}.log"
        self._stderr = self.log.open("wb")
        arguments = ["run", "-c", str(config), "--set", f"http.port={self.port}"]
        for setting in settings:
            arguments += ["--set", setting]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "streamproc", *arguments], stdout=self._stderr, stderr=self._stderr, env=_environment()
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(30)
        self._stderr.close()

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of one of its HTTP endpoints; status 0 while nothing answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def metric(self, name: str) -> float:
        """The sum of all series of the metric whose line starts with `name`, which may hold labels."""
        _, text = self.get("/metrics")
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name))

    def is_alive(self) -> bool:
        """It has not exited."""
        return self.process.poll() is None

    def wait_ready(self) -> Self:
        """Return when it has joined its group and its dependencies have answered."""
        wait_until(lambda: not self.is_alive() or self.get("/readyz")[0] == 200, f"ready; log: {self.log}")
        assert self.is_alive(), self.log.read_text()
        return self

    def terminate(self, seconds: float = 20) -> int:
        """SIGTERM, and its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait(10)

    def log_lines(self) -> list[dict[str, object]]:
        """Its log, which is JSON lines where stderr is no terminal."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]


def streamproc(*arguments: str, seconds: float = 120, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run one command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "streamproc", *arguments],
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
        env=_environment(),
        input=stdin,
    )


def _environment() -> dict[str, str]:
    """Ours without settings of streamproc, and with bytecode: children would compile every library at each start."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("STREAMPROC_") and name != "PYTHONDONTWRITEBYTECODE"
    }
