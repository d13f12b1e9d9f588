"""The compiled loop that turns captured values into the columns that a model's final estimator reads."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamproc.captures import IS_BOOLEAN, IS_DOUBLE, IS_ENUM, IS_FLOAT, IS_INTEGER, IS_STRING, NULL
from streamproc.inference.instructions import (
    ADD,
    CHECK_BOUNDED,
    CHECK_FINITE,
    CLIP,
    COPY,
    DIVIDE,
    ENCODE,
    END,
    EQUALS,
    FILL,
    IS_MISSING,
    LOOKUP,
    MATCH,
    MULTIPLY,
    MULTIPLY_ADD,
    REPLACE,
    SUBTRACT,
    SUBTRACT_DIVIDE,
    WORDS,
)
from streamproc.inference.kernel_text import code_of, is_utf8, read_length
from streamproc.inference.packed import (
    BAD_TEXT,
    FEATURES,
    FLOATS,
    INTS,
    IS_INFINITE,
    IS_NAN,
    IS_NULL,
    NOT_FINITE,
    TAKES_INFINITY,
    TAKES_NULL,
    TAKES_TEXT,
    TEXT,
    UNKNOWN_CATEGORY,
)
from streamproc.jit import inlined, kernel

BUILT_WITH = "47ba71b55b9058f9"
"""Digest of the imported modules; written by `python tests/support/built_with.py`."""


_MAGNITUDE = 0x7FFF_FFFF_FFFF_FFFF
_INFINITY = 0x7FF0_0000_0000_0000
"""The bits of infinity; those of every NaN without its sign are above."""


@kernel
def transform(  # noqa: PLR0913, PLR0917 - a kernel takes plain arrays
    slots: NDArray[np.int32],
    positions: NDArray[np.int64],
    values: NDArray[np.int64],
    kinds: NDArray[np.uint8],
    payload: NDArray[np.uint8],
    symbol_bytes: NDArray[np.uint8],
    symbol_bounds: NDArray[np.int64],
    sources: NDArray[np.int32],
    source_start: NDArray[np.int64],
    table: NDArray[np.int64],
    ints: NDArray[np.int32],
    floats: NDArray[np.float64],
    text: NDArray[np.uint8],
    registers: NDArray[np.float64],
    register_start: NDArray[np.int64],
    status: NDArray[np.uint8],
    where: NDArray[np.int32],
) -> None:
    """Fill the registers of n rows; rows whose status is not 0 on entry are left alone, and a row at fault gets one.

    Args:
        slots: (n,) rows of the model table.
        positions: (n,) rows of `values` and `kinds`.
        values: (m, w) captured values, see `captures`.
        kinds: (m, w)
        payload: what positions of strings count bytes of; walked and found sound by the decoder.
        symbol_bytes: the UTF-8 of all enum symbols.
        symbol_bounds: (symbols + 1,): symbol s is `symbol_bytes[symbol_bounds[s]:symbol_bounds[s + 1]]`.
        sources: the column of `values` that each feature of a row's model is read from, -1: absent, which is null.
        source_start: (n,): where a row's sources begin.
        table: of the arenas, as are `ints`, `floats` and `text`.
        ints: see `table`.
        floats: see `table`.
        text: see `table`.
        registers: of the run, as are the following.
        register_start: (n,)
        status: (n,)
        where: (n,), written only where a row is at fault.

    """
    doubles = values.view(np.float64)
    singles = values.view(np.float32)
    bits = registers.view(np.int64)
    for row in range(slots.shape[0]):
        if status[row] != 0:
            continue
        slot = slots[row]
        position = positions[row]
        base = register_start[row]
        n_features = table[slot, FEATURES]
        program = table[slot, INTS]
        source = source_start[row]
        fault = _read_features(
            n_features, program, base, row, position, source, ints, registers, values, doubles, singles, kinds, payload,
            sources, where,
        )  # fmt: skip
        if fault == 0:
            fault = _run(
                program + n_features, table[slot, FLOATS], table[slot, TEXT], base, row, position, source, ints, floats, text,
                registers, bits, values, kinds, payload, symbol_bytes, symbol_bounds, sources, where,
            )  # fmt: skip
        status[row] = fault


@inlined
def _read_features(  # noqa: PLR0913, PLR0917 - as the kernel that it is a part of
    count: int,
    flags: int,
    base: int,
    row: int,
    position: int,
    source: int,
    ints: NDArray[np.int32],
    registers: NDArray[np.float64],
    values: NDArray[np.int64],
    doubles: NDArray[np.float64],
    singles: NDArray[np.float32],
    kinds: NDArray[np.uint8],
    payload: NDArray[np.uint8],
    sources: NDArray[np.int32],
    where: NDArray[np.int32],
) -> int:
    """Into the first registers; text becomes NaN. Returns what is wrong with the first feature at fault, or 0."""
    for feature in range(count):
        column = sources[np.uint64(source + feature)]
        kind = kinds[position, np.uint64(column)] if column >= 0 else NULL
        number = np.nan
        if kind == IS_DOUBLE:
            number = doubles[position, np.uint64(column)]
        elif kind in (IS_INTEGER, IS_BOOLEAN):
            number = np.float64(values[position, column])
        elif kind == IS_FLOAT:
            number = np.float64(singles[position, 2 * column])  # the lower half, little-endian
        registers[np.uint64(base + feature)] = number
        if not np.isfinite(number):
            fault = _fault_of(number, kind, ints[flags + feature], payload, values[position, max(column, 0)])
            if fault != 0:
                where[row] = feature
                return fault
    return 0


@inlined
def _fault_of(number: float, kind: int, flags: int, payload: NDArray[np.uint8], value: int) -> int:
    """What is wrong with a feature that is no finite number; text is NaN here."""
    if kind in (NULL, IS_DOUBLE, IS_FLOAT):
        if np.isinf(number):
            return 0 if flags & TAKES_INFINITY else IS_INFINITE
        if flags & TAKES_NULL:
            return 0
        return IS_NULL if kind == NULL else IS_NAN
    if not flags & TAKES_TEXT:
        return UNKNOWN_CATEGORY
    if kind == IS_STRING:
        length, start = read_length(payload, value)
        if not is_utf8(payload, start, length):
            return BAD_TEXT
    return 0


@inlined
def _run(  # noqa: C901, PLR0912, PLR0913, PLR0915, PLR0917 - an interpreter's dispatch: splitting it would cost time
    start: int,
    floats_at: int,
    text_at: int,
    base: int,
    row: int,
    position: int,
    source: int,
    ints: NDArray[np.int32],
    floats: NDArray[np.float64],
    text: NDArray[np.uint8],
    registers: NDArray[np.float64],
    bits: NDArray[np.int64],
    values: NDArray[np.int64],
    kinds: NDArray[np.uint8],
    payload: NDArray[np.uint8],
    symbol_bytes: NDArray[np.uint8],
    symbol_bounds: NDArray[np.int64],
    sources: NDArray[np.int32],
    where: NDArray[np.int32],
) -> int:
    """The instructions from `start` on; returns the row's status."""
    at = start
    while True:
        op = ints[at]
        if op == END:
            return 0
        feature = ints[at + 1]
        n = ints[at + 3]
        own = start + ints[at + 4]
        # Unsigned, so that the compiler needs no thought of Python's negative indexes, and can take several columns at a time.
        read = np.uint64(base + feature)
        write = np.uint64(base + ints[at + 2])
        a = np.uint64(floats_at + ints[at + 5])
        count = np.uint64(n)
        b = a + count
        at += WORDS
        if op == SUBTRACT_DIVIDE:
            for i in range(count):
                registers[write + i] = (registers[read + i] - floats[a + i]) / floats[b + i]
        elif op == CHECK_FINITE:
            bad = False
            for i in range(count):
                bad |= (bits[read + i] & _MAGNITUDE) >= _INFINITY
            if bad:
                where[row] = -1
                return NOT_FINITE
        elif op == CHECK_BOUNDED:
            bad = False
            for i in range(count):
                bad |= (bits[read + i] & _MAGNITUDE) == _INFINITY
            if bad:
                where[row] = -1
                return NOT_FINITE
        elif op == COPY:
            for i in range(count):
                registers[write + i] = registers[read + i]
        elif op == SUBTRACT:
            for i in range(count):
                registers[write + i] = registers[read + i] - floats[a + i]
        elif op == DIVIDE:
            for i in range(count):
                registers[write + i] = registers[read + i] / floats[a + i]
        elif op == MULTIPLY:
            for i in range(count):
                registers[write + i] = registers[read + i] * floats[a + i]
        elif op == ADD:
            for i in range(count):
                registers[write + i] = registers[read + i] + floats[a + i]
        elif op == MULTIPLY_ADD:
            for i in range(count):
                registers[write + i] = registers[read + i] * floats[a + i] + floats[b + i]
        elif op == CLIP:
            for i in range(count):
                number = registers[read + i]
                number = max(number, floats[a + i])
                registers[write + i] = min(number, floats[b + i])
        elif op == FILL:
            for i in range(count):
                number = registers[read + i]
                registers[write + i] = floats[a + i] if np.isnan(number) else number
        elif op == REPLACE:
            for i in range(count):
                number = registers[read + i]
                registers[write + i] = floats[b + i] if number == floats[a + i] else number
        elif op == IS_MISSING:
            for i in range(count):
                registers[write + i] = 1.0 if np.isnan(registers[read + i]) else 0.0
        elif op == EQUALS:
            for i in range(count):
                registers[write + i] = 1.0 if registers[read + i] == floats[a + i] else 0.0
        elif op == MATCH:
            code = n + 1
            column = sources[source + feature]
            kind = kinds[position, column] if column >= 0 else NULL
            if kind == IS_STRING:
                length, first = read_length(payload, values[position, column])
                code = code_of(payload, first, length, text, text_at, ints, own, n)
            elif kind == IS_ENUM:
                symbol = values[position, column]
                first = symbol_bounds[symbol]
                code = code_of(symbol_bytes, first, symbol_bounds[symbol + 1] - first, text, text_at, ints, own, n)
            elif kind != NULL and not (kind in (IS_DOUBLE, IS_FLOAT) and np.isnan(registers[read])):
                code = n
            registers[write] = code
            fault = ints[own + n + 1 + code]
            if fault != 0:
                where[row] = feature
                return int(fault)
        elif op == ENCODE:
            code = _place(registers[read], floats, a, n)
            registers[write] = code
            fault = ints[own + 1 + code]
            if fault != 0:
                where[row] = ints[own]
                return int(fault)
        elif op == LOOKUP:
            a += np.uint64(n * int(registers[read]))
            for i in range(count):
                registers[write + i] = floats[a + i]
        else:
            for i in range(count):
                registers[write + i] = floats[a + i]
            code = int(registers[read])
            hot = ints[own + code]
            if hot >= 0:
                registers[write + np.uint64(hot)] = floats[b + np.uint64(code)]


@inlined
def _place(number: float, floats: NDArray[np.float64], keys: np.uint64, count: int) -> int:
    """The number's code among `count` sorted floats from `keys` on."""
    if np.isnan(number):
        return count + 1
    low = 0
    high = count
    while low < high:
        middle = (low + high) // 2
        if floats[keys + np.uint64(middle)] < number:
            low = middle + 1
        else:
            high = middle
    return low if low < count and floats[keys + np.uint64(low)] == number else count
