"""A toy broker in a process of its own: librdkafka's mock cluster, for the demo and for tests of what needs no real broker.

It has 4 partitions a topic whatever is asked, keeps about 5 MiB a partition, has no transactions, and forgets everything at its
end. Topics come into being when a producer that allows it asks for them.

Run as a module it prints its address and lives until its standard input closes; so it ends with whoever started it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from typing import Self

from confluent_kafka import KafkaException, Producer

from streamproc.errors import TransientError

_START_SECONDS = 10.0
_END_SECONDS = 10.0


class EmbeddedBroker:
    """Starts the toy broker, with these topics, and ends it: a context manager.

    Attributes:
        bootstrap_servers: its address, while it runs.

    """

    def __init__(self, topics: Sequence[str] = ()) -> None:
        self._topics = list(topics)
        self._process: subprocess.Popen[str] | None = None
        self.bootstrap_servers = ""

    def __enter__(self) -> Self:
        """Start it; returns when it answers.

        Raises:
            TransientError: its process ended at once.

        """
        command = [sys.executable, "-m", "streamproc.kafka.embedded", *self._topics]
        # A process of its own session: Ctrl-C in a terminal reaches the demo, which then closes this one.
        self._process = subprocess.Popen(  # noqa: S603  # our own module and topic names, no shell
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        if self._process.stdout is not None:
            self.bootstrap_servers = self._process.stdout.readline().strip()
        if not self.bootstrap_servers:
            self.__exit__()
            raise TransientError("the embedded broker did not start; what it wrote to standard error says why")
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        process, self._process = self._process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def main(topics: Sequence[str]) -> int:
    """Run the broker until standard input closes."""
    host = Producer({"test.mock.num.brokers": 1, "log_level": 0, "allow.auto.create.topics": True})
    try:
        for topic in topics:
            host.list_topics(topic, timeout=_START_SECONDS)
        brokers = host.list_topics(timeout=_START_SECONDS).brokers.values()
    except KafkaException:
        sys.stderr.write("librdkafka's mock cluster does not answer\n")
        return 1
    sys.stdout.write(",".join(f"{broker.host}:{broker.port}" for broker in brokers) + "\n")
    sys.stdout.flush()
    sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
