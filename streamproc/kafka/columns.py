"""Messages of the client → the columns of a `RecordBatch`, with as little Python per record as the client allows."""

from __future__ import annotations

import logging
from collections.abc import Callable
from operator import itemgetter
from typing import cast

import numpy as np
from confluent_kafka import Message
from numpy.typing import NDArray

from streamproc.batches import Headers, PartitionId, RecordBatch, bounds_of

logger = logging.getLogger(__name__)


def record_batch(messages: list[Message]) -> RecordBatch:
    """The records of error-free messages, in their order."""
    count = len(messages)
    if not count:
        return RecordBatch.empty()
    values = list(map(Message.value, messages))
    null = np.zeros(count, np.bool_)
    if None in values:
        null[:] = [value is None for value in values]
    spans = [value or b"" for value in values] if null.any() else cast("list[bytes]", values)
    partitions, partition = _partitions(messages)
    return RecordBatch(
        payload=b"".join(spans),
        bounds=bounds_of(spans),
        null=null,
        keys=list(map(Message.key, messages)),
        headers=_all_headers(messages),
        timestamps=np.fromiter(map(itemgetter(1), map(Message.timestamp, messages)), np.int64, count),
        partitions=partitions,
        partition=partition,
        offsets=np.fromiter(map(Message.offset, messages), np.int64, count),
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


def _partitions(messages: list[Message]) -> tuple[tuple[PartitionId, ...], NDArray[np.int32]]:
    """The partitions that occur, and each message's index into them."""
    numbers = np.fromiter(map(Message.partition, messages), np.int64, len(messages))
    topics = cast("list[str]", list(map(Message.topic, messages)))  # only events lack a topic
    names = {topic: rank for rank, topic in enumerate(dict.fromkeys(topics))}
    width = int(numbers.max()) + 1
    codes = numbers
    if len(names) > 1:
        codes = numbers + width * np.fromiter(map(names.__getitem__, topics), np.int64, len(messages))
    present = np.flatnonzero(np.bincount(codes))
    index = np.zeros(width * len(names), np.int32)
    index[present] = np.arange(len(present), dtype=np.int32)
    ranked = list(names)
    return tuple(PartitionId(ranked[code // width], code % width) for code in present.tolist()), index[codes]
