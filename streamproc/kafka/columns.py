"""Messages of the client → the columns of a `RecordBatch`, with as little Python per record as the client allows."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import cast

import numpy as np
from confluent_kafka import Message
from numpy.typing import NDArray

from streamproc.batches import Headers, PartitionId, RecordBatch

logger = logging.getLogger(__name__)


class MessageColumns:
    """The columns of one poll's records, read chunk by chunk, while the processor's cache still holds the messages."""

    def __init__(self, topics: Sequence[str]) -> None:
        """Start without a record; records are of `topics` only."""
        self._ranks = {topic: rank for rank, topic in enumerate(topics)}
        self._payloads: list[bytes] = []
        self._keys: list[bytes | None] = []
        self._headers: list[Headers | None] = []
        self._nulls: list[int] = []
        self._numbers: list[tuple[NDArray[np.int64], ...]] = []

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, messages: list[Message]) -> int:
        """Take over error-free messages, in their order; returns how many bytes their values have."""
        count = len(messages)
        values = list(map(Message.value, messages))
        if not all(values):  # null or empty, as they rarely are
            self._nulls += [len(self) + row for row, value in enumerate(values) if value is None]
            values = [value or b"" for value in values]
        spans = cast("list[bytes]", values)
        self._payloads.append(b"".join(spans))
        self._keys += map(Message.key, messages)
        self._headers += _all_headers(messages)
        self._numbers.append(
            (
                np.fromiter(map(len, spans), np.int64, count),
                np.fromiter(map(itemgetter(1), map(Message.timestamp, messages)), np.int64, count),
                np.fromiter(map(Message.offset, messages), np.int64, count),
                self._partition_codes(messages),
            )
        )
        return len(self._payloads[-1])

    def _partition_codes(self, messages: list[Message]) -> NDArray[np.int64]:
        """(n,): each message's partition, and its topic's rank in the lowest place."""
        numbers = np.fromiter(map(Message.partition, messages), np.int64, len(messages))
        if len(self._ranks) == 1:
            return numbers
        topics = cast("list[str]", list(map(Message.topic, messages)))  # only events lack a topic
        ranks = np.fromiter(map(self._ranks.__getitem__, topics), np.int64, len(messages))
        return numbers * len(self._ranks) + ranks

    def batch(self) -> RecordBatch:
        """All of them."""
        if not self._keys:
            return RecordBatch.empty()
        lengths, timestamps, offsets, codes = map(np.concatenate, zip(*self._numbers, strict=True))
        null = np.zeros(len(self), np.bool_)
        null[self._nulls] = True
        present = np.flatnonzero(np.bincount(codes))
        index = np.zeros(int(present[-1]) + 1, np.int32)
        index[present] = np.arange(len(present), dtype=np.int32)
        ranked = list(self._ranks)
        return RecordBatch(
            payload=b"".join(self._payloads),
            bounds=np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)]),
            null=null,
            keys=self._keys,
            headers=self._headers,
            timestamps=timestamps,
            partitions=tuple(PartitionId(ranked[code % len(ranked)], code // len(ranked)) for code in present.tolist()),
            partition=index[codes],
            offsets=offsets,
        )


def _all_headers(messages: list[Message]) -> list[Headers | None]:
    found: list[Headers | None] = []
    unasked = iter(messages)
    while len(found) < len(messages):
        try:
            found.extend(map(cast("Callable[[Message], Headers | None]", Message.headers), unasked))
        except (SystemError, UnicodeDecodeError):
            found.append(None)
            _warn(messages[len(found) - 1])
    return found


def headers_of(message: Message) -> Headers | None:
    """The message's headers; None where it has none, or where the client can't read them. Ask once only.

    The client can't where a header's name isn't UTF-8, which Kafka forbids and no broker checks. One such record must not stop
    its partition for ever, so it goes on without headers, and the log says so. Asked again, the client returns a list that ends
    the process when it is looked at.
    """
    return _all_headers([message])[0]


def _warn(message: Message) -> None:
    place = f"topic {message.topic()!r}, partition {message.partition()}, offset {message.offset()}"
    logger.warning("The record at %s goes on without its headers: the name of one isn't UTF-8", place)
