"""Which partitions this member holds, and in which state. Passive: told by the client's callbacks, asked by the source."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from streamproc.batches import PartitionId


class Assignment:
    """The partitions of one member.

    A partition given by the group is *pending* until its start position is known, then *held*. One that was taken away during
    the current poll is *given up*: records of it that the poll had taken already belong to its former assignment. As a pending
    partition becomes held only between two polls, no record of the new assignment can be among them.

    Attributes:
        has_joined: the group has ever given something, perhaps nothing.

    """

    def __init__(self) -> None:
        self._pending: dict[PartitionId, None] = {}
        self._held: dict[PartitionId, None] = {}
        self._given_up: set[PartitionId] = set()
        self._paused: set[PartitionId] = set()
        self._seeks: dict[PartitionId, int] = {}
        self._has_news = False
        self.has_joined = False

    def poll_begins(self) -> None:
        """What was given up before needs no memory any more."""
        self._given_up.clear()

    def given(self, partitions: Iterable[PartitionId]) -> None:
        """The group gave these, perhaps none, to this member."""
        self._has_news = self.has_joined = True
        self._pending.update(dict.fromkeys(partitions))

    def taken_away(self, partitions: Iterable[PartitionId]) -> None:
        """These are not ours any more."""
        for partition in partitions:
            self._pending.pop(partition, None)
            self._held.pop(partition, None)
            self._seeks.pop(partition, None)
            self._paused.discard(partition)
            self._given_up.add(partition)

    def take_news(self) -> bool:
        """Whether the group gave something, or told that it has nothing for us, since the last call."""
        news, self._has_news = self._has_news, False
        return news

    def began(self, partitions: Iterable[PartitionId]) -> None:
        """These pending ones are read from now on."""
        for partition in partitions:
            self._pending.pop(partition, None)
            self._held[partition] = None

    @property
    def pending(self) -> list[PartitionId]:
        """Given, but not read yet."""
        return list(self._pending)

    @property
    def held(self) -> Mapping[PartitionId, None]:
        """Given and read; in the order in which they came."""
        return self._held

    @property
    def unusable(self) -> set[PartitionId]:
        """Records of these, taken in this poll, are from another assignment or from before a seek."""
        return self._given_up | self._seeks.keys()

    def wants(self, positions: Mapping[PartitionId, int]) -> None:
        """Reading is to go on at these offsets as soon as the client lets us; partitions that aren't held are ignored."""
        self._seeks.update({partition: offset for partition, offset in positions.items() if partition in self._held})

    @property
    def seeks(self) -> dict[PartitionId, int]:
        """The positions that the client hasn't accepted yet."""
        return dict(self._seeks)

    def sought(self, partition: PartitionId) -> None:
        """The client has accepted the position."""
        self._seeks.pop(partition, None)

    def pause(self, partitions: Iterable[PartitionId]) -> list[PartitionId]:
        """Returns those for which this is a change."""
        changed = [partition for partition in partitions if partition in self._held and partition not in self._paused]
        self._paused.update(changed)
        return changed

    def resume(self, partitions: Iterable[PartitionId]) -> list[PartitionId]:
        """Returns those for which this is a change."""
        changed = [partition for partition in partitions if partition in self._paused]
        self._paused.difference_update(changed)
        return changed
