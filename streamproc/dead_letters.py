"""Dead letters: the record as it came, and headers that say why it is here."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Sequence

import numpy as np

from streamproc.batches import BatchResult, DeadLetter, Headers, OutgoingRecords, RecordBatch
from streamproc.errors import Reason, StreamprocError

HEADER_PREFIX = "__streamproc.errors."
_MAX_TENANT_BYTES = 255
_MAX_ATTEMPT_DIGITS = 6
_TENANTLESS_SPREAD = 3
"""From this many tenants on, a fault that names tenants is taken for ours."""


def dead_letter_records(topic: str, records: RecordBatch, letters: Sequence[DeadLetter]) -> OutgoingRecords:
    """What to write: original key, value and headers, and our headers about each of `letters`."""
    return OutgoingRecords(
        topic=topic,
        values=[records.value(letter.row) for letter in letters],
        keys=[records.keys[letter.row] for letter in letters],
        headers=[_headers(records, letter) for letter in letters],
        timestamps=np.full(len(letters), -1, np.int64),
    )


def without_values(records: OutgoingRecords) -> OutgoingRecords:
    """The same dead letters for a broker that refuses their size: length and SHA-256 stand for the value."""
    return OutgoingRecords(
        topic=records.topic,
        values=[None] * len(records),
        keys=records.keys,
        headers=[
            [*(headers or ()), *_digest(value or b"")] for headers, value in zip(records.headers, records.values, strict=True)
        ],
        timestamps=records.timestamps,
    )


def _headers(records: RecordBatch, letter: DeadLetter) -> Headers:
    original = records.headers[letter.row] or ()
    partition = records.partition_id(letter.row)
    ours = {
        "reason": letter.reason.value,
        "stage": letter.stage.value,
        "exception": letter.exception,
        "message": letter.message,
        "topic": partition.topic,
        "partition": str(partition.partition),
        "offset": str(int(records.offsets[letter.row])),
        "timestamp": str(int(records.timestamps[letter.row])),
        "attempt": str(_former_attempts(original) + 1),
    }
    if letter.tenant is not None:
        ours["tenant"] = _printable(letter.tenant)
    if letter.model_id is not None:
        ours["model_id"] = letter.model_id
    kept = [(name, value) for name, value in original if not name.startswith(HEADER_PREFIX)]
    return kept + [(HEADER_PREFIX + name, value.encode()) for name, value in ours.items()]


def _former_attempts(headers: Headers) -> int:
    for name, value in headers:
        if name == HEADER_PREFIX + "attempt" and value and len(value) <= _MAX_ATTEMPT_DIGITS and value.isdigit():
            return int(value)
    return 0


def _printable(tenant: str) -> str:
    """The tenant with control characters escaped, cut to what a header may hold."""
    escaped = "".join(character if character.isprintable() else ascii(character)[1:-1] for character in tenant)
    return escaped.encode()[:_MAX_TENANT_BYTES].decode(errors="ignore")


def _digest(value: bytes) -> Headers:
    return [
        (HEADER_PREFIX + "value_bytes", str(len(value)).encode()),
        (HEADER_PREFIX + "value_sha256", hashlib.sha256(value).hexdigest().encode()),
    ]


class TooManyDeadLettersError(StreamprocError):
    """So many records fail, for reasons that are not one tenant's, that the fault is probably ours."""


class StopShare:
    """Watches the share of dead letters among the last records. Passive.

    Counted are reasons without a tenant, and reasons with one as soon as at least three tenants have them: one busy bad tenant
    stops nobody.
    """

    def __init__(self, share: float | None, over_records: int) -> None:
        self._share = share
        self._over_records = over_records
        self._window: deque[tuple[int, tuple[tuple[Reason, str | None], ...]]] = deque()
        self._records = 0

    def check(self, result: BatchResult) -> None:
        """Count one batch.

        Raises:
            TooManyDeadLettersError: the share is passed over at least `over_records` records.

        """
        decided = len(result.predicted) + len(result.dead)
        if self._share is None or not decided:
            return
        self._window.append((decided, tuple((letter.reason, letter.tenant) for letter in result.dead)))
        self._records += decided
        while self._records - self._window[0][0] >= self._over_records:
            self._records -= self._window.popleft()[0]
        if self._records < self._over_records:
            return
        failures = [failure for _, batch in self._window for failure in batch]
        if (counted := self._counted(failures)) > self._share * self._records:
            most = max({reason for reason, _ in failures}, key=[reason for reason, _ in failures].count)
            text = (
                f"{counted} of the last {self._records} records became dead letters, most of them as {most.value}: more than "
                f"dead_letters.stop_share = {self._share:g}. The last batch is not committed. Mend the cause (see the "
                "dead-letter topic), or set dead_letters.stop_share: null to go on regardless"
            )
            raise TooManyDeadLettersError(text)

    @staticmethod
    def _counted(failures: Sequence[tuple[Reason, str | None]]) -> int:
        tenants: dict[Reason, set[str]] = {}
        for reason, tenant in failures:
            if tenant is not None:
                tenants.setdefault(reason, set()).add(tenant)
        return sum(tenant is None or len(tenants[reason]) >= _TENANTLESS_SPREAD for reason, tenant in failures)
