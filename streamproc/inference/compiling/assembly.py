"""Columns → the instructions that kernels run for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise

import numpy as np
from numpy.typing import NDArray

from streamproc.inference import instructions as op
from streamproc.inference.compiling.columns import Column, Matrix, Number, Refusals, Step, Table, Text, null_of
from streamproc.inference.compiling.parts import NotCompilableError, Transform
from streamproc.inference.packed import IGNORED, KNOWS_NUMBERS, TAKES_INFINITY, TAKES_NULL, TAKES_TEXT

_FUSED = {(op.SUBTRACT, op.DIVIDE): op.SUBTRACT_DIVIDE, (op.MULTIPLY, op.ADD): op.MULTIPLY_ADD}
_ONE = frozenset({op.SUBTRACT, op.DIVIDE, op.MULTIPLY, op.ADD, op.FILL, op.EQUALS})
"""Steps with one float."""
_TWO = frozenset({op.CLIP, op.REPLACE})
_LEAST_HOT = 4
"""Tables of more columns than this are kept as what differs, if one column at most does."""


def assemble(n_features: int, matrix: Matrix, refusals: Refusals) -> Transform:
    """The transform that makes the columns of `matrix`, and refuses rows as `refusals` says."""
    columns, guards = matrix.columns, refusals.guards
    if any(isinstance(column, Text) for column in columns):
        raise NotCompilableError("text reaches the final estimator as it is")
    tables = [column for column in (*columns, *guards) if isinstance(column, Table)]
    codes = _codes(tables)
    texts = {base.feature for base in codes if isinstance(base, Text)}
    numbers = [column for column in (*columns, *guards, *codes) if isinstance(column, Number)]
    if both := texts & {column.feature for column in numbers}:
        raise NotCompilableError(f"feature {min(both)} is read as a text and as a number")
    listing = _Listing()
    if _is_plain(columns, n_features):
        first, scratch = 0, n_features
    else:
        first, scratch = n_features, n_features + len(columns)
    registers = _Registers(scratch, scratch)
    _list_guards([guard for guard in guards if isinstance(guard, Number)], listing, registers)
    _list_codes(codes, listing, registers)
    _list_columns(columns, codes, first, listing)
    ints, floats = listing.arrays()
    return Transform(
        flags=_flags(n_features, numbers, codes, refusals),
        registers=registers.most,
        first=first,
        ints=ints,
        floats=floats,
        text=np.frombuffer(b"".join(listing.text), np.uint8).copy(),
    )


def _is_plain(columns: Sequence[Column], n_features: int) -> bool:
    """Whether each feature makes the column at its own place, so that no other register is needed."""
    if len(columns) != n_features:
        return False
    return all(isinstance(column, Number) and column.feature == place for place, column in enumerate(columns))


@dataclass(slots=True)
class _Registers:
    """Registers for what is no column of the final estimator."""

    free: int
    most: int

    def take(self) -> int:
        self.free += 1
        self.most = max(self.most, self.free)
        return self.free - 1


@dataclass(slots=True)
class _Codes:
    """All tables that are looked up by the same number or text."""

    keys: tuple[str, ...] | tuple[float, ...]
    faults: NDArray[np.int32]
    register: int = -1

    def aligned(self, table: Table) -> NDArray[np.float64]:
        """The table's values by these codes."""
        return table.values[_places(self.keys, table)]


def _places(keys: Sequence[str | float], table: Table) -> NDArray[np.int64]:
    """Where each key, anything else, and what is missing stand in the table."""
    own = {key: place for place, key in enumerate(table.keys)}
    other = len(table.keys)
    return np.array([*(own.get(key, other) for key in keys), other, other + 1], np.int64)


def _codes(tables: Sequence[Table]) -> dict[Number | Text, _Codes]:
    by_base: dict[Number | Text, list[Table]] = {}
    for table in tables:
        by_base.setdefault(table.base, []).append(table)
    return {base: _merged(own) for base, own in by_base.items()}


def _merged(tables: Sequence[Table]) -> _Codes:
    keys = tables[0].keys
    if any(table.keys is not keys and table.keys != keys for table in tables):
        distinct = {key for table in tables for key in table.keys}
        texts = sorted((key for key in distinct if isinstance(key, str)), key=str.encode)
        keys = tuple(texts) or tuple(sorted(key for key in distinct if not isinstance(key, str)))
    faults = np.zeros(len(keys) + 2, np.int32)
    for table in tables:
        if table.faults.any():
            own = table.faults[_places(keys, table)]
            faults = np.where(faults == 0, own, faults)
    return _Codes(keys, faults.astype(np.int32))


def _flags(
    n_features: int, numbers: Iterable[Number], codes: dict[Number | Text, _Codes], refusals: Refusals
) -> NDArray[np.int32]:
    """What each feature may be."""
    texts = {base.feature for base in codes if isinstance(base, Text)}
    categories = {base.feature for base in codes if isinstance(base, Number)}
    looked_at = texts | categories | {column.feature for column in numbers} | refusals.nulls | refusals.infinities
    nulls = refusals.nulls | {base.feature for base, own in codes.items() if own.faults[_code_of_null(base, own)]}
    flags = np.zeros(n_features, np.int32)
    for feature in range(n_features):
        flags[feature] |= 0 if feature in looked_at else IGNORED
        flags[feature] |= TAKES_TEXT if feature in texts else 0
        flags[feature] |= KNOWS_NUMBERS if feature in categories else 0
        flags[feature] |= 0 if feature in nulls else TAKES_NULL
        flags[feature] |= 0 if feature in refusals.infinities - texts else TAKES_INFINITY
    return flags


