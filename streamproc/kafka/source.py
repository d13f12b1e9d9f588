"""A member of a Kafka consumer group, as the processor's source of records."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from streamproc.batches import PartitionId, RecordBatch
from streamproc.errors import TransientError
from streamproc.kafka import codes
from streamproc.kafka.assignment import Assignment
from streamproc.kafka.client_log import ClientLog
from streamproc.kafka.columns import MessageColumns
from streamproc.kafka.faults import (
    BrokerWatch,
    client_error,
    construction_error,
    group_error,
    missing_right,
    reading_error,
)
from streamproc.kafka.lookout import Lookout
from streamproc.kafka.options import ConnectionOptions, consumer_config
from streamproc.kafka.positions import OffsetReset, StartPositions
from streamproc.kafka.rebalances import Rebalances
from streamproc.ports import AssignmentListener, Committed

_ANSWER_SECONDS = 10.0
_SETTLED_MS = 2000
_CHUNK_RECORDS = 300
"""So few that the processor's cache holds the messages until their columns are read."""
_BUSY_RECORDS = 500
_BUSY_SECONDS = 0.01
"""A poll that follows one of so many records waits this long for more: at 50,000 records/s and above."""


class _Appetite:
    """How many records to ask for at once, so that a bound in bytes is passed by less than one chunk. Learns their size."""

    def __init__(self) -> None:
        self._record_bytes = 1.0
        self._is_busy = False

    def chunk(self, records_left: int, bytes_left: int) -> int:
        """0: enough was taken."""
        if records_left <= 0 or bytes_left <= 0:
            return 0
        return min(records_left, _CHUNK_RECORDS, max(1, int(bytes_left / self._record_bytes)))

    def took(self, records: int, size: int) -> None:
        """Growing sizes are believed at once, shrinking ones slowly."""
        seen = size / records
        self._record_bytes = max(1.0, seen, (3 * self._record_bytes + seen) / 4)

    def finished(self, records: int) -> None:
        """So many records were taken by a poll."""
        self._is_busy = records >= _BUSY_RECORDS

    @property
    def patience(self) -> float:
        """Seconds to wait for more: while records come this fast, larger batches cost each of them less."""
        return _BUSY_SECONDS if self._is_busy else 0.0


