"""Which tenant each record belongs to: numbered by a kernel, one text made a tenant."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from streamproc.avro import opcodes as op
from streamproc.avro.captured import Captured
from streamproc.avro.kernels import index_tenants

_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")
_SEED: Final = secrets.randbits(62)


@dataclass(slots=True)
class TenantIndex:
    """The tenants of one batch, collected schema by schema."""

    number: NDArray[np.int32]
    """(n,): which of `names` a record belongs to; -1: none."""
    names: dict[str, int]

    @classmethod
    def for_rows(cls, count: int) -> TenantIndex:
        """No tenant yet, for a batch of `count` records."""
        return cls(np.full(count, -1, np.int32), {})

    def add(self, captured: Captured, tenant_field: str, rows: NDArray[np.int64], fault: NDArray[np.uint8]) -> None:
        """Find the tenants of `rows`, which were captured; sets `fault` of those that have none or an invalid one."""
        slot, payload = captured.program.slots[tenant_field], captured.payload
        kinds, values = np.ascontiguousarray(captured.kinds[:, slot]), np.ascontiguousarray(captured.values[:, slot])
        table = np.full(1 << max(4, (2 * len(rows)).bit_length()), -1, np.int32)
        distinct = np.empty((len(rows), 3), np.int64)
        local = np.empty(len(rows), np.int32)
        found = index_tenants(payload, rows, kinds, values, _SEED, table, distinct, local, fault)
        numbers = np.empty(found + 1, np.int32)
        numbers[-1] = -1
        faults = np.zeros(found + 1, np.uint8)
        for index, (kind, value, length) in enumerate(distinct[:found].tolist()):
            raw = payload[value : value + length].tobytes() if length >= 0 else b""
            text = _text(kind, value, raw, captured.program.symbols)
            numbers[index] = -1 if isinstance(text, int) else self.names.setdefault(text, len(self.names))
            faults[index] = text if isinstance(text, int) else 0
        self.number[rows] = numbers[local]
        if faults.any():
            invalid = faults[local] != 0
            fault[rows[invalid]] = faults[local[invalid]]


def _text(kind: int, value: int, raw: bytes, symbols: tuple[str, ...]) -> str | int:
    """The tenant's name, or its fault."""
    if kind == op.IS_INTEGER:
        return str(value)
    if kind == op.IS_ENUM:
        return _checked(symbols[value])
    if kind == op.IS_UUID:
        return str(UUID(bytes=raw))
    try:
        return _checked(raw.decode())
    except UnicodeDecodeError:
        return op.TENANT_UTF8


def _checked(name: str) -> str | int:
    if not name:
        return op.TENANT_EMPTY
    if len(name.encode("utf-8", "surrogatepass")) > 255:  # noqa: PLR2004 - contract.md section 4
        return op.TENANT_LONG
    return op.TENANT_CONTROL if _CONTROL.search(name) else name
