"""How far a group is behind, asked from outside of it.

Through a consumer: the administrator's client ends the process when its broker dies while it lists a group's offsets.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import Consumer, TopicPartition

from streamproc.batches import PartitionId
from streamproc.kafka import codes
from streamproc.kafka.faults import BrokerWatch, reading_error
from streamproc.kafka.options import ConnectionOptions
from streamproc.kafka.positions import committed, offset_range
from streamproc.kafka.reader import open_reader, partition_of, partitions_of
from streamproc.ports import Committed

_WAIT_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class GroupLag:
    """How far the group is behind in one partition."""

    partition: PartitionId
    committed: int | None
    """The next offset that the group reads; None where it has committed nothing."""
    end: int
    """Behind the last record that may be read: the last stable offset."""
    records: int
    """From the committed offset, or from the first one where nothing is committed, to the end; gaps count."""
    seconds: float | None
    """Age of the oldest record not committed, 0 where there is none; None where it did not come in time."""


def group_lag(
    options: ConnectionOptions,
    topics: Sequence[str],
    *,
    logger: logging.Logger,
    wall_clock: Callable[[], float],
    monotonic: Callable[[], float],
    seconds: float = 10.0,
) -> list[GroupLag]:
    """The lag of `options.group_id` in every partition of the topics, by topic and number.

    Raises:
        TransientError: no answer within `seconds`, or a topic does not exist.
        ConfigurationError: a missing right, or a refused login.

    """
    watch = BrokerWatch(options)
    consumer = open_reader(options, watch, logger, one_record_per_partition=True)
    try:
        partitions = [p for topic in topics for p in partitions_of(consumer, options, watch, topic, seconds)]
        positions = committed(consumer, options, partitions, seconds=seconds)
        ranges = {p: offset_range(consumer, options, p, seconds=seconds) for p in partitions}
        starts = {p: _next_offset(positions[p], ranges[p]) for p in partitions}
        behind = {p: offset for p, offset in starts.items() if offset < ranges[p][1]}
        deadline = monotonic() + seconds
        timestamps = _first_timestamps(consumer, options, behind, lambda: monotonic() < deadline)
    finally:
        consumer.close()
    now = wall_clock()
    ages: dict[PartitionId, float | None] = {p: None if p in behind else 0.0 for p in partitions}
    ages.update({p: 0.0 if found is None else max(0.0, now - found / 1000) for p, found in timestamps.items()})
    return [
        GroupLag(
            partition=partition,
            committed=position.offset if (position := positions[partition]) else None,
            end=ranges[partition][1],
            records=ranges[partition][1] - starts[partition],
            seconds=ages[partition],
        )
        for partition in partitions
    ]


def _next_offset(position: Committed | None, offsets: tuple[int, int]) -> int:
    start, end = offsets
    return min(end, max(start, position.offset)) if position else start


def _first_timestamps(
    consumer: Consumer, options: ConnectionOptions, starts: Mapping[PartitionId, int], has_time: Callable[[], bool]
) -> dict[PartitionId, int | None]:
    """Of each partition the timestamp (ms) of its first record from there on, None where there is none; may lack some."""
    found: dict[PartitionId, int | None] = {}
    consumer.assign([TopicPartition(*partition, offset) for partition, offset in starts.items()])
    while len(found) < len(starts) and has_time():
        for message in consumer.consume(len(starts), _WAIT_SECONDS):
            error, partition = message.error(), partition_of(message)
            if error is not None and error.code() != codes.PARTITION_END:
                raise reading_error(error, options, partition)
            if partition not in found:
                found[partition] = message.timestamp()[1] if error is None else None
                consumer.pause([TopicPartition(*partition)])
    return found
