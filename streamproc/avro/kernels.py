"""The compiled loops over a batch, the walk apart: frames, tenants, strings, arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamproc.avro.kernel_reads import (
    next_block,
    read_big_endian,
    read_bits,
    read_index,
    read_long,
    read_scalar,
)
from streamproc.avro.opcodes import (
    BAD_BRANCH,
    FLOAT,
    FRAME_MAGIC,
    FRAME_SHORT,
    LONG,
    NO_BODY,
    TENANT_EMPTY,
    TENANT_LONG,
    TENANT_NULL,
    TENANT_TYPE,
    VALUE_EMPTY,
    VALUE_LARGE,
    VALUE_NULL,
)
from streamproc.captures import (
    IS_DOUBLE,
    IS_ENUM,
    IS_FLOAT,
    IS_INTEGER,
    IS_STRING,
    IS_UUID,
    NULL,
)
from streamproc.jit import inlined, kernel, signed

BUILT_WITH = "6fefb5bf246bbe73"
"""Digest of the imported modules; written by `python tests/support/built_with.py`."""

RAW, CONFLUENT, SINGLE_OBJECT = 0, 1, 2
"""How records are framed."""
MAX_TENANT_BYTES = 255


@kernel
def read_frames(
    payload: NDArray[np.uint8],
    bounds: NDArray[np.int64],
    null: NDArray[np.bool_],
    framing: int,
    max_bytes: int,
    body: NDArray[np.int64],
    key: NDArray[np.int64],
    fault: NDArray[np.uint8],
) -> None:
    """Split each value into the schema that it names (`key`: id, or the fingerprint's 8 bytes little-endian) and its body.

    Values that are null, empty or too large have those faults whatever the framing.
    """
    for row in range(null.shape[0]):
        at = bounds[row]
        length = bounds[row + 1] - at
        body[row] = at
        if length == 0 or null[row]:
            fault[row] = VALUE_NULL if null[row] else VALUE_EMPTY
        elif length > max_bytes:
            fault[row] = VALUE_LARGE
        elif framing != RAW:
            key[row], body[row], fault[row] = _frame(payload, at, length, framing)


@inlined
def _frame(payload: NDArray[np.uint8], at: int, length: int, framing: int) -> tuple[int, int, int]:
    size = 5 if framing == CONFLUENT else 10
    if framing == CONFLUENT:
        magic = payload[np.uint64(at)] == 0
    else:
        magic = payload[np.uint64(at)] == 0xC3 and length > 1 and payload[np.uint64(at + 1)] == 0x01  # noqa: PLR2004 - its marker
    if not magic:
        return 0, at, FRAME_MAGIC
    if length < size:
        return 0, at, FRAME_SHORT
    key = read_big_endian(payload, at + 1, 4) if framing == CONFLUENT else read_bits(payload, at + 2, 8)
    return key, at + size, NO_BODY if length == size else 0


@kernel
def spans(payload: NDArray[np.uint8], positions: NDArray[np.int64], starts: NDArray[np.int64], ends: NDArray[np.int64]) -> None:
    """Where the strings begin and end whose lengths stand at `positions`; a position below 0 makes an empty span."""
    for i in range(positions.shape[0]):
        starts[i] = 0
        ends[i] = 0
        if positions[i] >= 0:
            length, at = read_long(payload, positions[i], len(payload))
            starts[i] = at
            ends[i] = at + length


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
def _same_bytes(payload: NDArray[np.uint8], one: int, other: int, length: int) -> bool:
    for byte in range(length):  # noqa: SIM110 - a generator would not compile
        if payload[np.uint64(one + byte)] != payload[np.uint64(other + byte)]:
            return False
    return True


@inlined
def _place(
    payload: NDArray[np.uint8],
    table: NDArray[np.int32],
    distinct: NDArray[np.int64],
    kind: int,
    at: int,
    length: int,
    seed: int,
) -> int:
    """Where in `table` the tenant stands, or would."""
    mask = len(table) - 1
    hashed = _hash_bytes(payload, at, length, seed) if length >= 0 else (at ^ seed) * 0x9E3779B97F4A7C1
    place = (hashed ^ (hashed >> 17)) & mask
    while table[place] >= 0:
        other = table[place]
        same_kind = distinct[other, 0] == kind and distinct[other, 2] == length
        start = distinct[other, 1]
        if same_kind and (start == at or (length >= 0 and _same_bytes(payload, start, at, length))):
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
        place = _place(payload, table, distinct, kind[i], at, length, seed)
        if table[place] < 0:
            table[place] = found
            distinct[found, 0] = kind[i]
            distinct[found, 1] = at
            distinct[found, 2] = length
            found += 1
        number[i] = table[place]
    return found


@kernel
def read_elements(
    payload: NDArray[np.uint8],
    positions: NDArray[np.int64],
    union: int,
    branches: NDArray[np.int64],
    first: int,
    integers: NDArray[np.int64],
    kinds: NDArray[np.uint8],
    lengths: NDArray[np.int64],
) -> None:
    """Read some elements of arrays of numbers that `walk` has walked.

    Args:
        payload: the batch's buffer.
        positions: (n,) where each array's first block starts; below 0: there is none.
        union: 1 where the elements are a union.
        branches: kinds of the elements by union branch; one kind where they are no union.
        first: the element that goes to column 0.
        integers: (n, k) becomes the elements, represented as captures are.
        kinds: (n, k) of zeros, becomes their kinds.
        lengths: (n,) becomes how many elements the array has; -1 where there is none.

    """
    end = len(payload)
    for i in range(positions.shape[0]):
        lengths[i] = -1
        if positions[i] < 0:
            continue
        at = positions[i]
        element = 0
        while at >= 0:
            count, _, at = next_block(payload, at, end, end)
            if count == 0 or at < 0:
                break
            for _item in range(count):
                branch = 0
                if union:
                    branch, at = read_index(payload, at, end, len(branches), BAD_BRANCH)
                kind, value, at = _element(payload, at, end, branches[branch])
                column = element - first
                if at < 0:
                    break
                if 0 <= column < integers.shape[1]:
                    integers[i, column] = value
                    kinds[i, column] = kind
                element += 1
        lengths[i] = element


@inlined
def _element(payload: NDArray[np.uint8], at: int, end: int, kind: int) -> tuple[int, int, int]:
    if kind == IS_INTEGER:
        return read_scalar(payload, at, end, LONG, 0, 0)
    if kind == IS_FLOAT:
        return read_scalar(payload, at, end, FLOAT, 0, 0)
    if kind == IS_DOUBLE:
        return kind, read_bits(payload, at, 8), at + 8
    return NULL, 0, at
