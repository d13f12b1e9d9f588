"""Compiled reads of single Avro values.

Every read is checked against `end` first; positions count bytes of the batch's buffer. A function that moves through the
buffer returns the next position, or the negated number of a fault (see `opcodes`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamproc.avro.opcodes import (
    BAD_BOOLEAN,
    BAD_LENGTH,
    BAD_SYMBOL,
    BAD_VARINT,
    BOOLEAN,
    FLOAT,
    INT,
    INT_RANGE,
    LONG,
    MARK,
    SKIP_BOOLEAN,
    SKIP_BYTES,
    SKIP_FIXED,
    SKIP_INT,
    SKIP_LONG,
    TOO_MANY_ITEMS,
    TRUNCATED,
)
from streamproc.captures import (
    IS_BOOLEAN,
    IS_DOUBLE,
    IS_ENUM,
    IS_FLOAT,
    IS_INTEGER,
    NULL,
)
from streamproc.jit import byte_at, inlined, signed

BUILT_WITH = "cd8b30299ca7a113"
"""Digest of the imported modules; written by `python tests/support/built_with.py`."""

_MIN_LONG = np.iinfo(np.int64).min
_MAX_INT = np.iinfo(np.int32).max
_MIN_INT = np.iinfo(np.int32).min


@inlined
def read_long(payload: NDArray[np.uint8], at: int, end: int) -> tuple[int, int]:
    """The zigzag varint at `at`, and the position after it."""
    value = np.uint64(0)
    shift = np.uint64(0)
    while at < end:
        byte = np.uint64(payload[np.uint64(at)])
        at += 1
        if shift == np.uint64(63) and byte > np.uint64(1):
            return 0, -BAD_VARINT
        value |= (byte & np.uint64(0x7F)) << shift
        if byte < np.uint64(0x80):
            return signed(value >> np.uint64(1)) ^ -signed(value & np.uint64(1)), at
        shift += np.uint64(7)
    return 0, -TRUNCATED


@inlined
def read_bits(payload: NDArray[np.uint8], at: int, width: int) -> int:
    """`width` bytes, little-endian, as an integer."""
    bits = np.uint64(0)
    for byte in range(width):
        bits |= np.uint64(payload[np.uint64(at + byte)]) << np.uint64(8 * byte)
    return signed(bits)


@inlined
def read_big_endian(payload: NDArray[np.uint8], at: int, width: int) -> int:
    """`width` bytes, big-endian, unchecked."""
    bits = 0
    for byte in range(width):
        bits = (bits << 8) | byte_at(payload, at + byte)
    return bits


@inlined
def _after_bytes(payload: NDArray[np.uint8], at: int, end: int) -> int:
    length, at = read_long(payload, at, end)
    if at < 0:
        return at
    if length < 0:
        return -BAD_LENGTH
    if length > end - at:
        return -TRUNCATED
    return at + length


@inlined
def _after_longs(payload: NDArray[np.uint8], at: int, end: int, count: int) -> int:
    for _ in range(count):
        _, at = read_long(payload, at, end)
        if at < 0:
            return at
    return at


@inlined
def read_int(payload: NDArray[np.uint8], at: int, end: int) -> tuple[int, int]:
    """The int at `at`, a long within 32 bits."""
    value, at = read_long(payload, at, end)
    if at >= 0 and (value < _MIN_INT or value > _MAX_INT):
        return 0, -INT_RANGE
    return value, at


@inlined
def _after_ints(payload: NDArray[np.uint8], at: int, end: int, count: int) -> int:
    for _ in range(count):
        _, at = read_int(payload, at, end)
        if at < 0:
            return at
    return at


@inlined
def read_boolean(payload: NDArray[np.uint8], at: int, end: int) -> tuple[int, int]:
    """The boolean at `at`."""
    if at >= end:
        return 0, -TRUNCATED
    byte = byte_at(payload, at)
    if byte > 1:
        return 0, -BAD_BOOLEAN
    return byte, at + 1


@inlined
def read_index(payload: NDArray[np.uint8], at: int, end: int, count: int, fault: int) -> tuple[int, int]:
    """An index below `count`; `fault` where it is none."""
    index, at = read_long(payload, at, end)
    if at >= 0 and (index < 0 or index >= count):
        return 0, -fault
    return index, at


@inlined
def skip(payload: NDArray[np.uint8], at: int, end: int, code: int, a: int) -> int:
    """The position after what a skip instruction (`code`, `a`) walks."""
    if code == SKIP_FIXED:
        return at + a if a <= end - at else -TRUNCATED
    if code == SKIP_LONG:
        return _after_longs(payload, at, end, a)
    if code == SKIP_INT:
        return _after_ints(payload, at, end, a)
    if code == SKIP_BYTES:
        return _after_bytes(payload, at, end)
    if code == SKIP_BOOLEAN:
        return read_boolean(payload, at, end)[1]
    return read_index(payload, at, end, a, BAD_SYMBOL)[1]


@inlined
def capture_doubles(
    payload: NDArray[np.uint8],
    at: int,
    end: int,
    slot: int,
    count: int,
    values: NDArray[np.int64],
    kinds: NDArray[np.uint8],
    row: int,
) -> int:
    """Capture `count` doubles into the slots from `slot` on."""
    if 8 * count > end - at:
        return -TRUNCATED
    for number in range(count):
        values[row, slot + number] = read_bits(payload, at + 8 * number, 8)
        kinds[row, slot + number] = IS_DOUBLE
    return at + 8 * count


@inlined
def read_scalar(  # noqa: PLR0911 - one return an instruction
    payload: NDArray[np.uint8], at: int, end: int, code: int, b: int, c: int
) -> tuple[int, int, int]:
    """One captured value: its kind, its representation and the position after it."""
    if code == MARK:
        return b, at, at
    if code == LONG:
        value, at = read_long(payload, at, end)
        return IS_INTEGER, value, at
    if code == INT:
        value, at = read_int(payload, at, end)
        return IS_INTEGER, value, at
    if code == FLOAT:
        if end - at < 4:  # noqa: PLR2004 - the bytes of a float
            return NULL, 0, -TRUNCATED
        return IS_FLOAT, read_bits(payload, at, 4), at + 4
    if code == BOOLEAN:
        value, at = read_boolean(payload, at, end)
        return IS_BOOLEAN, value, at
    value, at = read_index(payload, at, end, b, BAD_SYMBOL)
    return IS_ENUM, value + c, at


@inlined
def next_block(payload: NDArray[np.uint8], at: int, end: int, budget: int) -> tuple[int, int, int]:
    """The next block's number of items, the position where it must end (-1: it does not say), and where its items start."""
    count, at = read_long(payload, at, end)
    block_end = -1
    if at >= 0 and count < 0:
        size, at = read_long(payload, at, end)
        if at >= 0 and size < 0:
            at = -BAD_LENGTH
        elif at >= 0 and size > end - at:
            at = -TRUNCATED
        block_end = at + size
        count = -count
    if at >= 0 and (count > budget or count == _MIN_LONG):
        at = -TOO_MANY_ITEMS
    return count, block_end, at
