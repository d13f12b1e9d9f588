"""A contender: whatever reads one topic and writes another, as a process of its own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Final, Protocol, Self

from streamproc.errors import StreamprocError
from streamproc.kafka.options import ConnectionOptions
from streamproc.kafka.run_topics import RunTopics

_EXIT_SECONDS: Final = 30.0
_ASK_SECONDS: Final = 5.0
_LAST_LINES: Final = 12
_LAST_CHARACTERS: Final = 2_000


class ContenderError(StreamprocError):
    """A contender ended, or did not get on; the message holds the last lines of what it wrote."""


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start one contender for one run."""

    command: Sequence[str]
    stdin: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    """In addition to this process's own."""
    metrics_port: int | None = None


class Contender(Protocol):
    """One way to do the job."""

    @property
    def name(self) -> str:
        """Unique among those of a session."""

    @property
    def reads_committed(self) -> bool:
        """It sees no record of an open transaction; else it is started after everything is visible."""

    @property
    def members(self) -> int:
        """How many processes of its group it starts."""

    def launch(self, topics: RunTopics) -> Launch:
        """The process for these topics."""


@dataclass(frozen=True, slots=True)
class PassThroughContender:
    """See `pass_through`."""

    options: ConnectionOptions
    name: str = "pass-through"
    reads_committed: bool = True
    members: int = 1

    def launch(self, topics: RunTopics) -> Launch:
        """The process for these topics."""
        options = {**asdict(self.options), "group_id": topics.group}
        given = {"options": options, "input": topics.input, "output": topics.output}
        return Launch([sys.executable, "-m", "streamproc.kafka.pass_through"], json.dumps(given))


@dataclass(frozen=True, slots=True)
class ReplicaContender:
    """`streamproc run` with a configuration that lacks only the names of topics and group."""

    config: Path
    name: str = "streamproc"
    reads_committed: bool = True
    members: int = 1
    settings: Sequence[str] = ()

    def launch(self, topics: RunTopics) -> Launch:
        """The process for these topics."""
        port = _free_port()
        settings = [
            f"kafka.group_id={topics.group}",
            f"kafka.input_topics=[{topics.input}]",
            f"kafka.output_topic={topics.output}",
            f"kafka.dead_letter_topic={topics.dead_letters}",
            f"http.port={port}",
            *self.settings,
        ]
        command = [sys.executable, "-m", "streamproc", "run", "-c", str(self.config)]
        return Launch([*command, *(part for one in settings for part in ("--set", one))], metrics_port=port)


class Child:
    """A running contender; killed at the block's end if it still lives."""

    def __init__(self, launch: Launch, log: Path) -> None:
        self._launch = launch
        self._log = log
        with log.open("wb") as sink:
            self._process = subprocess.Popen(  # noqa: S603 - our own commands, no shell
                launch.command, stdin=subprocess.PIPE, stdout=sink, stderr=sink, env=_environment(launch.environment)
            )
        if self._process.stdin is not None:
            self._process.stdin.write(launch.stdin.encode())
            self._process.stdin.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def check_alive(self) -> None:
        """Raise `ContenderError` if it has ended."""
        if (code := self._process.poll()) is not None:
            raise ContenderError(f"ended with exit code {code}: {self.last_lines()}")

    def stop(self) -> None:
        """SIGTERM, and wait; whoever does not go is killed at the block's end."""
        self._process.terminate()
        try:
            self._process.wait(_EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            return

    def last_lines(self) -> str:
        """The end of what it wrote."""
        return "\n".join(self._log.read_text("utf-8", "replace").splitlines()[-_LAST_LINES:])[-_LAST_CHARACTERS:]

    def metrics(self) -> str:
        """What it exposes; empty where it exposes nothing."""
        if self._launch.metrics_port is None:
            return ""
        connection = HTTPConnection("127.0.0.1", self._launch.metrics_port, timeout=_ASK_SECONDS)
        try:
            connection.request("GET", "/metrics")
            return connection.getresponse().read().decode()
        except (OSError, HTTPException):
            return ""
        finally:
            connection.close()


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    """Ours without settings of streamproc, and one thread for each numeric library in all contenders."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("STREAMPROC_")}
    return {**own, **{f"{library}_NUM_THREADS": "1" for library in ("OPENBLAS", "OMP", "MKL")}, **more}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port
