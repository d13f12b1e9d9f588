"""What `Model` gives its implementations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from streamproc.models.base import Model, ModelMetadata, OutputKind

Predict = Callable[[pd.DataFrame], NDArray[Any]]


class Own(Model):
    """A model as a user writes one."""

    def __init__(self, predict: Predict, names: tuple[str, ...] = ("a", "b", "c"), n_columns: int | None = None) -> None:
        self._predict = predict
        self._metadata = ModelMetadata(names, OutputKind.DOUBLE, None, n_columns)
        self.calls = 0

    @property
    def metadata(self) -> ModelMetadata:
        return self._metadata

    def predict(self, data: pd.DataFrame) -> NDArray[Any]:
        self.calls += 1
        return self._predict(data)


def total(data: pd.DataFrame) -> NDArray[Any]:
    return np.asarray(data.sum(axis=1, skipna=False))


def refuses_b(data: pd.DataFrame) -> NDArray[Any]:
    if data["b"].isna().any():
        raise ValueError("b")
    return np.zeros(len(data))


def test_a_model_without_scores_predicts_alone() -> None:
    values, scores = Own(total).predict_with_scores(pd.DataFrame({"a": [1.0], "b": [2.0], "c": [3.0]}))
    assert (values.tolist(), scores) == ([6.0], None)


@pytest.mark.parametrize(
    ("predict", "expected"),
    [
        (lambda data: np.zeros(len(data)), {"a", "b", "c"}),
        (refuses_b, {"a", "c"}),
        (total, set()),  # it predicts NaN, which no record can carry
        (lambda data: np.array(["x"] * len(data), dtype=object), {"a", "b", "c"}),
    ],
    ids=["takes all", "refuses one", "gives NaN", "strings"],
)
def test_a_feature_may_be_null_if_a_row_with_it_null_predicts(predict: Predict, expected: set[str]) -> None:
    assert Own(predict).null_features == expected


def test_the_probe_runs_once() -> None:
    model = Own(refuses_b)
    _ = model.null_features
    calls = model.calls
    assert model.null_features == {"a", "c"}
    assert model.calls == calls == 4


def test_a_vector_alone_may_be_null_as_a_whole() -> None:
    def needs_one(data: pd.DataFrame) -> NDArray[Any]:
        return np.zeros(len(data)) if list(data.columns) == ["v[0]", "v[1]"] else np.full(len(data), np.nan)

    assert Own(needs_one, ("v",), 2).null_features == {"v"}


def test_where_nothing_tells_which_feature_is_the_vector_none_may_be_null() -> None:
    def refuses_first(data: pd.DataFrame) -> NDArray[Any]:
        return np.full(len(data), np.nan) if data.iloc[:, 0].isna().any() else np.zeros(len(data))

    assert Own(refuses_first, ("a", "v"), 5).null_features == frozenset()
    assert Own(lambda data: np.zeros(len(data)), ("a", "v"), 5).null_features == {"a", "v"}
