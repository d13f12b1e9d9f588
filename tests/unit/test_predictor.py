"""Groups of records, predicted on the loop's thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from streamproc.batches import FeatureColumns
from streamproc.errors import Reason
from streamproc.inference.predictor import Deferred, LoopPredictor, Outcome, Predicted, PredictionGroup, Unpredicted, frame_of
from streamproc.models.base import Model, ModelInfo, ModelMetadata, OutputKind


class FunctionModel(Model):
    """Predicts with a function of the column `x`; counts its calls."""

    metadata = ModelMetadata(("x",), OutputKind.DOUBLE)

    def __init__(self, function: Callable[[NDArray[Any]], NDArray[Any]]) -> None:  # arrays of any element
        self._function = function
        self.calls = 0

    def predict(self, data: pd.DataFrame) -> NDArray[Any]:  # the base's signature
        self.calls += 1
        return self._function(data["x"].to_numpy())


def double_unless_bad(x: NDArray[Any]) -> NDArray[Any]:  # arrays of any element
    if (x < 0).any():
        raise ValueError("could not convert 'secret'")
    return x * 2


def group(model: Model, x: list[float]) -> PredictionGroup:
    n = len(x)
    features = FeatureColumns(("x",), (np.array(x, np.float64),), np.zeros((n, 1), np.bool_), np.zeros(n, np.uint8))
    return PredictionGroup("shop", ModelInfo("m@1"), model, np.arange(100, 100 + n), features)


def outcomes(model: Model, x: list[float], *, now: Callable[[], float] = lambda: 0.0, deadline: float = 1.0) -> list[Outcome]:
    predictor = LoopPredictor(monotonic=now)
    predictor.submit(group(model, x), deadline)
    return predictor.completed()


def values_by_row(found: list[Outcome]) -> dict[int, float]:
    return {
        row: value
        for outcome in found
        if isinstance(outcome, Predicted)
        for row, value in zip(outcome.rows.tolist(), outcome.values.tolist(), strict=True)
    }


@given(st.lists(st.sampled_from([-1.0, 1.0, 2.0, 3.0]), min_size=1, max_size=40))
def test_a_bad_row_never_costs_its_neighbours(x: list[float]) -> None:
    found = outcomes(FunctionModel(double_unless_bad), x)
    bad = {outcome.row for outcome in found if isinstance(outcome, Unpredicted)}
    assert values_by_row(found) == {100 + row: 2 * value for row, value in enumerate(x) if value > 0}
    assert bad == {100 + row for row, value in enumerate(x) if value < 0}


@pytest.mark.parametrize("other", [1.0, 1])
def test_a_model_that_writes_to_its_input_sees_each_record_as_it_came(other: float) -> None:
    def double_in_place(x: NDArray[Any]) -> NDArray[Any]:  # arrays of any element
        x.flags.writeable = True  # as scikit-learn does with `copy=False`
        x *= 2
        if (x < 0).any():
            raise ValueError
        return x.copy()

    x, n = [1.0, -1.0, 2.0, 3.0], 4
    columns = (np.array(x), np.array([other] * n))
    features = FeatureColumns(("x", "y"), columns, np.zeros((n, 2), np.bool_), np.zeros(n, np.uint8))
    predictor = LoopPredictor(monotonic=lambda: 0.0)
    predictor.submit(PredictionGroup("shop", ModelInfo("m@1"), FunctionModel(double_in_place), np.arange(n), features), 1.0)
    assert values_by_row(predictor.completed()) == {0: 2.0, 2: 4.0, 3: 6.0}


def test_a_sound_group_is_one_call() -> None:
    model = FunctionModel(double_unless_bad)
    outcomes(model, [1.0] * 1000)
    assert model.calls == 1


def test_one_bad_row_among_a_thousand_is_found_in_few_calls() -> None:
    model = FunctionModel(double_unless_bad)
    outcomes(model, [1.0] * 617 + [-1.0] + [1.0] * 382)
    assert model.calls <= 2 * 10 + 1


def test_what_the_model_said_about_values_is_not_quoted() -> None:
    (failure,) = outcomes(FunctionModel(double_unless_bad), [-1.0])
    assert isinstance(failure, Unpredicted)
    assert (failure.reason, failure.exception) == (Reason.PREDICTION_FAILED, "ValueError")
    assert "secret" not in failure.message


def test_an_infinite_feature_that_the_model_refuses_is_an_invalid_feature() -> None:
    def no_infinity(x: NDArray[Any]) -> NDArray[Any]:  # arrays of any element
        if np.isinf(x).any():
            raise ValueError
        return x

    found = outcomes(FunctionModel(no_infinity), [1.0, float("inf")])
    assert [(f.row, f.reason) for f in found if isinstance(f, Unpredicted)] == [(101, Reason.FEATURE_INVALID)]


def test_the_search_for_bad_rows_ends_at_the_deadline_and_the_rest_has_its_turn_later() -> None:
    ticks = iter(range(1000))
    found = outcomes(FunctionModel(double_unless_bad), [-1.0] * 64, now=lambda: float(next(ticks)), deadline=10.0)
    decided = [outcome.row for outcome in found if isinstance(outcome, Unpredicted)]
    later = [row for outcome in found if isinstance(outcome, Deferred) for row in outcome.rows.tolist()]
    assert decided
    assert sorted(decided + later) == list(range(100, 164))
    assert max(decided) < min(later)


@pytest.mark.parametrize("shape", [(3,), (), (2, 2, 2)])
def test_a_model_that_does_not_return_one_value_a_record_is_invalid(shape: tuple[int, ...]) -> None:
    found = outcomes(FunctionModel(lambda _: np.zeros(shape)), [1.0, 2.0])
    assert [f.reason for f in found if isinstance(f, Unpredicted)] == [Reason.PREDICTION_INVALID] * 2


def test_each_outcome_is_given_once() -> None:
    predictor = LoopPredictor(monotonic=lambda: 0.0)
    predictor.submit(group(FunctionModel(double_unless_bad), [1.0]), 1.0)
    assert (len(predictor.completed()), len(predictor.completed())) == (1, 0)


def test_the_frame_keeps_each_features_dtype_and_spreads_vectors() -> None:
    columns = FeatureColumns(
        names=("n", "word", "v"),
        arrays=(np.array([1, 2]), np.array(["x", np.nan], object), np.array([[1.0, 2.0], [3.0, 4.0]])),
        null=np.zeros((2, 3), np.bool_),
        status=np.zeros(2, np.uint8),
    )
    frame = frame_of(columns)
    assert list(frame.columns) == ["n", "word", "v[0]", "v[1]"]
    assert frame["n"].dtype == np.int64
    assert frame["word"].dtype == object
    assert frame["v[1]"].tolist() == [2.0, 4.0]