class KafkaSource:
    """Implements `streamproc.ports.RecordSource` over librdkafka's consumer.

    A partition that the group gives is read from an explicit position, which is asked for between two polls; so nothing is
    asked inside of the client's callbacks, and one poll never holds records of two assignments of a partition.
    """

    def __init__(
        self,
        options: ConnectionOptions,
        topics: Sequence[str],
        *,
        auto_offset_reset: OffsetReset,
        logger: logging.Logger,
        linger_seconds: float = 0.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make the client; talks to nobody yet.

        Args:
            options: the cluster and the group.
            topics: to subscribe to.
            auto_offset_reset: where to begin without a committed offset.
            logger: takes what the client has to say.
            linger_seconds: how long a poll waits for more records after its first.
            monotonic: seconds.

        Raises:
            ConfigurationError: the client can't be made with these options; names the setting.

        """
        self._options = options
        self._linger_seconds = linger_seconds
        self._monotonic = monotonic
        self._topics = list(topics)
        self._logger = logger
        self._starts = StartPositions(options, auto_offset_reset, seconds=_ANSWER_SECONDS)
        self._watch = BrokerWatch(options)
        self._assignment = Assignment()
        self._rebalances: Rebalances | None = None
        self._is_member = False
        self._appetite = _Appetite()
        self._ends: dict[PartitionId, int] = {}
        callbacks = {"error_cb": self._watch.heard, "stats_cb": self._read_statistics, "logger": ClientLog(logger)}
        try:
            self._consumer = Consumer({**consumer_config(options), **callbacks})
        except KafkaException as error:
            raise construction_error(error, options) from error
        self._lookout = Lookout(self._consumer, options, topics, watch=self._watch, monotonic=monotonic)

    def subscribe(self, listener: AssignmentListener) -> None:
        """Join the group as soon as every topic is there; partitions arrive in a later `poll`."""
        self._rebalances = Rebalances(self._assignment, listener)

    def poll(self, max_records: int, max_bytes: int, timeout: float) -> RecordBatch:
        """Wait up to `timeout` seconds for a record, then take what is there; see `RecordSource.poll`."""
        self._assignment.poll_begins()
        self._seek_again()
        try:
            records = self._take(max_records, max_bytes, timeout)
        except (KafkaException, SystemError) as error:
            raise group_error(client_error(error), self._options) from error
        self._raise_stored()
        self._begin_pending()
        if len(records):
            self._watch.answered()
        elif self._watch.is_troubled or not self._assignment.held:
            self._lookout.check()
            self._join()
        return self._usable(records)

    def commit(self, offsets: Mapping[PartitionId, Committed]) -> None:
        """Commit synchronously; see `RecordSource.commit`. Partitions that aren't held are refused, because Kafka would not."""
        if not offsets:
            return
        if foreign := [partition for partition in offsets if partition not in self._assignment.held]:
            names = ", ".join(f"{topic}/{number}" for topic, number in foreign)
            raise TransientError(f"not committed: {names} are not assigned to this member (any more)")
        self._lookout.require_broker(next(iter(offsets)))
        wanted = [TopicPartition(*partition, offset, metadata) for partition, (offset, metadata) in offsets.items()]
        try:
            answers = self._consumer.commit(offsets=wanted, asynchronous=False)
        except KafkaException as error:
            raise group_error(client_error(error), self._options) from error
        for answer in answers or ():
            if answer.error is not None:
                right = missing_right(answer.error, self._options, answer.topic, "READ")
                raise right or group_error(answer.error, self._options)
        self._watch.answered()

    def seek(self, positions: Mapping[PartitionId, int]) -> None:
        """Go on reading at these offsets. Where the client isn't ready for it, its records are discarded until it is."""
        self._assignment.wants(positions)
        self._seek_again()

    def pause(self, partitions: Sequence[PartitionId]) -> None:
        """Return no records of these until `resume`."""
        if changed := self._assignment.pause(partitions):
            self._consumer.pause([TopicPartition(*partition) for partition in changed])

    def resume(self, partitions: Sequence[PartitionId]) -> None:
        """Return records of these again."""
        if changed := self._assignment.resume(partitions):
            self._consumer.resume([TopicPartition(*partition) for partition in changed])

    def end_offsets(self) -> Mapping[PartitionId, int]:
        """The last stable offsets as the client last reported them, about once a second."""
        return {partition: end for partition, end in self._ends.items() if partition in self._assignment.held}

    def close(self) -> None:
        """Leave the group; what the listener raises on `revoked` is raised when the client is closed."""
        self._consumer.close()
        self._raise_stored()

    def _take(self, max_records: int, max_bytes: int, timeout: float) -> RecordBatch:
        """One record as soon as it comes, then what is there or comes while lingering; a full call would wait out its time."""
        columns = MessageColumns(self._topics)
        chunk = self._consumer.consume(1, timeout)
        lingers_until = self._monotonic() + max(self._linger_seconds, self._appetite.patience)
        size, wanted = 0, 1
        while chunk:
            is_all = len(chunk) < wanted
            if records := self._without_events(chunk):
                taken = columns.add(records)
                self._appetite.took(len(records), taken)
                size += taken
            wanted = self._appetite.chunk(max_records - len(columns), max_bytes - size)
            chunk = [] if is_all or not wanted else self._consumer.consume(wanted, max(0.0, lingers_until - self._monotonic()))
        self._appetite.finished(len(columns))
        return columns.batch()

    def _without_events(self, messages: list[Message]) -> list[Message]:
        """The records among them; raises for an event that is an error."""
        if not any(map(Message.error, messages)):
            return messages
        for message in messages:
            error, topic, number = message.error(), message.topic(), message.partition()
            if error is None or error.code() == codes.PARTITION_END:
                continue
            partition = None if topic is None else PartitionId(topic, -1 if number is None else number)
            problem = reading_error(error, self._options, partition)
            if error.code() not in codes.UNKNOWN_TOPIC:  # that one is the lookout's
                raise problem
            self._logger.warning("%s", problem)
        return [message for message in messages if message.error() is None]

    def _usable(self, records: RecordBatch) -> RecordBatch:
        """Without those of another assignment, or from before a seek that is still to be done."""
        unusable = [index for index, one in enumerate(records.partitions) if one in self._assignment.unusable]
        return records.take(np.flatnonzero(~np.isin(records.partition, unusable))) if unusable else records

    def _join(self) -> None:
        """Become a member, once: the group takes members of topics that don't exist, and says nothing."""
        told = self._rebalances
        if told is not None and not self._is_member:
            self._consumer.subscribe(self._topics, on_assign=told.given, on_revoke=told.revoked, on_lost=told.lost)
            self._is_member = True

    def _begin_pending(self) -> None:
        """Start reading what the group gave, and tell the listener; when that fails, the next poll tries again."""
        told = self._rebalances
        if told is None or not (self._assignment.take_news() or self._assignment.pending):
            return
        starts = self._starts.of(self._consumer, self._assignment.pending)
        try:
            self._consumer.incremental_assign([TopicPartition(*partition, start.offset) for partition, start in starts.items()])
        except KafkaException as error:
            raise group_error(client_error(error), self._options) from error
        self._assignment.began(starts)
        self._watch.answered()
        told.listener.assigned(starts)

    def _seek_again(self) -> None:
        for partition, offset in self._assignment.seeks.items():
            try:
                self._consumer.seek(TopicPartition(*partition, offset))
            except KafkaException as error:
                self._logger.debug("The seek in %s is to be repeated: %s", partition, client_error(error).name())
            else:
                self._assignment.sought(partition)

    def _raise_stored(self) -> None:
        failure = self._rebalances.take_failure() if self._rebalances else None
        if isinstance(failure, KafkaException):
            raise group_error(client_error(failure), self._options) from failure
        if failure is not None:
            raise failure

    def _read_statistics(self, text: str) -> None:
        """The client's `stats_cb`; must not raise, and the text is the client's own."""
        statistics = json.loads(text)
        for topic, about in statistics.get("topics", {}).items():
            for number, values in about.get("partitions", {}).items():
                if values.get("ls_offset", -1) >= 0:
                    self._ends[PartitionId(topic, int(number))] = values["ls_offset"]
        # With the consumer protocol the client does not say that it joined where it got no partition; it says if it can't.
        group = statistics.get("cgrp", {})
        is_settled = group.get("state") == "up" and group.get("stateage", 0) >= _SETTLED_MS
        if is_settled and self._options.group_protocol == "consumer" and not self._assignment.has_joined:
            self._assignment.given(())
