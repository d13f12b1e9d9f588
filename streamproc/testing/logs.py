"""The records of a topic's partitions, in memory. Passive."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from operator import attrgetter

from streamproc.batches import Headers

_RECORD_OVERHEAD_BYTES = 70
"""About what Kafka counts for a record beside its key, value and headers, in a batch of its own."""


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """One record of a topic."""

    partition: int
    offset: int
    timestamp: int
    """Milliseconds since the epoch."""
    key: bytes | None
    value: bytes | None
    headers: Headers | None


def record_bytes(key: bytes | None, value: bytes | None, headers: Headers | None) -> int:
    """The size of a record as a broker's limit counts it, about."""
    pairs = sum(len(name) + len(content or b"") for name, content in headers or ())
    return _RECORD_OVERHEAD_BYTES + len(key or b"") + len(value or b"") + pairs


class PartitionLog:
    """The records of one partition, by ascending offsets with or without gaps."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._records: list[StoredRecord] = []
        self.start = 0
        self.end = 0

    def append(self, key: bytes | None, value: bytes | None, headers: Headers | None, timestamp: int) -> None:
        """Add a record at the end."""
        kept = tuple(headers) if headers else None
        self._records.append(StoredRecord(self._number, self.end, timestamp, key, value, kept))
        self.end += 1

    def leave_gap(self, offsets: int) -> None:
        """Let the next record be this much further on."""
        self.end += offsets

    def delete_before(self, offset: int) -> None:
        """Forget the records below `offset`."""
        self._records = self.read(offset, len(self._records))
        self.start = offset
        self.end = max(self.end, offset)

    def read(self, offset: int, limit: int) -> list[StoredRecord]:
        """At most `limit` records from the first one at or above `offset`."""
        first = bisect_left(self._records, offset, key=attrgetter("offset"))
        return self._records[first : first + limit]
