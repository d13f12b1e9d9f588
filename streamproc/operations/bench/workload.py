"""What is measured: a schema, tenants of unequal share, and records as bytes, made without encoding one by one.

Every record of a workload has the same length, because each of its variable parts has a fixed one (see `Workload.records`);
so a million of them is a matrix of bytes that numpy fills by columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

SCHEMA_ID: Final = 7
OUTPUT_SCHEMA_ID: Final = 8
TENANT_FIELD: Final = "tenant_id"
ZIPF_EXPONENT: Final = 1.1
COUNTRIES: Final = ("US", "DE", "FR", "IN", "BR", "JP", "GB", "NL")
FIRST_EVENT_MS: Final = 1_700_000_000_000
_ID_DIGITS: Final = 32
_NUMBER_DIGITS: Final = 8
"""Of the event's id: the record's number in hexadecimal, by which its row is found again."""
_KEY_DIGITS: Final = 16
_TIME_BYTES: Final = 6
"""A zigzag varint of milliseconds since 1970, from 1987 until 2039."""

Kind = Literal["linear", "forest"]


@dataclass(frozen=True, slots=True)
class Records:
    """Framed Avro records and what is in them; row i belongs to record i."""

    encoded: NDArray[np.uint8]
    """(n, length): the values as they are produced."""
    tenant: NDArray[np.int64]
    """(n,): the number of each record's tenant."""
    features: NDArray[np.float64]
    """(n, features)"""

    def values(self) -> list[bytes]:
        """The records' values."""
        return self._rows(self.encoded)

    def keys(self, workload: Workload) -> list[bytes]:
        """The records' keys: random, so that partitions fill evenly; by tenant they would not."""
        start = workload.id_start
        return self._rows(self.encoded[:, start : start + _KEY_DIGITS])

    @staticmethod
    def _rows(matrix: NDArray[np.uint8]) -> list[bytes]:
        flat, width = matrix.tobytes(), matrix.shape[1]
        return [flat[at : at + width] for at in range(0, len(flat), width)]


@dataclass(frozen=True)
class Workload:
    """Events of `tenants` tenants with `features` doubles each, a model of `kind` for every tenant.

    Only the first `active` tenants have records, with Zipf-distributed shares; None: all of them.
    """

    name: str
    kind: Kind
    tenants: int
    features: int = 16
    active: int | None = None
    seed: int = 1

    @property
    def active_tenants(self) -> int:
        """How many tenants have records."""
        return self.tenants if self.active is None else self.active

    @cached_property
    def feature_names(self) -> tuple[str, ...]:
        """The fields that the models read."""
        return tuple(f"f{number}" for number in range(self.features))

    @cached_property
    def schema(self) -> dict[str, Any]:
        """The records' Avro schema. Any: a JSON object."""
        fields: list[Mapping[str, object]] = [
            {"name": TENANT_FIELD, "type": "string"},
            {"name": "event_id", "type": "string"},
            {"name": "event_time", "type": "long"},
            {"name": "country", "type": {"type": "enum", "name": "Country", "symbols": list(COUNTRIES)}},
            *({"name": name, "type": "double"} for name in self.feature_names),
        ]
        return {"type": "record", "name": "Event", "fields": fields}

    @property
    def id_start(self) -> int:
        """Where in a value the event's id begins."""
        return len(_frame()) + 1 + len(self.tenant_name(0)) + 1

    @property
    def record_bytes(self) -> int:
        """The length of a value."""
        return self.id_start + _ID_DIGITS + _TIME_BYTES + 1 + 8 * self.features

    def tenant_name(self, number: int) -> str:
        """The tenant's name; of the same length for all."""
        return f"tenant-{number:0{self._tenant_digits}}"

    @property
    def _tenant_digits(self) -> int:
        return max(4, len(str(self.tenants - 1)))

    def records(self, count: int) -> Records:
        """The first `count` records; the same ones at each call. The first of them are one of each active tenant."""
        random = np.random.default_rng(self.seed)
        tenant = self._tenants(random, count)
        features = random.normal(size=(count, self.features))
        number = np.arange(count, dtype=np.int64)
        columns = [
            _constant(_frame(), count),
            _constant(bytes([2 * len(self.tenant_name(0))]) + b"tenant-", count),
            _digits(tenant, self._tenant_digits, 10),
            _constant(bytes([2 * _ID_DIGITS]), count),
            _hexadecimal(random.integers(0, 16, (count, _ID_DIGITS - _NUMBER_DIGITS))),
            _digits(number, _NUMBER_DIGITS, 16),
            _varint(2 * (FIRST_EVENT_MS + number), _TIME_BYTES),
            (2 * (number % len(COUNTRIES))).astype(np.uint8)[:, None],
            features.astype("<f8").view(np.uint8).reshape(count, -1),
        ]
        return Records(np.concatenate(columns, axis=1), tenant, features)

    def number_of(self, event_id: str) -> int:
        """The number of the record that has this id."""
        return int(event_id[-_NUMBER_DIGITS:], 16)

    def _tenants(self, random: np.random.Generator, count: int) -> NDArray[np.int64]:
        active = self.active_tenants
        shares = 1 / np.arange(1, active + 1) ** ZIPF_EXPONENT
        drawn = random.choice(active, count, p=shares / shares.sum())
        first = random.permutation(active)[:count]
        drawn[: len(first)] = first
        return drawn.astype(np.int64)


WORKLOADS: Final = {
    workload.name: workload
    for workload in (
        Workload("linear-1000", "linear", tenants=1000),
        Workload("forest-200", "forest", tenants=200),
    )
}


def _frame() -> bytes:
    return b"\0" + SCHEMA_ID.to_bytes(4, "big")


def _constant(value: bytes, count: int) -> NDArray[np.uint8]:
    return np.broadcast_to(np.frombuffer(value, np.uint8), (count, len(value)))


def _hexadecimal(digits: NDArray[np.int64]) -> NDArray[np.uint8]:
    return np.frombuffer(b"0123456789abcdef", np.uint8)[digits]


def _digits(numbers: NDArray[np.int64], width: int, base: int) -> NDArray[np.uint8]:
    """(n, width): each number as text of that width."""
    powers = base ** np.arange(width - 1, -1, -1, dtype=np.int64)
    return _hexadecimal(numbers[:, None] // powers % base)


def _varint(numbers: NDArray[np.int64], width: int) -> NDArray[np.uint8]:
    """(n, width): numbers of exactly 7 x width bits, rounded up, as Avro writes them: the lowest seven bits first."""
    groups = numbers[:, None] >> (7 * np.arange(width, dtype=np.int64)) & 0x7F
    groups[:, :-1] |= 0x80
    return groups.astype(np.uint8)
