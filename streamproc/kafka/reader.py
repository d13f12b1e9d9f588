"""Reads topics without joining a group, for commands that show records."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self, cast

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from streamproc.batches import Headers, PartitionId
from streamproc.kafka import codes
from streamproc.kafka.client_log import ClientLog
from streamproc.kafka.columns import headers_of
from streamproc.kafka.faults import BrokerWatch, construction_error, no_broker, reading_error
from streamproc.kafka.options import ConnectionOptions, reader_config
from streamproc.kafka.positions import offset_range

_CHUNK_RECORDS = 1000
_WAIT_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class TopicRecord:
    """One record as it lies in its topic."""

    partition: PartitionId
    offset: int
    timestamp: int
    """Milliseconds since the epoch; -1 where it has none."""
    key: bytes | None
    value: bytes | None
    headers: Headers


def open_reader(
    options: ConnectionOptions, watch: BrokerWatch, logger: logging.Logger, *, one_record_per_partition: bool = False
) -> Consumer:
    """A client that is no member of the group, and never commits; the caller closes it.

    With `one_record_per_partition` it fetches no more than it has to for that.

    Raises:
        ConfigurationError: it can't be made with these options; names the setting.

    """
    frugal = {"queued.min.messages": 1, "fetch.message.max.bytes": 4096} if one_record_per_partition else {}
    try:
        return Consumer({**reader_config(options), **frugal, "error_cb": watch.heard, "logger": ClientLog(logger)})
    except KafkaException as error:
        raise construction_error(error, options) from error


def partitions_of(
    consumer: Consumer, options: ConnectionOptions, watch: BrokerWatch, topic: str, seconds: float
) -> list[PartitionId]:
    """The partitions of a topic.

    Raises:
        TransientError: no answer in time, or the topic does not exist.
        ConfigurationError: a missing right, or a refused login.

    """
    try:
        about = consumer.list_topics(topic, timeout=seconds).topics[topic]
    except KafkaException as error:
        consumer.poll(0)  # lets the client say why
        raise watch.error() if watch.is_troubled else no_broker(options) from error
    if about.error is not None:
        raise reading_error(about.error, options, PartitionId(topic, -1))
    return [PartitionId(topic, number) for number in sorted(about.partitions)]


class TopicReader:
    """Reads one topic, every partition, in offset order within each; a context manager that frees the client.

    Args:
        options: where and as whom.
        topic: what to read.
        seconds: how long to wait for an answer about the topic.
        logger: for what the client says.

    """

    def __init__(self, options: ConnectionOptions, topic: str, *, seconds: float = 10.0, logger: logging.Logger) -> None:
        self._options = options
        self._topic = topic
        self._seconds = seconds
        self._watch = BrokerWatch(options)
        self._consumer = open_reader(options, self._watch, logger)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the client."""
        self._consumer.close()

    def read(self, *, newest: int | None = None, stopped: Callable[[], bool] = lambda: False) -> Iterator[TopicRecord]:
        """What the topic holds now, or the `newest` records of each partition of it. Ends there, or when `stopped` is true.

        Raises:
            TransientError: no answer in time, or the topic does not exist.
            ConfigurationError: a missing right, or a refused login.

        """
        ranges = self._ranges()
        starts = {p: start if newest is None else max(start, end - newest) for p, (start, end) in ranges.items()}
        self._assign(starts)
        unfinished = {partition: end for partition, (_, end) in ranges.items() if starts[partition] < end}
        idle_polls = 0
        while unfinished and not stopped():
            messages = self._consumer.consume(_CHUNK_RECORDS, _WAIT_SECONDS)
            idle_polls = 0 if messages else idle_polls + 1
            if idle_polls * _WAIT_SECONDS > self._seconds:
                raise self._watch.error() if self._watch.is_troubled else no_broker(self._options)
            yield from self._within(messages, unfinished)

    def follow(self, *, newest: int = 0, stopped: Callable[[], bool]) -> Iterator[TopicRecord]:
        """The `newest` records of each partition, then those that come, until `stopped` is true; asked about 5 times a second.

        Raises:
            TransientError: no answer in time, or the topic does not exist.
            ConfigurationError: a missing right, or a refused login.

        """
        self._assign({partition: max(start, end - newest) for partition, (start, end) in self._ranges().items()})
        while not stopped():
            messages = self._sound(self._consumer.consume(_CHUNK_RECORDS, _WAIT_SECONDS))
            yield from (_record(message) for message in messages if message.error() is None)

    def _ranges(self) -> dict[PartitionId, tuple[int, int]]:
        partitions = partitions_of(self._consumer, self._options, self._watch, self._topic, self._seconds)
        return {p: offset_range(self._consumer, self._options, p, seconds=self._seconds) for p in partitions}

    def _assign(self, starts: dict[PartitionId, int]) -> None:
        self._consumer.assign([TopicPartition(*partition, offset) for partition, offset in starts.items()])

    def _within(self, messages: Sequence[Message], unfinished: dict[PartitionId, int]) -> Iterator[TopicRecord]:
        """The records below the ends that were asked for; takes partitions off that have reached theirs."""
        for message in self._sound(messages):
            partition, offset = partition_of(message), cast("int", message.offset())
            end = unfinished.get(partition, 0)
            if message.error() is None and offset < end:
                yield _record(message)
            if offset >= (end if message.error() else end - 1):
                unfinished.pop(partition, None)

    def _sound(self, messages: Sequence[Message]) -> Iterator[Message]:
        """Records, and the news that a partition's end was reached; raises for errors."""
        for message in messages:
            error = message.error()
            if error is not None and error.code() != codes.PARTITION_END:
                raise reading_error(error, self._options, partition_of(message))
            yield message


def partition_of(message: Message) -> PartitionId:
    """Where the message, a record or an event, comes from."""
    number = message.partition()
    return PartitionId(message.topic() or "", -1 if number is None else number)


def _record(message: Message) -> TopicRecord:
    return TopicRecord(
        partition=partition_of(message),
        offset=cast("int", message.offset()),
        timestamp=message.timestamp()[1],
        key=message.key(),
        value=message.value(),
        headers=tuple(headers_of(message) or ()),
    )
