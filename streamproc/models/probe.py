"""Finds out by trying which features a model takes as null."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Predict = Callable[[pd.DataFrame], NDArray[Any]]  # the elements' dtype is the model's own


def example_columns(names: Sequence[str], n_columns: int | None) -> Mapping[str, Sequence[str]]:
    """Feature → its columns of a model's DataFrame.

    A vector's length is known only where it is the sole feature: beside others, nothing says which of them is the vector, and
    the surplus columns stand under the name of the last.
    """
    surplus = (n_columns or len(names)) - len(names)
    if not names or surplus <= 0:
        return {name: (name,) for name in names}
    vector = tuple(f"{names[-1]}[{index}]" for index in range(surplus + 1))
    return {**{name: (name,) for name in names[:-1]}, names[-1]: vector}


def features_that_may_be_null(predict: Predict, example: pd.DataFrame, columns: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """The features for which a row predicts though all columns of that feature are NaN.

    Args:
        predict: the model; may raise anything.
        example: one row.
        columns: feature → its columns; they make up the example.

    """
    if _predicts(predict, _with_nan(example, list(example.columns))):
        return frozenset(columns)
    if len(columns) < len(example.columns) and len(columns) > 1:
        return frozenset()  # which feature is the vector is not known here
    return frozenset(name for name, own in columns.items() if _predicts(predict, _with_nan(example, own)))


def _with_nan(example: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    row = example.copy()
    for column in columns:
        dtype = object if row[column].dtype == object else np.float64
        row[column] = pd.Series(np.array([np.nan], dtype), dtype=dtype)
    return row


def _predicts(predict: Predict, row: pd.DataFrame) -> bool:
    try:
        values = np.asarray(predict(row))
    except Exception:  # noqa: BLE001 - whatever a model raises on a null means that it does not take it
        return False
    return len(values) == 1 and not (values.dtype.kind == "f" and bool(np.isnan(values).any()))
