"""Sends a scenario's events and reads back what the processor makes of them, both at the same time.

The toy broker keeps about 5 MiB a partition and forgets the rest, read or not. So events are sent only as fast as they
come back.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Final, Self

import numpy as np

from streamproc.batches import OutgoingRecords
from streamproc.dead_letters import HEADER_PREFIX
from streamproc.demo.ledger import EventCodec, Ledger
from streamproc.demo.replica import Replica
from streamproc.demo.scenario import Scenario
from streamproc.demo.table import Display, StatusReader
from streamproc.kafka.options import ConnectionOptions
from streamproc.kafka.reader import TopicReader, TopicRecord
from streamproc.kafka.sink import KafkaSink

logger = logging.getLogger(__name__)

UNANSWERED_BYTES: Final = 1 << 19
"""Of events that have not come back: enough for full batches, and little enough to keep their wait short."""
UNCOMMITTED_BYTES: Final = 2 << 20
"""Of events in one partition that are not committed: a processor that starts anew must still find them."""
CHUNK_EVENTS: Final = 2000
FLUSH_SECONDS: Final = 30.0
LOOK_SECONDS: Final = 0.5
STALL_SECONDS: Final = 60.0
LATE_SECONDS: Final = 1.0
COMMIT_SECONDS: Final = 3.0
_WAIT_SECONDS: Final = 0.05
_LAG: Final = "streamproc_consumer_lag_records"
_EVERYTHING: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class Topics:
    """The names of one demonstration's topics."""

    events: str
    predictions: str
    dead_letters: str

    def __iter__(self) -> Iterator[str]:
        yield from (self.events, self.predictions, self.dead_letters)


def room(*, unanswered: int, uncommitted: int, event_bytes: float) -> int:
    """How many events may be sent now.

    Args:
        unanswered: events sent that have not come back.
        uncommitted: events in the partition that has most of those not committed.
        event_bytes: the mean size of an event.

    """
    if uncommitted * event_bytes > UNCOMMITTED_BYTES:
        return 0
    return max(0, int(UNANSWERED_BYTES / event_bytes) - unanswered)


class Feed:
    """Sends the events of a scenario, in order."""

    def __init__(self, scenario: Scenario, codec: EventCodec, sink: KafkaSink, *, topic: str) -> None:
        self._scenario = scenario
        self._codec = codec
        self._sink = sink
        self._topic = topic
        self._bytes = 0
        self.sent = 0

    @property
    def event_bytes(self) -> float:
        """The mean size of the events sent so far; a guess before the first."""
        return self._bytes / self.sent if self.sent else 200.0

    def send(self, at_most: int) -> None:
        """Send the next events, at most so many and at most a chunk; returns when they are delivered.

        Raises:
            TransientError: the broker did not take them in time.

        """
        start, stop = self.sent, min(self.sent + min(at_most, CHUNK_EVENTS), len(self._scenario))
        if start >= stop:
            return
        values: list[bytes | None] = [self._codec.encode(event) for event in self._scenario.events(start, stop)]
        count = stop - start
        self._sink.send(
            OutgoingRecords(
                topic=self._topic,
                values=values,
                keys=list(self._scenario.keys[start:stop]),
                headers=[None] * count,
                timestamps=np.full(count, -1, np.int64),
            )
        )
        self._sink.flush(FLUSH_SECONDS)
        self.sent = stop
        self._bytes += sum(len(value or b"") for value in values)


