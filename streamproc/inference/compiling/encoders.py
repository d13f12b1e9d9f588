"""OneHotEncoder and OrdinalEncoder: asked what they make of each category and of anything else, and remembered as tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

from streamproc.inference.compiling.columns import Column, Matrix, Number, Refusals, Table, Text, checked_column
from streamproc.inference.compiling.parts import Estimator, NotCompilableError
from streamproc.inference.compiling.texts import sorted_texts
from streamproc.inference.packed import IS_NULL, UNKNOWN_CATEGORY
from streamproc.models.quiet import quiet

ENCODERS = frozenset({OneHotEncoder, OrdinalEncoder})
_MOST_CATEGORIES = 1024
_MOST_ANSWERS = 4_000_000
_INTEGERS_END = 2.0**53
"""From here on a float64 stands for several integers."""

Category = str | float


def encode(encoder: Estimator, matrix: Matrix, refusals: Refusals) -> Matrix:
    """What the encoder makes of the matrix."""
    name, dtype = type(encoder).__name__, np.dtype(encoder.dtype)
    if matrix.sparse:
        raise NotCompilableError(f"{name} gets a sparse matrix")
    if len(encoder.categories_) != len(matrix.columns):
        raise NotCompilableError(f"{name} was fitted on {len(encoder.categories_)} columns and gets {len(matrix.columns)}")
    if dtype.kind not in "biu" and dtype not in (np.float32, np.float64):
        raise NotCompilableError(f"{name} makes {dtype}")
    known = [_Known.of(categories, name) for categories in encoder.categories_]
    objects = not matrix.frame and (matrix.objects or any(one.is_text for one in known))
    inputs = [_input(column, one, name, objects=objects) for column, one in zip(matrix.columns, known, strict=True)]
    if not objects:
        inputs = [checked_column(column, refusals, nan=False, infinity=True) for column in inputs]
    refuses = encoder.handle_unknown == "error"
    probes = [_Probe.of(column, one, refuses=refuses) for column, one in zip(inputs, known, strict=True)]
    columns: list[Table] = []
    for probe, answers in zip(probes, _asked(encoder, probes), strict=True):
        tables = [Table(probe.base, probe.keys, values, probe.faults) for values in answers.T]
        columns += tables
        if not tables:
            refusals.drop([Table(probe.base, probe.keys, np.zeros(len(probe.faults)), probe.faults)])
    sparse = type(encoder) is OneHotEncoder and bool(encoder.sparse_output)
    return Matrix(tuple(columns), sparse=sparse, narrow=dtype == np.float32, wide=dtype == np.float64)


@dataclass(frozen=True, slots=True)
class _Known:
    """The categories of one column."""

    values: frozenset[Category]
    has_nan: bool
    dtype: np.dtype[np.generic]
    first: object
    """As the encoder has it; what it is asked where the answer is not looked at."""

    @classmethod
    def of(cls, categories: NDArray[np.generic], name: str) -> _Known:
        if len(categories) > _MOST_CATEGORIES:
            raise NotCompilableError(f"{name} knows {len(categories)} categories of a feature; at most {_MOST_CATEGORIES}")
        values = categories.tolist()
        present = [value for value in values if value is not None and not _is_nan(value)]
        if all(isinstance(value, str) for value in present):
            known = frozenset(str(value) for value in present)
            return cls(known, any(map(_is_nan, values)), categories.dtype, values[0])
        if not all(isinstance(value, Real) for value in present):
            raise NotCompilableError(f"{name} knows categories that are neither all text nor all numbers")
        numbers = frozenset(float(value) for value in present)
        if any(abs(value) >= _INTEGERS_END for value in numbers):
            raise NotCompilableError(f"{name} knows integers that a float64 can't tell apart")
        return cls(numbers, any(map(_is_nan, values)), categories.dtype, values[0])

    @property
    def is_text(self) -> bool:
        return any(isinstance(value, str) for value in self.values)

    def includes(self, value: Category) -> bool:
        return self.has_nan if _is_nan(value) else value in self.values

    @property
    def is_object(self) -> bool:
        return self.dtype.kind in "OU"


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and value != value  # noqa: PLR0124 - NaN


def _input(column: Column, known: _Known, name: str, *, objects: bool) -> Column:
    if known.is_text:
        column = Text(column.feature) if isinstance(column, Number) and not column.steps else column
        if not isinstance(column, Text):
            raise NotCompilableError(f"{name} knows texts and gets numbers")
    elif isinstance(column, Text) and known.values:
        raise NotCompilableError(f"{name} knows numbers and gets texts")
    elif isinstance(column, Number) and known.is_object and not objects:
        raise NotCompilableError(f"{name} was fitted on objects and gets numbers")
    return column


@dataclass(frozen=True, slots=True)
class _Probe:
    """What an encoder is asked about one column."""

    base: Number | Text
    keys: tuple[str, ...] | tuple[float, ...]
    questions: tuple[Category, ...]
    """(keys + 2,): what it gets for each key, for anything else, and for what is missing."""
    faults: NDArray[np.int32]
    """(keys + 2,): not 0 where its answer does not count."""
    known: _Known

    @classmethod
    def of(cls, column: Column, known: _Known, *, refuses: bool) -> _Probe:
        base, keys, questions, faults = _table_of(column, known)
        if refuses:
            refused = np.array([not known.includes(value) for value in questions])
            why = np.full(len(questions), UNKNOWN_CATEGORY, np.int32)
            why[-1] = IS_NULL
            faults = np.where((faults == 0) & refused, why, faults).astype(np.int32)
        return cls(base, keys, questions, faults, known)

    def asked(self, rows: int) -> pd.Series[float]:
        dtype = np.dtype(object) if self.known.is_object else np.dtype(np.float64)
        series = np.full(rows, self.known.first, dtype)
        counts = np.flatnonzero(self.faults == 0)
        series[counts] = np.array(self.questions, dtype)[counts]
        return pd.Series(series, dtype=dtype)


_Questions = tuple[Number | Text, tuple[str, ...] | tuple[float, ...], tuple[Category, ...], NDArray[np.int32]]


def _table_of(column: Column, known: _Known) -> _Questions:
    if isinstance(column, Table):
        return column.base, column.keys, tuple(column.values.tolist()), column.faults
    if isinstance(column, Number):
        numbers = tuple(sorted(float(value) for value in known.values))
        other = max((abs(value) for value in numbers), default=0.0) + 1.0
        return column, numbers, (*numbers, other, np.nan), np.zeros(len(numbers) + 2, np.int32)
    missing = {text for text, _ in column.replaced if text is not None}
    keys = sorted_texts({str(value) for value in known.values} | missing)
    other_text = "unknown"
    while other_text in keys:
        other_text += "?"
    questions = (*(_replaced(column, key) for key in keys), other_text, _replaced(column, None))
    return Text(column.feature), keys, questions, np.zeros(len(keys) + 2, np.int32)


def _replaced(column: Text, text: str | None) -> Category:
    for missing, fill in column.replaced:
        text = fill if text == missing else text
    return np.nan if text is None else text


def _asked(encoder: Estimator, probes: Sequence[_Probe]) -> list[NDArray[np.float64]]:
    """For each column, (keys + 2, columns that it becomes)."""
    rows = max((len(probe.questions) for probe in probes), default=0)
    widths = encoder._n_features_outs if type(encoder) is OneHotEncoder else [1] * len(probes)  # noqa: SLF001 - not public
    if rows * sum(widths) > _MOST_ANSWERS:
        raise NotCompilableError(f"{type(encoder).__name__} makes {sum(widths)} columns of too many categories")
    names = getattr(encoder, "feature_names_in_", range(len(probes)))
    frame = pd.concat([probe.asked(rows) for probe in probes], axis=1)
    frame.columns = pd.Index(names)
    with quiet():
        made = encoder.transform(frame)
    answers = np.asarray(made.toarray() if hasattr(made, "toarray") else made, np.float64)
    ends = np.cumsum(widths)
    parts = zip(probes, ends - widths, ends, strict=True)
    return [answers[: len(probe.questions), start:end] for probe, start, end in parts]
