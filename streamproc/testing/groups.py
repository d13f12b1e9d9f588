"""A consumer group of the broker in memory: members, who is to own what, and what is committed. Passive."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from streamproc.batches import PartitionId
from streamproc.ports import Committed


class Group:
    """Partitions go to members as evenly as possible and stay where they are otherwise, as cooperative-sticky does it.

    A partition passes to its new owner only after the former one has given it up, which members do when they poll.
    """

    def __init__(self) -> None:
        self.committed: dict[PartitionId, Committed] = {}
        self._members: dict[int, tuple[str, ...]] = {}
        self._owner: dict[PartitionId, int] = {}
        self._target: dict[PartitionId, int] = {}

    def join(self, member: int, topics: Sequence[str]) -> None:
        """A member comes."""
        self._members[member] = tuple(topics)

    def leave(self, member: int) -> None:
        """A member goes, and with it whatever it owned."""
        self._members.pop(member, None)
        self._owner = {partition: owner for partition, owner in self._owner.items() if owner != member}

    def has(self, member: int) -> bool:
        """Whether it has joined, and not left."""
        return member in self._members

    def plan(self, partitions: Mapping[str, int]) -> None:
        """Decide who is to own what, of topics with these numbers of partitions."""
        wanted = [
            PartitionId(topic, number)
            for topic in sorted({topic for topics in self._members.values() for topic in topics})
            for number in range(partitions.get(topic, 0))
        ]
        fair = -(-len(wanted) // max(1, len(self._members)))
        loads = dict.fromkeys(self._members, 0)
        self._target = {}
        for partition in wanted:
            owner = self._owner.get(partition)
            if owner in loads and loads[owner] < fair:
                self._target[partition] = owner
                loads[owner] += 1
        for partition in wanted:
            if partition not in self._target:
                able = [member for member, topics in self._members.items() if partition.topic in topics]
                chosen = min(able, key=loads.__getitem__)
                self._target[partition] = chosen
                loads[chosen] += 1

    def to_give_up(self, member: int) -> list[PartitionId]:
        """What it owns and should not."""
        return [p for p, owner in self._owner.items() if owner == member and self._target.get(p) != member]

    def give_up(self, member: int, partitions: Iterable[PartitionId]) -> None:
        """The member is done with these."""
        for partition in partitions:
            if self._owner.get(partition) == member:
                del self._owner[partition]

    def take_over(self, member: int) -> list[PartitionId]:
        """What it should own and nobody does; it owns them from now on."""
        free = [p for p, owner in self._target.items() if owner == member and p not in self._owner]
        self._owner.update(dict.fromkeys(free, member))
        return free
