"""An idempotent Kafka producer, as the processor's sink of records."""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import repeat
from operator import length_hint
from typing import NamedTuple

import numpy as np
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from streamproc.batches import Headers, OutgoingRecords
from streamproc.errors import StreamprocError, TransientError
from streamproc.kafka import codes
from streamproc.kafka.client_log import ClientLog
from streamproc.kafka.faults import BrokerWatch, client_error, construction_error, missing_right
from streamproc.kafka.options import ConnectionOptions, producer_config
from streamproc.ports import DeliveryRefusedError, Refused

_NO_CHOICE = (-1, None, None)
"""Any partition, and no callback of the record's own."""
_ROOM_SECONDS = 0.05
_SLICE_SECONDS = 0.25
_SILENT_SECONDS = 1.0
"""A wait that is shorter is nobody's concern."""
_PURGE_SECONDS = 5.0


_Pairs = list[tuple[str, str | bytes | None]]


class _Failure(NamedTuple):
    error: KafkaError
    topic: str


class KafkaSink:
    """Implements `streamproc.ports.RecordSink` over librdkafka's producer.

    Only failures are reported to Python: that `flush` left nothing in the queue and no failure was reported since the last one
    confirms everything. After a failure other than a refusal the producer is thrown away with all that it still held, so that
    nothing of it is delivered later, behind what is sent anew. (What a broker has already received can't be recalled.)
    """

    def __init__(
        self,
        options: ConnectionOptions,
        *,
        logger: logging.Logger,
        patience: Callable[[], float] = lambda: math.inf,
        waiting: Callable[[str | None], None] = lambda _: None,
    ) -> None:
        """Make the client; talks to nobody yet.

        Args:
            options: the cluster.
            logger: takes what the client has to say.
            patience: the seconds that may still be waited for a delivery or for room, whatever a caller allows: few when the
                process is to end.
            waiting: told what a call waits for, where that takes longer than a second, and None when it does no more.

        Raises:
            ConfigurationError: the client can't be made with these options; names the setting.

        """
        self._options = options
        self._logger = logger
        self._patience = patience
        self._tell_waiting = waiting
        self._start()

    def send(self, records: OutgoingRecords) -> Sequence[Refused]:
        """Hand over for delivery, in order; see `RecordSink.send`.

        Raises:
            TransientError: the queue is full and deliveries fail, or the client is finished: rewind and send again.

        """
        count, refused = len(records), list[Refused]()
        timestamps = np.maximum(records.timestamps, 0).tolist()  # 0: now, for those without a time
        headers = list(map(_pairs, records.headers)) if any(records.headers) else [None] * count
        values, keys, *last = (iter(column) for column in (records.values, records.keys, timestamps, headers))
        handed = map(self._producer.produce, repeat(records.topic), values, keys, *map(repeat, _NO_CHOICE), *last)
        while length_hint(keys):
            try:
                deque(handed, maxlen=0)  # no bytecode a record: the loop runs in C
            except (BufferError, KafkaException) as error:
                row = count - length_hint(keys) - 1
                record = (records.values[row], records.keys[row], *_NO_CHOICE, timestamps[row], headers[row])
                if why := self._insist(error, (records.topic, *record)):
                    refused.append(Refused(row, why))
        self._serve(0)
        return refused

    def flush(self, timeout: float) -> None:
        """Return when everything handed over since the last flush is delivered; see `RecordSink.flush`."""
        waited, remaining = 0.0, self._flush(0.0)
        while remaining and not self._failures and waited < timeout and self._patience() > 0:
            remaining = self._flush(_SLICE_SECONDS)
            waited += _SLICE_SECONDS
            self._report_wait(waited, "to confirm deliveries")
        self._report_wait_over(waited)
        if remaining or self._failures:
            raise self._settle(f"{remaining} records were not delivered within {waited:g} s")

    def _report_wait(self, waited: float, what: str) -> None:
        if waited >= _SILENT_SECONDS:
            self._tell_waiting(f"the brokers at {self._options.bootstrap_servers} {what}, for {waited:.0f} s so far")

    def _report_wait_over(self, waited: float) -> None:
        if waited >= _SILENT_SECONDS:
            self._tell_waiting(None)

    def _flush(self, seconds: float) -> int:
        try:
            return self._producer.flush(seconds)
        except (KafkaException, SystemError) as error:
            raise self._finished(error) from error

    def close(self) -> None:
        """Give up what is undelivered and free the client."""
        self._throw_away()

    def _insist(self, error: BufferError | KafkaException, arguments: tuple[object, ...]) -> str | None:
        """Hand over a record that the client did not take at once; returns why it never will.

        Waits for room. That ends: what is in the queue is delivered, or fails when `message.timeout.ms` is over.
        """
        waited = 0.0
        while isinstance(error, BufferError):
            self._serve(_ROOM_SECONDS)
            waited += _ROOM_SECONDS
            self._report_wait(waited, "to take what fills the producer's queue")
            if self._failures or self._patience() <= 0:
                raise self._settle("the queue is full")
            try:
                self._producer.produce(*arguments)  # type: ignore[arg-type]  # the arguments of `send`'s own call
            except (BufferError, KafkaException) as again:
                error = again
            else:
                self._report_wait_over(waited)
                return None
        cause = client_error(error)
        if cause.code() != KafkaError.MSG_SIZE_TOO_LARGE:
            raise self._finished(error, str(arguments[0])) from error
        limit = self._options.path_of("message.max.bytes")
        return f"the record for topic {arguments[0]!r} is larger than {limit} allows (with its key and headers); raise it"

    def _serve(self, seconds: float) -> None:
        """Let the client report failures."""
        try:
            self._producer.poll(seconds)
        except (KafkaException, SystemError) as error:
            raise self._finished(error) from error

    def _finished(self, error: BaseException, topic: str = "") -> StreamprocError:
        """The error after the client raised one."""
        self._failures.insert(0, _Failure(client_error(error), topic))
        return self._settle("")

    def _settle(self, otherwise: str) -> StreamprocError:
        """The error that the failures so far amount to; leaves a producer with an empty queue."""
        failures = self._failures
        refusals = [failure for failure in failures if failure.error.code() in codes.CONTENT_REFUSED]
        rights = (missing_right(failure.error, self._options, failure.topic, "WRITE") for failure in failures)
        error: StreamprocError | None = next((right for right in rights if right), None)
        if error is None and refusals:
            error = _refusal(refusals[0])
        if error is None:
            error = self._transient(failures, otherwise)
        self._throw_away()
        self._start()
        return error

    def _transient(self, failures: list[_Failure], otherwise: str) -> StreamprocError:
        where = self._options.bootstrap_servers
        if failures and failures[0].error.code() in codes.UNKNOWN_TOPIC:
            return TransientError(f"topic {failures[0].topic!r} does not exist at {where}; create it, or correct its name")
        topics = {failure.topic for failure in failures} - {""}
        why = f"{failures[0].error.name()} {' '.join(sorted(topics))}".strip() if failures else otherwise
        hint = f"; {self._watch.error()}" if self._watch.is_troubled else ""
        return TransientError(f"a delivery to {where} failed: {why}{hint}")

    def _start(self) -> None:
        failures: list[_Failure] = []
        watch = BrokerWatch(self._options)

        def report(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                failures.append(_Failure(error, message.topic() or ""))

        callbacks = {"error_cb": watch.heard, "on_delivery": report, "logger": ClientLog(self._logger)}
        try:
            self._producer = Producer({**producer_config(self._options), **callbacks})
        except KafkaException as error:
            raise construction_error(error, self._options) from error
        self._failures, self._watch = failures, watch

    def _throw_away(self) -> None:
        self._producer.purge()
        with suppress(KafkaException, SystemError):  # a finished client says so again
            self._producer.flush(_PURGE_SECONDS)


def _pairs(headers: Headers | None) -> _Pairs | None:
    return list(headers) if headers else None


def _refusal(failure: _Failure) -> DeliveryRefusedError:
    name, topic = failure.error.name(), failure.topic
    if failure.error.code() in {KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE}:
        text = f"the broker refused records for topic {topic!r} for their size ({name}): raise the topic's max.message.bytes"
        return DeliveryRefusedError(f"{text}, or, where each alone is small enough, lower kafka.producer.batch.size")
    return DeliveryRefusedError(f"the broker refused a record for topic {topic!r} for its content ({name})")
