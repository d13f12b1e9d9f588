"""The callbacks of a rebalance. They run inside of the client's `consume` and `close`, and never raise there."""

from __future__ import annotations

from collections.abc import Callable

from confluent_kafka import Consumer, TopicPartition

from streamproc.batches import PartitionId
from streamproc.kafka.assignment import Assignment
from streamproc.ports import AssignmentListener


class Rebalances:
    """Notes what the group gives and takes; an exception is kept for the loop: raised inside, it would destroy records.

    What is given is only noted. What is revoked is told to the listener at once, because commits of it are accepted only until
    the callback returns.
    """

    def __init__(self, assignment: Assignment, listener: AssignmentListener) -> None:
        self.listener = listener
        self._assignment = assignment
        self._failure: BaseException | None = None

    def given(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """The client's `on_assign`."""
        # Without this call the client would begin to read at once, at positions of its own.
        self._attempt(lambda: consumer.incremental_assign([]))
        self._assignment.given(map(partition_id, partitions))

    def revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """The client's `on_revoke`."""
        held = self._held(partitions)
        if held:
            self._attempt(lambda: self.listener.revoked(held))
        self._give_up(consumer, partitions, held)

    def lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """The client's `on_lost`."""
        held = self._held(partitions)
        self._give_up(consumer, partitions, held)
        if held:
            self._attempt(lambda: self.listener.lost(held))

    def take_failure(self) -> BaseException | None:
        """The first exception since the last call."""
        failure, self._failure = self._failure, None
        return failure

    def _held(self, partitions: list[TopicPartition]) -> list[PartitionId]:
        return [partition for partition in map(partition_id, partitions) if partition in self._assignment.held]

    def _give_up(self, consumer: Consumer, partitions: list[TopicPartition], held: list[PartitionId]) -> None:
        self._assignment.taken_away(map(partition_id, partitions))
        self._attempt(lambda: consumer.incremental_unassign([TopicPartition(*partition) for partition in held]))

    def _attempt(self, action: Callable[[], None]) -> None:
        try:
            action()
        except BaseException as error:  # noqa: BLE001  # a signal handler's exception too would destroy records here
            self._failure = self._failure or error


def partition_id(partition: TopicPartition) -> PartitionId:
    """The client's name for a partition, as ours."""
    return PartitionId(partition.topic, partition.partition)
