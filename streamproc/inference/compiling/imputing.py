"""SimpleImputer, for numbers and in front of encoders."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from sklearn.impute import SimpleImputer

from streamproc.inference import instructions as op
from streamproc.inference.compiling.columns import (
    Column,
    Matrix,
    Number,
    Refusals,
    Step,
    Table,
    Text,
    checked,
    stepped,
)
from streamproc.inference.compiling.parts import NotCompilableError
from streamproc.inference.compiling.texts import sorted_texts


def impute(imputer: SimpleImputer, matrix: Matrix, refusals: Refusals) -> Matrix:
    """What the imputer makes of the matrix: filled columns, then an indicator for each of those that have one."""
    missing = _Missing.of(imputer.missing_values)
    objects = imputer._fit_dtype.kind == "O"  # noqa: SLF001 - decides what its transform makes of its input
    statistics = np.asarray(imputer.statistics_)
    if len(statistics) != len(matrix.columns):
        raise NotCompilableError(f"SimpleImputer was fitted on {len(statistics)} columns and gets {len(matrix.columns)}")
    kept = np.ones(len(statistics), np.bool_)
    if not imputer.keep_empty_features:
        kept = np.array([not _is_nan(value) for value in statistics.tolist()], np.bool_)
    fills = statistics[kept].astype(imputer._fill_dtype).tolist()  # noqa: SLF001 - as above
    texts = {place for place, fill in zip(np.flatnonzero(kept).tolist(), fills, strict=True) if isinstance(fill, str)}
    matrix = Matrix(
        tuple(_as_text(column) if place in texts or missing.is_text else column for place, column in enumerate(matrix.columns)),
        matrix.frame,
        sparse=matrix.sparse,
        narrow=matrix.narrow,
        wide=matrix.wide,
    )
    matrix = checked(matrix, refusals, nan=not missing.is_nan, infinity=not objects)
    refusals.drop([column for column, keeps in zip(matrix.columns, kept, strict=True) if not keeps])
    filled = [missing.filled(matrix.columns[place], fill) for place, fill in zip(np.flatnonzero(kept), fills, strict=True)]
    indicated = [] if imputer.indicator_ is None else np.asarray(imputer.indicator_.features_).tolist()
    indicators = [missing.indicator(matrix.columns[place]) for place in indicated]
    wide = not objects and not matrix.narrow and imputer.strategy in ("mean", "median")
    return Matrix((*filled, *indicators), objects=objects, sparse=matrix.sparse, narrow=matrix.narrow, wide=matrix.wide or wide)


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and value != value  # noqa: PLR0124 - NaN


def _as_text(column: Column) -> Column:
    return Text(column.feature) if isinstance(column, Number) and not column.steps else column


@dataclass(frozen=True, slots=True)
class _Missing:
    """The value that an imputer replaces."""

    value: Any  # a number or a text

    @classmethod
    def of(cls, value: object) -> _Missing:
        if isinstance(value, (str, Real)):
            return cls(value if isinstance(value, str) else float(value))
        raise NotCompilableError(f"SimpleImputer replaces a {type(value).__name__}, neither a number nor a text")

    @property
    def is_nan(self) -> bool:
        return _is_nan(self.value)

    @property
    def is_text(self) -> bool:
        return isinstance(self.value, str)

    def filled(self, column: Column, fill: object) -> Column:
        if isinstance(column, Text):
            return self._filled_text(column, fill)
        if not isinstance(fill, Real):
            raise NotCompilableError(f"SimpleImputer fills a number by a {type(fill).__name__}")
        if self.is_text:
            return column
        value = float(fill)
        if not np.isfinite(value):
            raise NotCompilableError("SimpleImputer fills by a value that is not finite")
        return stepped(column, Step(op.FILL, value) if self.is_nan else Step(op.REPLACE, self.value, value))

    def _filled_text(self, column: Text, fill: object) -> Text:
        if not isinstance(fill, str):
            raise NotCompilableError(f"SimpleImputer fills a text by a {type(fill).__name__}")
        if not self.is_text and not self.is_nan:
            return column  # a number, which no text equals
        return Text(column.feature, (*column.replaced, (self.value if self.is_text else None, fill)))

    def indicator(self, column: Column) -> Column:
        """1 where the column is missing, before it is filled."""
        if isinstance(column, Text):
            return self._text_indicator(column)
        if self.is_text:
            raise NotCompilableError("SimpleImputer looks for a text in a number")
        return stepped(column, Step(op.IS_MISSING) if self.is_nan else Step(op.EQUALS, self.value))

    def _text_indicator(self, column: Text) -> Table:
        if column.replaced:
            raise NotCompilableError("SimpleImputer with an indicator follows another one")
        keys = sorted_texts({self.value} if self.is_text else set())
        values = np.array([1.0] * len(keys) + [0.0, float(self.is_nan)])
        return Table(column, keys, values, np.zeros(len(values), np.int32))
