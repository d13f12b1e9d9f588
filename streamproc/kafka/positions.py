"""Where to start reading a partition: at what the group committed, else where the configuration says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from confluent_kafka import Consumer, KafkaException, TopicPartition

from streamproc.batches import PartitionId
from streamproc.errors import ConfigurationError, TransientError
from streamproc.kafka.faults import client_error, group_error, reading_error
from streamproc.kafka.options import ConnectionOptions
from streamproc.ports import Committed

OffsetReset = Literal["earliest", "latest", "error"]


class StartPositions:
    """Asks the group, and the topics where the group has no answer."""

    def __init__(self, options: ConnectionOptions, offset_reset: OffsetReset, *, seconds: float) -> None:
        self._options = options
        self._offset_reset = offset_reset
        self._seconds = seconds

    def of(self, consumer: Consumer, partitions: Sequence[PartitionId]) -> dict[PartitionId, Committed]:
        """The position of each partition, with the commit's metadata where it is the group's.

        Raises:
            TransientError: no answer in time.
            ConfigurationError: a missing right; or nothing is committed and `auto_offset_reset` is `error`.

        """
        if not partitions:
            return {}
        return {
            partition: found or Committed(self._without_commit(consumer, partition))
            for partition, found in committed(consumer, self._options, partitions, seconds=self._seconds).items()
        }

    def _without_commit(self, consumer: Consumer, partition: PartitionId) -> int:
        if self._offset_reset == "error":
            text = (
                f"group {self._options.group_id!r} has committed nothing for partition {partition.partition} of topic "
                f"{partition.topic!r}, and kafka.auto_offset_reset is error; set it to earliest or latest, or commit a position"
            )
            raise ConfigurationError(text)
        low, high = offset_range(consumer, self._options, partition, seconds=self._seconds)
        return low if self._offset_reset == "earliest" else high


def committed(
    consumer: Consumer, options: ConnectionOptions, partitions: Sequence[PartitionId], *, seconds: float
) -> dict[PartitionId, Committed | None]:
    """What the consumer's group has committed of each partition; None where nothing.

    Raises:
        TransientError: no answer in time, or not for every partition.
        ConfigurationError: a missing right.

    """
    try:
        answers = consumer.committed([TopicPartition(*partition) for partition in partitions], seconds)
    except KafkaException as error:
        raise group_error(client_error(error), options) from error
    found: dict[PartitionId, Committed | None] = {}
    for answer in answers:
        partition = PartitionId(answer.topic, answer.partition)
        if answer.error is not None:
            raise reading_error(answer.error, options, partition)
        found[partition] = Committed(answer.offset, answer.metadata or "") if answer.offset >= 0 else None
    return found


def offset_range(consumer: Consumer, options: ConnectionOptions, partition: PartitionId, *, seconds: float) -> tuple[int, int]:
    """The first offset that the partition holds, and its end: the last stable offset, behind which nothing may be read yet.

    Raises:
        TransientError: no answer in time, or the topic is not there.
        ConfigurationError: a missing right.

    """
    try:
        watermarks = consumer.get_watermark_offsets(TopicPartition(*partition), seconds)
    except KafkaException as error:
        raise reading_error(client_error(error), options, partition) from error
    if watermarks is None:
        text = (
            f"the broker did not tell the offsets of topic {partition.topic!r} partition {partition.partition} in {seconds} s"
        )
        raise TransientError(text)
    low, high = watermarks
    return int(low), int(high)
