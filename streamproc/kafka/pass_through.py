"""The plain pass-through: the least that any Python client does to move records. Run as a module, in a process of its own.

It has a replica's client settings, and its tricks: what was loaded is frozen against garbage collection, a read takes one
record as soon as it comes and then what is there, and no Python statement runs per record. Keys, values, timestamps and headers
are copied; once a second everything is flushed and the position committed.

Reads one JSON object from standard input: `options` (the fields of `ConnectionOptions`), `input` and `output`, two topics.
"""

from __future__ import annotations

import gc
import json
import signal
import sys
import time
from collections import deque
from collections.abc import Mapping
from itertools import repeat
from operator import itemgetter
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer

from streamproc.kafka.faults import client_error
from streamproc.kafka.options import ConnectionOptions, SecurityOptions, consumer_config, producer_config

MAX_RECORDS = 10_000
QUEUE_RECORDS = 400_000
COMMIT_SECONDS = 1.0
_WAIT_SECONDS = 0.1
_FLUSH_SECONDS = 60.0
_ANY_PARTITION = -1
_GROUP_CHANGES = {KafkaError.ILLEGAL_GENERATION, KafkaError.REBALANCE_IN_PROGRESS, KafkaError.UNKNOWN_MEMBER_ID}
"""The group is changing hands: whoever gets the partitions copies anew what wasn't committed."""


class PassThrough:
    """Copies one topic to another until it is told to stop."""

    def __init__(self, options: ConnectionOptions, *, source: str, target: str) -> None:
        self._failed: list[KafkaError] = []
        self._target = target
        self._stopping = False
        self._consumer = Consumer({**consumer_config(options), "auto.offset.reset": "earliest"})
        self._producer = Producer({**producer_config(options), "on_delivery": self._delivered})
        self._consumer.subscribe([source], on_revoke=lambda *_: self._commit())

    def stop(self) -> None:
        """Commit and leave after the next read."""
        self._stopping = True

    def run(self) -> None:
        """Copy.

        Raises:
            KafkaException: the broker refuses or lost something.

        """
        gc.collect()
        gc.freeze()
        commits_at = time.monotonic() + COMMIT_SECONDS
        while not self._stopping:
            messages = self._consumer.consume(1, _WAIT_SECONDS)
            if messages:
                messages += self._consumer.consume(MAX_RECORDS - 1, 0)
                self._copy(messages)
            if time.monotonic() >= commits_at:
                self._commit()
                commits_at = time.monotonic() + COMMIT_SECONDS
        self._commit()
        self._consumer.close()

    def _copy(self, messages: list[Message]) -> None:
        if any(map(Message.error, messages)):
            raise KafkaException(next(filter(None, map(Message.error, messages))))
        while len(self._producer) + len(messages) > QUEUE_RECORDS:
            self._producer.poll(0.01)
        produced = map(
            self._producer.produce,
            repeat(self._target),
            map(Message.value, messages),
            map(Message.key, messages),
            repeat(_ANY_PARTITION),
            repeat(None),
            repeat(None),
            map(itemgetter(1), map(Message.timestamp, messages)),
            map(Message.headers, messages),
        )
        deque(produced, maxlen=0)
        self._producer.poll(0)

    def _commit(self) -> None:
        undelivered = self._producer.flush(_FLUSH_SECONDS)
        if undelivered or self._failed:
            raise KafkaException(self._failed[0] if self._failed else KafkaError(KafkaError._TIMED_OUT))  # noqa: SLF001 - its name
        positions = [one for one in self._consumer.position(self._consumer.assignment()) if one.offset >= 0]
        try:
            if positions:
                self._consumer.commit(offsets=positions, asynchronous=False)
        except KafkaException as error:
            if client_error(error).code() not in _GROUP_CHANGES:
                raise

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        del message
        if error is not None:
            self._failed.append(error)


def options_of(fields: Mapping[str, Any]) -> ConnectionOptions:
    """What `dataclasses.asdict` made of connection options. Any: their values."""
    return ConnectionOptions(**{**fields, "security": SecurityOptions(**fields["security"])})


def main() -> int:
    """Copy until SIGTERM."""
    given = json.load(sys.stdin)
    copy = PassThrough(options_of(given["options"]), source=given["input"], target=given["output"])
    signal.signal(signal.SIGTERM, lambda *_: copy.stop())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; who started this ends it
    copy.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
