"""The compiled look-up of tenants: their bytes → their numbers, through a hash table in arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamproc.avro.kernel_reads import read_bits, read_long
from streamproc.avro.opcodes import TENANT_EMPTY, TENANT_LONG, TENANT_NULL, TENANT_TYPE
from streamproc.captures import IS_ENUM, IS_INTEGER, IS_STRING, IS_UUID, NULL
from streamproc.jit import inlined, kernel, signed

BUILT_WITH = "b9d3fb17bb9086f9"
"""Digest of the imported modules; written by `python tests/support/built_with.py`."""

MAX_TENANT_BYTES = 255
UNKNOWN = -2
"""The number of a tenant that the table does not hold."""


@inlined
def _hash_bytes(payload: NDArray[np.uint8], at: int, length: int, seed: int) -> int:
    mixed = np.uint64(seed) ^ np.uint64(length)
    done = 0
    while done + 8 <= length:
        mixed = (mixed ^ np.uint64(read_bits(payload, at + done, 8))) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
        done += 8
    while done < length:
        mixed = (mixed ^ np.uint64(payload[np.uint64(at + done)])) * np.uint64(0x100000001B3)
        done += 1
    return signed((mixed * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(20))


@inlined
def _hash(payload: NDArray[np.uint8], at: int, length: int, seed: int) -> int:
    hashed = _hash_bytes(payload, at, length, seed) if length >= 0 else (at ^ seed) * 0x9E3779B97F4A7C1
    return hashed ^ (hashed >> 17)


@inlined
def _equal_bytes(one: NDArray[np.uint8], start: int, other: NDArray[np.uint8], at: int, length: int) -> bool:
    for byte in range(length):  # noqa: SIM110 - a generator would not compile
        if one[np.uint64(start + byte)] != other[np.uint64(at + byte)]:
            return False
    return True


@inlined
def _tenant_span(payload: NDArray[np.uint8], kind: int, value: int) -> tuple[int, int, int]:
    """Where a tenant's bytes start, how many they are (-1: it is the number `value`), and its fault or 0."""
    if kind == IS_STRING:
        length, at = read_long(payload, value, len(payload))
        if length == 0:
            return at, length, TENANT_EMPTY
        return at, length, TENANT_LONG if length > MAX_TENANT_BYTES else 0
    if kind == IS_UUID:
        return value, 16, 0
    if kind in (IS_INTEGER, IS_ENUM):
        return value, -1, 0
    return 0, 0, TENANT_NULL if kind == NULL else TENANT_TYPE


@inlined
def _place(
    payload: NDArray[np.uint8],
    table: NDArray[np.int32],
    entries: NDArray[np.int64],
    heap: NDArray[np.uint8],
    kind: int,
    at: int,
    length: int,
    seed: int,
) -> int:
    """Where in `table` the tenant whose bytes stand at `at` of `payload` has its entry, or would have it."""
    mask = len(table) - 1
    place = _hash(payload, at, length, seed) & mask
    while table[place] >= 0:
        entry = table[place]
        if entries[entry, 0] == kind and entries[entry, 2] == length:
            start = entries[entry, 1]
            if start == at if length < 0 else _equal_bytes(heap, start, payload, at, length):
                break
        place = (place + 1) & mask
    return place


@kernel
def index_tenants(  # noqa: PLR0913, PLR0917 - a kernel takes plain arrays
    payload: NDArray[np.uint8],
    rows: NDArray[np.int64],
    kind: NDArray[np.uint8],
    value: NDArray[np.int64],
    seed: int,
    table: NDArray[np.int32],
    distinct: NDArray[np.int64],
    number: NDArray[np.int32],
    fault: NDArray[np.uint8],
) -> int:
    """Number the tenants of `rows` in order of appearance; returns how many there are.

    `number[i]` becomes the number of the tenant of `rows[i]`, -1 where its fault is or becomes set. `distinct[k]` becomes the
    (kind, value or start of its bytes, their count or -1) of tenant k. `table` holds -1 in a power of two of places, at least
    twice as many as rows; `seed` is secret, so that nobody can choose tenants that collide.
    """
    found = 0
    for i in range(rows.shape[0]):
        number[i] = -1
        if fault[rows[i]]:
            continue
        at, length, wrong = _tenant_span(payload, kind[i], value[i])
        if wrong:
            fault[rows[i]] = wrong
            continue
        place = _place(payload, table, distinct, payload, kind[i], at, length, seed)
        if table[place] < 0:
            table[place] = found
            distinct[found, 0] = kind[i]
            distinct[found, 1] = at
            distinct[found, 2] = length
            found += 1
        number[i] = table[place]
    return found


@kernel
def find_tenants(  # noqa: PLR0913, PLR0917 - a kernel takes plain arrays
    payload: NDArray[np.uint8],
    rows: NDArray[np.int64],
    kind: NDArray[np.uint8],
    value: NDArray[np.int64],
    seed: int,
    table: NDArray[np.int32],
    entries: NDArray[np.int64],
    heap: NDArray[np.uint8],
    number: NDArray[np.int32],
    fault: NDArray[np.uint8],
) -> int:
    """Set `number[i]` to the number of the tenant of `rows[i]`; returns how many are `UNKNOWN`.

    -1 where the row's fault is or becomes set. Enums count as unknown: their symbols' numbers mean something else in each
    program. `entries` has a row (kind, start in `heap` or the value itself, bytes or -1, number) for each known tenant,
    `table` the entries' places, -1 where there is none.
    """
    unknown = 0
    for i in range(rows.shape[0]):
        number[i] = -1
        if fault[rows[i]]:
            continue
        at, length, wrong = _tenant_span(payload, kind[i], value[i])
        if wrong:
            fault[rows[i]] = wrong
            continue
        entry = -1
        if kind[i] != IS_ENUM:
            entry = int(table[_place(payload, table, entries, heap, kind[i], at, length, seed)])
        number[i] = entries[entry, 3] if entry >= 0 else UNKNOWN
        unknown += entry < 0
    return unknown


@kernel
def enter_tenants(
    table: NDArray[np.int32], entries: NDArray[np.int64], first: int, end: int, heap: NDArray[np.uint8], seed: int
) -> None:
    """Put the entries from `first` to `end` into the table, which stays at most half full and lacks them."""
    mask = len(table) - 1
    for entry in range(first, end):
        place = _hash(heap, entries[entry, 1], entries[entry, 2], seed) & mask
        while table[place] >= 0:
            place = (place + 1) & mask
        table[place] = entry
