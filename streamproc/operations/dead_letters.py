"""Dead letters, read back from their topic."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from operator import itemgetter

from streamproc.batches import Headers
from streamproc.dead_letters import HEADER_PREFIX
from streamproc.errors import RefusedError
from streamproc.operations.shown import JsonObject, ShownRecord, shown_time

_AGO = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_NUMBER = re.compile(r"-?\d{1,18}")


@dataclass(frozen=True, slots=True)
class ListedDeadLetter:
    """One dead letter: where it lies, and what its headers say; None where they don't say it."""

    at: int
    """When it was written: milliseconds since the epoch."""
    partition: int
    offset: int
    reason: str | None
    stage: str | None
    tenant: str | None
    model_id: str | None
    source_topic: str | None
    source_partition: int | None
    source_offset: int | None
    source_timestamp: int | None
    attempt: int | None
    exception: str | None
    message: str | None

    def as_json(self) -> JsonObject:
        """Its fields, times in ISO 8601."""
        source_time = None if self.source_timestamp is None else shown_time(self.source_timestamp)
        return {**asdict(self), "at": shown_time(self.at), "source_timestamp": source_time}


@dataclass(frozen=True, slots=True)
class DeadLetterFilter:
    """Which dead letters are wanted; an empty collection or None wants all."""

    tenants: Collection[str] = ()
    reasons: Collection[str] = ()
    since: int | None = None
    """Milliseconds since the epoch, as `until`; this one included, that one not."""
    until: int | None = None

    @property
    def wants_all(self) -> bool:
        """It takes whatever there is."""
        return self == DeadLetterFilter()

    def takes(self, letter: ListedDeadLetter) -> bool:
        """It is wanted."""
        return (
            (not self.tenants or letter.tenant in self.tenants)
            and (not self.reasons or letter.reason in self.reasons)
            and (self.since is None or letter.at >= self.since)
            and (self.until is None or letter.at < self.until)
        )


def listed_dead_letters(records: Iterable[ShownRecord], wanted: DeadLetterFilter) -> Iterator[ListedDeadLetter]:
    """Those that are wanted, in the order of the topic. Records that aren't dead letters of ours have no reason."""
    for record in records:
        letter = _letter(record)
        if wanted.takes(letter):
            yield letter


def newest_of_each_partition(letters: Iterable[ListedDeadLetter], newest: int) -> Iterator[ListedDeadLetter]:
    """The last `newest` of each partition, in the order in which they come."""
    kept: dict[int, deque[tuple[int, ListedDeadLetter]]] = {}
    for number, letter in enumerate(letters):
        kept.setdefault(letter.partition, deque(maxlen=newest)).append((number, letter))
    yield from (letter for _, letter in sorted((one for many in kept.values() for one in many), key=itemgetter(0)))


def moment(text: str, now: datetime) -> int:
    """A point in time, in milliseconds: ISO 8601 (UTC where it names no zone), or how long ago (`30m`, `2h`, `1d`).

    Raises:
        RefusedError: neither.

    """
    try:
        if ago := _AGO.fullmatch(text):
            amount, unit = ago.groups()
            return _milliseconds(now - timedelta(**{_UNITS[unit]: int(amount)}))
        parsed = datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        raise RefusedError(
            f"expected a time such as 2026-05-01T12:00:00Z, or how long ago such as 30m, 2h, 1d; found {text!r}"
        ) from error
    return _milliseconds(parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC))


def _milliseconds(when: datetime) -> int:
    return round(when.timestamp() * 1000)


def _letter(record: ShownRecord) -> ListedDeadLetter:
    about = _about(record.headers)
    return ListedDeadLetter(
        at=record.timestamp,
        partition=record.partition.partition,
        offset=record.offset,
        reason=about.get("reason"),
        stage=about.get("stage"),
        tenant=about.get("tenant"),
        model_id=about.get("model_id"),
        source_topic=about.get("topic"),
        source_partition=_number(about.get("partition")),
        source_offset=_number(about.get("offset")),
        source_timestamp=_number(about.get("timestamp")),
        attempt=_number(about.get("attempt")),
        exception=about.get("exception"),
        message=about.get("message"),
    )


def _about(headers: Headers) -> dict[str, str]:
    return {
        name.removeprefix(HEADER_PREFIX): value.decode(errors="replace")
        for name, value in headers
        if name.startswith(HEADER_PREFIX) and value is not None
    }


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and _NUMBER.fullmatch(text) else None