class Readback:
    """Follows topics from their beginning, each with a thread of its own, from entering the block to its end."""

    def __init__(self, options: ConnectionOptions, topics: Sequence[str]) -> None:
        self._options = options
        self._topics = topics
        self._arrived: SimpleQueue[TopicRecord | BaseException] = SimpleQueue()
        self._stop = Event()
        self._readers = ExitStack()
        self._threads: list[Thread] = []

    def __enter__(self) -> Self:
        for topic in self._topics:
            reader = self._readers.enter_context(TopicReader(self._options, topic, logger=logger))
            self._threads.append(Thread(target=self._follow, args=(reader,), name=f"demo-{topic}", daemon=True))
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._readers.close()

    def _follow(self, reader: TopicReader) -> None:
        try:
            for record in reader.follow(newest=_EVERYTHING, stopped=self._stop.is_set):
                self._arrived.put(record)
        except BaseException as error:  # noqa: BLE001 - raised by `take`, in the thread that can do something about it
            self._arrived.put(error)

    def take(self, seconds: float, at_most: int = CHUNK_EVENTS) -> list[TopicRecord]:
        """What has arrived, at most so many records; waits for the first one up to `seconds`. Raises what a reader raised."""
        taken: list[TopicRecord] = []
        try:
            arrived = self._arrived.get(timeout=seconds)
            while True:
                if isinstance(arrived, BaseException):
                    raise arrived
                taken.append(arrived)
                if len(taken) >= at_most:
                    return taken
                arrived = self._arrived.get_nowait()
        except Empty:
            return taken


class Traffic:
    """All of a scenario's events through the processor and back; a context manager that frees its clients."""

    def __init__(
        self, scenario: Scenario, codec: EventCodec, options: ConnectionOptions, topics: Topics, replica: Replica
    ) -> None:
        self.ledger = Ledger(len(scenario))
        self._scenario = scenario
        self._codec = codec
        self._topics = topics
        self._replica = replica
        self._sink = KafkaSink(options, logger=logger)
        self._feed = Feed(scenario, codec, self._sink, topic=topics.events)
        self._readback = Readback(options, (topics.predictions, topics.dead_letters))
        self._status = StatusReader(events=len(scenario))
        self._uncommitted = 0

    def __enter__(self) -> Self:
        self._readback.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._readback.__exit__()
        self._sink.close()

    def run(self, shown: Display) -> None:
        """Send the events and read back until all of them have come back, or none has for `STALL_SECONDS`.

        Raises:
            ReplicaError: the processor ended.
            TransientError: the broker does not answer.

        """
        start = moved = time.monotonic()
        looked = 0.0
        while self.ledger.answered < len(self._scenario) and time.monotonic() - moved < STALL_SECONDS:
            self._send()
            for record in self._readback.take(_WAIT_SECONDS):
                self._note(record)
                moved = time.monotonic()
            if time.monotonic() - looked > LOOK_SECONDS:
                looked = time.monotonic()
                self._look(shown, looked - start)
        self._wait_for_commit()
        self._look(shown, time.monotonic() - start)

    def _wait_for_commit(self) -> None:
        """So that the last status has no lag; not for ever, since that is only for show."""
        deadline = time.monotonic() + COMMIT_SECONDS
        while time.monotonic() < deadline:
            exposition = self._replica.exposition()
            if exposition is None or not exposition.total(_LAG):
                return
            time.sleep(_WAIT_SECONDS)

    def take_late(self) -> None:
        """Note what still comes after everything has: records that come twice."""
        while late := self._readback.take(LATE_SECONDS):
            for record in late:
                self._note(record)

    def _send(self) -> None:
        unanswered = self._feed.sent - self.ledger.answered
        self._feed.send(room(unanswered=unanswered, uncommitted=self._uncommitted, event_bytes=self._feed.event_bytes))
        self.ledger.sent = self._feed.sent

    def _look(self, shown: Display, seconds: float) -> None:
        """Ask the processor how it is."""
        self._replica.check_alive()
        exposition = self._replica.exposition()
        if exposition is not None:
            lag = exposition.by("partition", _LAG)
            self._uncommitted = int(max(lag.values(), default=0))
            shown.show(self._status.status(exposition, seconds=seconds, answered=self.ledger.answered))

    def _note(self, record: TopicRecord) -> None:
        """Note one prediction or dead letter."""
        event = self._codec.decode(record.value or b"")
        if record.partition.topic == self._topics.predictions:
            self.ledger.predicted(event, event[self._scenario.tenant_field])
            return
        said = {name.removeprefix(HEADER_PREFIX): (value or b"").decode() for name, value in record.headers}
        self.ledger.died(event, reason=said["reason"], partition=int(said["partition"]), offset=int(said["offset"]))
