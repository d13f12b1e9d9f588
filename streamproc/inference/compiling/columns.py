"""What transformers make of features, column by column, as values that can be inspected.

All transformers that compile work column by column, so a column is a function of one feature: a number and the steps that it
goes through, a text, or a table of what each category becomes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from streamproc.inference import instructions as op
from streamproc.inference.compiling.parts import NotCompilableError
from streamproc.inference.packed import IS_NULL, NOT_FINITE, UNKNOWN_CATEGORY

CHECKS = frozenset({op.CHECK_BOUNDED, op.CHECK_FINITE})
_EXACT = frozenset({op.FILL, op.REPLACE, op.IS_MISSING, op.EQUALS}) | CHECKS
"""Steps that make no infinity."""


@dataclass(frozen=True, slots=True)
class Step:
    """One elementwise instruction on one column."""

    code: int
    a: float = 0.0
    b: float = 0.0


@dataclass(frozen=True, slots=True)
class Number:
    """A feature that is a number, after some steps. Without steps it may yet turn out to be a text."""

    feature: int
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Text:
    """A feature that is a text."""

    feature: int
    replaced: tuple[tuple[str | None, str], ...] = ()
    """What imputers replaced, and by what, in their order; None: missing."""


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A number for each category."""

    base: Number | Text
    """What is looked up; a text as it is in the record."""
    keys: tuple[str, ...] | tuple[float, ...]
    """Sorted: texts by their UTF-8."""
    values: NDArray[np.float64]
    """(keys + 2,): also of anything else, and of what is missing."""
    faults: NDArray[np.int32]
    """(keys + 2,): 0, or why a row with this category is refused; see `packed`."""


Column = Number | Text | Table


@dataclass(frozen=True, slots=True)
class Matrix:
    """Columns side by side, with what scikit-learn's arithmetic on them depends on."""

    columns: tuple[Column, ...]
    frame: bool = False
    """It is the DataFrame of features, whose columns have dtypes of their own."""
    objects: bool = False
    """Known to be an array of objects: nobody looks for infinity in it."""
    sparse: bool = False
    narrow: bool = False
    """It may be float32."""
    wide: bool = False
    """It is known to be float64."""

    def pick(self, places: Sequence[int]) -> Matrix:
        """Some of its columns."""
        return replace(self, columns=tuple(self.columns[place] for place in places))


@dataclass(frozen=True, slots=True)
class Refusals:
    """What scikit-learn would have raised for; filled while transformers are compiled."""

    nulls: set[int] = field(default_factory=set)
    """Features where NaN is refused."""
    infinities: set[int] = field(default_factory=set)
    """Features where infinity is refused."""
    guards: list[Number | Table] = field(default_factory=list)
    """Columns that nobody reads, but that a row is refused for."""

    def drop(self, columns: Sequence[Column]) -> None:
        """Nobody reads these columns further."""
        self.guards.extend(column for column in columns if not isinstance(column, Text) and _may_refuse(column))


def _may_refuse(column: Number | Table) -> bool:
    if isinstance(column, Table):
        return bool(column.faults.any())
    return any(step.code in CHECKS for step in column.steps)


def joined(matrices: Sequence[Matrix], *, sparse: bool) -> Matrix:
    """Side by side, as numpy stacks them."""
    return Matrix(
        tuple(column for matrix in matrices for column in matrix.columns),
        objects=any(matrix.objects for matrix in matrices),
        sparse=sparse,
        narrow=any(matrix.narrow for matrix in matrices) and not any(matrix.wide for matrix in matrices),
        wide=any(matrix.wide for matrix in matrices),
    )


def stepped(column: Column, step: Step) -> Column:
    """The column after one more step."""
    if isinstance(column, Number):
        return Number(column.feature, (*column.steps, step))
    if isinstance(column, Table):
        return replace(column, values=_advanced(column.values, step))
    raise NotCompilableError("text reaches a step that works on numbers")


def null_of(column: Number) -> float:
    """What the column is where its feature is null."""
    value = np.array([np.nan])
    for step in column.steps:
        value = _advanced(value, step)
    return float(value[0])


def _advanced(values: NDArray[np.float64], step: Step) -> NDArray[np.float64]:  # noqa: PLR0911 - one return an instruction
    with np.errstate(all="ignore"):
        match step.code:
            case op.SUBTRACT:
                return values - step.a
            case op.DIVIDE:
                return values / step.a
            case op.MULTIPLY:
                return values * step.a
            case op.ADD:
                return values + step.a
            case op.CLIP:
                return np.asarray(np.clip(values, step.a, step.b), np.float64)
            case op.FILL:
                return np.where(np.isnan(values), step.a, values)
            case op.REPLACE:
                return np.where(values == step.a, step.b, values)
            case op.IS_MISSING:
                return np.where(np.isnan(values), 1.0, 0.0)
            case op.EQUALS:
                return np.where(values == step.a, 1.0, 0.0)
        return values


def checked(matrix: Matrix, refusals: Refusals, *, nan: bool, infinity: bool) -> Matrix:
    """The matrix after a look at its columns that refuses what the flags name."""
    columns = (_checked(column, refusals, nan=nan, infinity=infinity) for column in matrix.columns)
    return replace(matrix, columns=tuple(columns))


def checked_column(column: Column, refusals: Refusals, *, nan: bool, infinity: bool) -> Column:
    """As `checked`, one column."""
    return _checked(column, refusals, nan=nan, infinity=infinity)


def _checked(column: Column, refusals: Refusals, *, nan: bool, infinity: bool) -> Column:
    if isinstance(column, Number):
        return _checked_number(column, refusals, nan=nan, infinity=infinity)
    if isinstance(column, Table):
        return _checked_table(column, nan=nan, infinity=infinity)
    if nan and not any(missing is None for missing, _ in column.replaced):
        refusals.nulls.add(column.feature)
    return column


def _checked_number(column: Number, refusals: Refusals, *, nan: bool, infinity: bool) -> Number:
    if nan and np.isnan(null_of(column)):
        refusals.nulls.add(column.feature)
    if not infinity:
        return column
    if all(step.code in _EXACT for step in column.steps):
        refusals.infinities.add(column.feature)
        return column
    check = op.CHECK_FINITE if nan else op.CHECK_BOUNDED
    if column.steps[-1].code in (check, op.IS_MISSING, op.EQUALS):
        return column
    return Number(column.feature, (*column.steps, Step(check)))


def _checked_table(column: Table, *, nan: bool, infinity: bool) -> Table:
    bad = np.zeros(len(column.values), np.bool_)
    if nan:
        bad |= np.isnan(column.values)
    if infinity:
        bad |= np.isinf(column.values)
    faults = np.full(len(bad), NOT_FINITE, np.int32)
    faults[-2:] = UNKNOWN_CATEGORY, IS_NULL
    return replace(column, faults=np.where((column.faults == 0) & bad, faults, column.faults))
