"""Several processes of one contender, as one contender: starts them, and ends them when it is told to end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from streamproc.kafka.run_topics import RunTopics
from streamproc.operations.bench.children import Contender, Launch


@dataclass(frozen=True, slots=True)
class Replicas:
    """`count` times the same contender, in one group."""

    contender: Contender
    count: int

    @property
    def name(self) -> str:
        """See `Contender`."""
        return self.contender.name

    @property
    def reads_committed(self) -> bool:
        """See `Contender`."""
        return self.contender.reads_committed

    @property
    def members(self) -> int:
        """See `Contender`."""
        return self.count

    def launch(self, topics: RunTopics) -> Launch:
        """See `Contender`."""
        launches = [self.contender.launch(topics) for _ in range(self.count)]
        given = [{"command": list(one.command), "stdin": one.stdin, "environment": dict(one.environment)} for one in launches]
        return Launch([sys.executable, str(Path(__file__))], json.dumps(given))


def main() -> None:
    """Run the processes that standard input names."""
    children = []
    for one in json.load(sys.stdin):
        child = subprocess.Popen(one["command"], stdin=subprocess.PIPE, env={**os.environ, **one["environment"]})
        assert child.stdin is not None
        child.stdin.write(one["stdin"].encode())
        child.stdin.close()
        children.append(child)

    def end(*_: object) -> None:
        for child in children:
            child.terminate()

    signal.signal(signal.SIGTERM, end)
    sys.exit(max(child.wait() for child in children))


if __name__ == "__main__":
    main()
