"""Which tenant each record belongs to: numbered by a kernel, one text made a tenant."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from streamproc import captures
from streamproc.avro import opcodes as op
from streamproc.avro.captured import Captured
from streamproc.avro.kernels import MAX_TENANT_BYTES, index_tenants

_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")
_MORE: Final = 0x80
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
        slot = captured.program.slots[tenant_field]
        kinds, values = np.ascontiguousarray(captured.kinds[:, slot]), np.ascontiguousarray(captured.values[:, slot])
        table = np.full(1 << max(4, (2 * len(rows)).bit_length()), -1, np.int32)
        distinct = np.empty((len(rows), 3), np.int64)
        local = np.empty(len(rows), np.int32)
        found = index_tenants(captured.payload, rows, kinds, values, _SEED, table, distinct, local, fault)
        numbers = np.full(found + 1, -1, np.int32)
        faults = np.zeros(found + 1, np.uint8)
        for index, (kind, value, length) in enumerate(distinct[:found].tolist()):
            if kind == captures.IS_STRING:
                text = _text(captured.buffer[value : value + length])
            else:
                text = _text_of_other(kind, value, captured)
            if isinstance(text, str):
                numbers[index] = self.names.setdefault(text, len(self.names))
            else:
                faults[index] = text
        self.number[rows] = numbers[local]
        if faults.any():
            invalid = faults[local] != 0
            fault[rows[invalid]] = faults[local[invalid]]


def refused_text(captured: Captured, tenant_field: str, position: int, fault: int) -> str | None:
    """The text of the string that is too long, or holds control characters, to name a tenant; cut. None for another fault."""
    if fault not in (op.TENANT_LONG, op.TENANT_CONTROL):
        return None
    slot = captured.program.slots[tenant_field]
    if captured.kinds[position, slot] != captures.IS_STRING:
        return None
    start = int(captured.values[position, slot])
    length = shift = 0
    while captured.buffer[start] & _MORE:  # a varint, not negative: the kernel has read it already
        length |= (captured.buffer[start] & ~_MORE) << shift
        start, shift = start + 1, shift + 7
    length = (length | captured.buffer[start] << shift) >> 1
    return captured.buffer[start + 1 : start + 1 + min(length, MAX_TENANT_BYTES)].decode(errors="ignore")


@lru_cache(maxsize=65536)
def _text(raw: bytes) -> str | int:
    """The tenant's name, or its fault."""
    try:
        return _checked(raw.decode())
    except UnicodeDecodeError:
        return op.TENANT_UTF8


def _text_of_other(kind: int, value: int, captured: Captured) -> str | int:
    if kind == captures.IS_INTEGER:
        return str(value)
    if kind == captures.IS_ENUM:
        return _checked(captured.program.symbols[value])
    return str(UUID(bytes=captured.buffer[value : value + 16]))


def _checked(name: str) -> str | int:
    if not name:
        return op.TENANT_EMPTY
    if len(name.encode("utf-8", "surrogatepass")) > MAX_TENANT_BYTES:
        return op.TENANT_LONG
    return op.TENANT_CONTROL if _CONTROL.search(name) else name
