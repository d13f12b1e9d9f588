"""Which tenant each record belongs to: looked up by a kernel, one text made a tenant."""

from __future__ import annotations

import re
import secrets
from functools import lru_cache
from typing import Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from streamproc import captures
from streamproc.avro import opcodes as op
from streamproc.avro.captured import Captured
from streamproc.avro.kernel_tenants import MAX_TENANT_BYTES, UNKNOWN, enter_tenants, find_tenants, index_tenants

_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")
_MORE: Final = 0x80
_SEED: Final = secrets.randbits(62)
MAX_TENANTS: Final = 250_000
"""With so many known, a new generation begins; each takes about 200 bytes."""
_FIRST_PLACES: Final = 1024
_FIRST_HEAP: Final = 1 << 14


class TenantDirectory:
    """Numbers the tenants that records name, in order of appearance, and knows them again in later batches. Passive.

    What a record says is looked up by its bytes; a text is made of a tenant once. When there are `max_tenants`, the next batch
    starts a new generation with no tenant in it, so that invented tenants can't fill the memory.
    """

    def __init__(self, max_tenants: int = MAX_TENANTS) -> None:
        self._max_tenants = max_tenants
        self.generation = 0
        """Numbers mean something within one generation only."""
        self._clear()

    def _clear(self) -> None:
        self.names: list[str] = []
        """Number → tenant."""
        self._numbers: dict[str, int] = {}
        self._table = np.full(_FIRST_PLACES, -1, np.int32)
        self._entries = np.empty((_FIRST_PLACES // 2, 4), np.int64)
        self._entry_count = self._entered = 0
        self._heap = np.empty(_FIRST_HEAP, np.uint8)
        self._heap_end = 0

    def begin_batch(self) -> None:
        """Between two batches: where the numbers may change."""
        if len(self.names) >= self._max_tenants:
            self.generation += 1
            self._clear()

    def numbers(self, captured: Captured, field: str, rows: NDArray[np.int64], fault: NDArray[np.uint8]) -> NDArray[np.int32]:
        """(m,): the numbers of the tenants of `rows`, which were captured; -1 where there is none.

        Sets `fault` of the rows that name no tenant, or an invalid one.
        """
        slot = captured.program.slots[field]
        kinds, values = np.ascontiguousarray(captured.kinds[:, slot]), np.ascontiguousarray(captured.values[:, slot])
        found = np.empty(len(rows), np.int32)
        known = (self._table, self._entries, self._heap)
        if find_tenants(captured.payload, rows, kinds, values, _SEED, *known, found, fault):
            unknown = np.flatnonzero(found == UNKNOWN)
            found[unknown] = self._learn(captured, rows[unknown], kinds[unknown], values[unknown], fault)
        return found

    def _learn(
        self,
        captured: Captured,
        rows: NDArray[np.int64],
        kinds: NDArray[np.uint8],
        values: NDArray[np.int64],
        fault: NDArray[np.uint8],
    ) -> NDArray[np.int32]:
        table = np.full(1 << max(4, (2 * len(rows)).bit_length()), -1, np.int32)
        distinct = np.empty((len(rows), 3), np.int64)
        local = np.empty(len(rows), np.int32)
        found = index_tenants(captured.payload, rows, kinds, values, _SEED, table, distinct, local, fault)
        numbers = np.full(found + 1, -1, np.int32)
        faults = np.zeros(found + 1, np.uint8)
        for index, (kind, value, length) in enumerate(distinct[:found].tolist()):
            raw = captured.buffer[value : value + length] if length >= 0 else b""
            text = _text(raw) if kind == captures.IS_STRING else _text_of_other(kind, value, captured)
            if isinstance(text, str):
                numbers[index] = self._number(text)
                self._enter(kind, value, raw, length, int(numbers[index]))
            else:
                faults[index] = text
        if faults.any():
            invalid = faults[local] != 0
            fault[rows[invalid]] = faults[local[invalid]]
        self._rehash()
        return numbers[local]

    def _number(self, name: str) -> int:
        number = self._numbers.setdefault(name, len(self.names))
        if number == len(self.names):
            self.names.append(name)
        return number

    def _enter(self, kind: int, value: int, raw: bytes, length: int, number: int) -> None:
        if kind == captures.IS_ENUM:
            return
        if self._entry_count == len(self._entries):
            self._entries = np.concatenate([self._entries, np.empty_like(self._entries)])
        if self._heap_end + len(raw) > len(self._heap):
            self._heap = np.concatenate([self._heap, np.empty_like(self._heap)])
        start = self._heap_end if length >= 0 else value
        self._heap[self._heap_end : self._heap_end + len(raw)] = np.frombuffer(raw, np.uint8)
        self._heap_end += len(raw)
        self._entries[self._entry_count] = kind, start, length, number
        self._entry_count += 1

    def _rehash(self) -> None:
        """Enter what is new; into a larger table where this one is half full."""
        first = self._entered
        if 2 * self._entry_count > len(self._table):
            self._table = np.full(1 << (4 * self._entry_count).bit_length(), -1, np.int32)
            first = 0
        enter_tenants(self._table, self._entries, first, self._entry_count, self._heap, _SEED)
        self._entered = self._entry_count


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