def _code_of_null(base: Number | Text, codes: _Codes) -> int:
    value = np.nan if isinstance(base, Text) else null_of(base)
    if np.isnan(value):
        return len(codes.keys) + 1
    return codes.keys.index(value) if value in codes.keys else len(codes.keys)


@dataclass(slots=True)
class _Listing:
    """Instructions and what they refer to."""

    instructions: list[tuple[int, int, int, int, int, int]] = field(default_factory=list)
    ints: list[int] = field(default_factory=list)
    floats: list[NDArray[np.float64]] = field(default_factory=list)
    text: list[bytes] = field(default_factory=list)

    def add(
        self, code: int, read: int, write: int, n: int, *, ints: Sequence[int] = (), floats: Sequence[NDArray[np.float64]] = ()
    ) -> None:
        self.instructions.append((code, read, write, n, len(self.ints), sum(map(len, self.floats))))
        self.ints.extend(ints)
        self.floats.extend(floats)

    def arrays(self) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """The ints, instructions first, and the floats."""
        before = len(self.instructions) * op.WORDS + 1
        listed = np.array(self.instructions, np.int32).reshape(-1, op.WORDS)
        listed[:, 4] += before
        ints = np.concatenate([listed.ravel(), np.array([op.END], np.int32), np.array(self.ints, np.int32)])
        return ints, np.concatenate([*self.floats, np.empty(0)])


def _list_guards(guards: Sequence[Number], listing: _Listing, registers: _Registers) -> None:
    before = registers.free
    for guard in guards:
        _list_steps([guard], registers.take(), listing)
        registers.free = before


def _list_codes(codes: dict[Number | Text, _Codes], listing: _Listing, registers: _Registers) -> None:
    for base, own in codes.items():
        faults = own.faults.tolist()
        if isinstance(base, Text):
            own.register = base.feature
            encoded = [str(key).encode() for key in own.keys]
            bounds = np.cumsum([sum(map(len, listing.text)), *map(len, encoded)]).tolist()
            listing.text.extend(encoded)
            listing.add(op.MATCH, base.feature, base.feature, len(own.keys), ints=[*bounds, *faults])
            continue
        own.register = registers.take()
        read = base.feature
        if base.steps:
            _list_steps([base], own.register, listing)
            read = own.register
        keys = np.array(own.keys, np.float64)
        listing.add(op.ENCODE, read, own.register, len(keys), ints=[base.feature, *faults], floats=[keys])


def _list_columns(columns: Sequence[Column], codes: dict[Number | Text, _Codes], first: int, listing: _Listing) -> None:
    write = first
    for run in _runs(columns):
        if isinstance(run[0], Number):
            _list_steps([column for column in run if isinstance(column, Number)], write, listing)
        else:
            _list_tables([column for column in run if isinstance(column, Table)], codes, write, listing)
        write += len(run)


def _runs(columns: Sequence[Column]) -> Iterator[list[Column]]:
    """Neighbours that one instruction can make."""
    starts = [True, *(not _alike(one, other) for one, other in pairwise(columns))]
    numbered = zip(np.cumsum(starts[: len(columns)]).tolist(), columns, strict=True)
    for _, run in groupby(numbered, key=lambda pair: pair[0]):
        yield [column for _, column in run]


def _alike(one: Column, other: Column) -> bool:
    if isinstance(one, Number) and isinstance(other, Number):
        codes = [step.code for step in one.steps] == [step.code for step in other.steps]
        return codes and other.feature == one.feature + 1
    return isinstance(one, Table) and isinstance(other, Table) and one.base == other.base


def _list_steps(columns: Sequence[Number], write: int, listing: _Listing) -> None:
    """Columns of successive features with the same kinds of steps."""
    n, read = len(columns), columns[0].feature
    steps = [[column.steps[place] for column in columns] for place in range(len(columns[0].steps))]
    if not steps and read != write:
        listing.add(op.COPY, read, write, n)
    place = 0
    while place < len(steps):
        code = steps[place][0].code
        fused = _FUSED.get((code, steps[place + 1][0].code)) if place + 1 < len(steps) else None
        floats = _floats(steps[place])
        if fused is not None:
            floats += _floats(steps[place + 1])
        listing.add(code if fused is None else fused, read, write, n, floats=floats)
        read = write if code not in (op.CHECK_BOUNDED, op.CHECK_FINITE) else read
        place += 1 if fused is None else 2


def _floats(steps: Sequence[Step]) -> list[NDArray[np.float64]]:
    code = steps[0].code
    a, b = np.array([step.a for step in steps]), np.array([step.b for step in steps])
    if code in _TWO:
        return [a, b]
    return [a] if code in _ONE else []


def _list_tables(tables: Sequence[Table], codes: dict[Number | Text, _Codes], write: int, listing: _Listing) -> None:
    """Columns that are looked up by the same code."""
    own = codes[tables[0].base]
    values = np.stack([own.aligned(table) for table in tables], axis=1)
    base = np.sort(values, axis=0)[len(values) // 2]
    values[own.faults != 0] = base  # nobody will look them up
    differs = values != base
    if len(tables) <= _LEAST_HOT or np.isnan(values).any() or differs.sum(axis=1).max() > 1:
        listing.add(op.LOOKUP, own.register, write, len(tables), floats=[values.ravel()])
        return
    hot = np.where(differs.any(axis=1), np.argmax(differs, axis=1), -1)
    becomes = np.where(hot >= 0, values[np.arange(len(values)), hot], 0.0)
    listing.add(op.ONE_HOT, own.register, write, len(tables), ints=hot.tolist(), floats=[base, becomes])
