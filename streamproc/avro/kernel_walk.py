"""The compiled walk over records: runs a schema program, captures what is wanted, finds what is wrong."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamproc.avro.kernel_reads import capture_doubles, next_block, read_index, read_scalar, skip
from streamproc.avro.opcodes import (
    BAD_BRANCH,
    BLOCK_SIZE,
    BLOCKS,
    CALL,
    DOUBLES,
    END,
    JUMP,
    MAX_DEPTH,
    RETURN,
    SKIP_ENUM,
    SKIP_FIXED,
    TOO_DEEP,
    TRAILING,
    UNION,
)
from streamproc.captures import (
    NULL,
)
from streamproc.jit import inlined, kernel

BUILT_WITH = "b9d3fb17bb9086f9"
"""Digest of the imported modules; written by `python tests/support/built_with.py`."""


@inlined
def _after_empty_items(payload: NDArray[np.uint8], at: int, end: int, budget: int) -> tuple[int, int]:
    """Walk the blocks of an array whose items take no bytes; returns the items counted, and the position."""
    items = 0
    while True:
        count, block_end, at = next_block(payload, at, end, budget - items)
        if at < 0 or count == 0:
            return items, at
        if block_end >= 0 and block_end != at:
            return items, -BLOCK_SIZE
        items += count


@inlined
def _walk_record(  # noqa: C901, PLR0912, PLR0913, PLR0915, PLR0917 - an interpreter's dispatch: splitting it would cost time
    payload: NDArray[np.uint8],
    at: int,
    end: int,
    ops: NDArray[np.int64],
    jumps: NDArray[np.int64],
    budget: int,
    values: NDArray[np.int64],
    kinds: NDArray[np.uint8],
    row: int,
    stack: NDArray[np.int64],
) -> tuple[int, int, int]:
    """Run the program over one record: (fault or 0, position, instruction).

    `stack` holds (return instruction, depth) of calls and (items left, end of block) of arrays and maps: they nest properly.
    """
    pc = 0
    top = 0
    depth = 0
    while True:
        code = ops[pc, 0]
        a = ops[pc, 1]
        start = at
        if code == DOUBLES:
            at = capture_doubles(payload, at, end, a, ops[pc, 2], values, kinds, row)
        elif code > DOUBLES:
            kind, value, at = read_scalar(payload, at, end, code, ops[pc, 2], ops[pc, 3])
            if at >= 0:
                kinds[row, a] = kind
                values[row, a] = value
        elif SKIP_FIXED <= code <= SKIP_ENUM:
            at = skip(payload, at, end, code, a)
        elif code == UNION:
            branch, at = read_index(payload, at, end, ops[pc, 2], BAD_BRANCH)
            if at >= 0:
                pc = jumps[a + branch]
                continue
        elif code == JUMP:
            pc = a
            continue
        elif code == END:
            return TRAILING if at != end else 0, at, pc
        elif code == CALL:
            if depth + ops[pc, 2] > MAX_DEPTH:
                return TOO_DEEP, start, pc
            stack[top, 0] = pc + 1
            stack[top, 1] = depth
            top += 1
            depth += ops[pc, 2]
            pc = a
            continue
        elif code == RETURN:
            top -= 1
            pc = stack[top, 0]
            depth = stack[top, 1]
            continue
        elif code == BLOCKS:
            if depth + ops[pc, 2] > MAX_DEPTH:
                return TOO_DEEP, start, pc
            if ops[pc, 3] == 1:
                items, at = _after_empty_items(payload, at, end, budget)
                budget -= items
                if at >= 0:
                    pc = a
                    continue
            else:
                items, block_end, at = next_block(payload, at, end, budget)
                if at >= 0 and items == 0:
                    pc = a
                    continue
                budget -= items
                stack[top, 0] = items
                stack[top, 1] = block_end
                top += 1
        else:  # NEXT_ITEM
            stack[top - 1, 0] -= 1
            if stack[top - 1, 0] > 0:
                pc = a + 1
                continue
            top -= 1
            if stack[top, 1] >= 0 and stack[top, 1] != at:
                return BLOCK_SIZE, at, pc
            pc = a
            continue
        if at < 0:
            return -at, start, pc
        pc += 1


@kernel
def walk(  # noqa: PLR0913, PLR0917 - a kernel takes plain arrays
    payload: NDArray[np.uint8],
    bounds: NDArray[np.int64],
    body: NDArray[np.int64],
    rows: NDArray[np.int64],
    ops: NDArray[np.int64],
    jumps: NDArray[np.int64],
    max_items: int,
    values: NDArray[np.int64],
    kinds: NDArray[np.uint8],
    fault: NDArray[np.uint8],
    place: NDArray[np.int64],
    stack: NDArray[np.int64],
) -> None:
    """Run a program over the records of `rows`.

    Record `rows[i]` is ``payload[body[rows[i]]:bounds[rows[i] + 1]]``; its captures go to row i of `values` and `kinds`, which
    must hold zeros in `kinds`. Where a record can't be walked, `fault[rows[i]]` becomes its fault, `place[rows[i]]` (position
    in the body, instruction), and its kinds become null. `stack` is room to work in: (MAX_DEPTH, 2).
    """
    for i in range(rows.shape[0]):
        row = rows[i]
        found, at, pc = _walk_record(payload, body[row], bounds[row + 1], ops, jumps, max_items, values, kinds, i, stack)
        if found:
            fault[row] = found
            place[row, 0] = at - body[row]
            place[row, 1] = pc
            for slot in range(kinds.shape[1]):
                kinds[i, slot] = NULL
