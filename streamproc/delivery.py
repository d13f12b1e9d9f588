"""Hands results to the producer, and confirms their delivery."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from streamproc.batches import BatchResult, DeadLetter, OutgoingRecords, PartitionId
from streamproc.dead_letters import StopShare, dead_letter_records, without_values
from streamproc.errors import Reason, Stage, TransientError
from streamproc.ports import DeliveryRefusedError, RecordSink


class Sent(NamedTuple):
    """What one batch gave the producer."""

    dead_letters: Sequence[DeadLetter]
    """Those of the batch, and one for each output that was refused."""
    produced: Mapping[str, int]
    """Topic → records."""


class Delivery:
    """Sends outputs and dead letters so that a flush that succeeds confirms them all.

    A record that the broker refuses for its content fails whatever was sent with it, and would again after each rewind. So the
    span that held it is sent one by one when it comes again, and the refused record becomes a dead letter.
    """

    def __init__(self, sink: RecordSink, stop_share: StopShare, *, dead_letter_topic: str, flush_seconds: float) -> None:
        self._sink = sink
        self._stop_share = stop_share
        self._dead_letter_topic = dead_letter_topic
        self._flush_seconds = flush_seconds
        self._unconfirmed_below: dict[PartitionId, int] = {}
        self._careful_below: dict[PartitionId, int] = {}

    def send(self, result: BatchResult) -> Sent:
        """Hand over every output and dead letter of the batch.

        Raises:
            TransientError: rewind, and process the batch again.
            DeliveryRefusedError: the same; it will be sent one by one then.
            TooManyDeadLettersError: stop without a commit.

        """
        self._unconfirmed_below.update({p: int(o.max()) + 1 for p, o in result.records.offsets_by_partition().items()})
        with self._remembering_refusals():
            send = self._send_one_by_one if self._is_careful(result) else self._sink.send
            refused = [(int(result.predicted[row]), text) for row, text in send(result.outputs)]
            letters = [*result.dead, *(_output_refused(row, text) for row, text in refused)]
            self._bury(dead_letter_records(self._dead_letter_topic, result.records, letters))
        self._stop_share.check(result)
        return Sent(letters, {result.outputs.topic: len(result.outputs) - len(refused), self._dead_letter_topic: len(letters)})

    def confirm(self) -> None:
        """Return when all that was sent is delivered.

        Raises:
            TransientError: it isn't; rewind, and process and send it again.
            DeliveryRefusedError: the same; it will be sent one by one then.

        """
        with self._remembering_refusals():
            self._sink.flush(self._flush_seconds)
        self._unconfirmed_below.clear()

    def forget(self, partitions: Iterable[PartitionId]) -> None:
        """These partitions are somebody else's care."""
        for partition in partitions:
            self._careful_below.pop(partition, None)
            self._unconfirmed_below.pop(partition, None)

    @contextmanager
    def _remembering_refusals(self) -> Iterator[None]:
        try:
            yield
        except DeliveryRefusedError:
            self._careful_below.update(self._unconfirmed_below)
            raise

    def _is_careful(self, result: BatchResult) -> bool:
        """Whether the batch holds a record of a refused span; a span ends where a batch lies wholly above it."""
        if not self._careful_below:
            return False
        firsts = {partition: int(offsets.min()) for partition, offsets in result.records.offsets_by_partition().items()}
        for partition in [p for p, first in firsts.items() if first >= self._careful_below.get(p, 0)]:
            self._careful_below.pop(partition, None)
        return any(partition in self._careful_below for partition in firsts)

    def _send_one_by_one(self, records: OutgoingRecords) -> list[tuple[int, str]]:
        self._sink.flush(self._flush_seconds)
        refused: list[tuple[int, str]] = []
        for row in range(len(records)):
            one = _take(records, row)
            refused += [(row, text) for _, text in self._sink.send(one)]
            try:
                self._sink.flush(self._flush_seconds)
            except DeliveryRefusedError as error:
                refused.append((row, str(error)))
        return refused

    def _bury(self, letters: OutgoingRecords) -> None:
        """Write dead letters; one refused for its size goes without its value."""
        send = self._send_one_by_one if self._careful_below else self._sink.send
        refused = [row for row, _ in send(letters)]
        if refused and (again := send(without_values(_take_rows(letters, refused)))):
            text = (
                f"the dead-letter topic {letters.topic!r} refuses a dead letter even without its value ({again[0][1]}); "
                "raise its max.message.bytes. Nothing behind it is committed"
            )
            raise TransientError(text)


def _output_refused(row: int, text: str) -> DeadLetter:
    return DeadLetter(row, Reason.OUTPUT_REFUSED, Stage.PRODUCE, DeliveryRefusedError.__name__, text)


def _take(records: OutgoingRecords, row: int) -> OutgoingRecords:
    return _take_rows(records, [row])


def _take_rows(records: OutgoingRecords, rows: Sequence[int]) -> OutgoingRecords:
    return OutgoingRecords(
        topic=records.topic,
        values=[records.values[row] for row in rows],
        keys=[records.keys[row] for row in rows],
        headers=[records.headers[row] for row in rows],
        timestamps=records.timestamps[np.array(rows, np.int64)],
    )
