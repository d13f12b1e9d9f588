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
    VALUE_EMPTY,
    VALUE_LARGE,
    VALUE_NULL,
)
from streamproc.captures import (
    IS_DOUBLE,
    IS_FLOAT,
    IS_INTEGER,
    NULL,
)
from streamproc.jit import inlined, kernel

BUILT_WITH = "b9d3fb17bb9086f9"
"""Digest of the imported modules; written by `python tests/support/built_with.py`."""

RAW, CONFLUENT, SINGLE_OBJECT = 0, 1, 2
"""How records are framed."""


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


@kernel
def read_elements(
    payload: NDArray[np.uint8],
    positions: NDArray[np.int64],
    union: int,
    branches: NDArray[np.int64],
    wanted: NDArray[np.int64],
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
        wanted: (k,) which elements; ascending, none twice.
        integers: (n, k) becomes the elements, represented as captures are.
        kinds: (n, k) of zeros, becomes their kinds.
        lengths: (n,) becomes how many elements the array has; -1 where there is none.

    Each array is read once, whatever is wanted of it.

    """
    end = len(payload)
    for i in range(positions.shape[0]):
        lengths[i] = -1
        if positions[i] < 0:
            continue
        at = positions[i]
        element = 0
        column = 0
        while at >= 0:
            count, _, at = next_block(payload, at, end, end)
            if count == 0 or at < 0:
                break
            for _item in range(count):
                branch = 0
                if union:
                    branch, at = read_index(payload, at, end, len(branches), BAD_BRANCH)
                kind, value, at = _element(payload, at, end, branches[branch])
                if at < 0:
                    break
                if column < wanted.shape[0] and wanted[column] == element:
                    integers[i, column] = value
                    kinds[i, column] = kind
                    column += 1
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
