"""The linear family: sums, labels and probabilities as scikit-learn's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import sparse  # type: ignore[import-untyped] # scipy ships no types
from sklearn import linear_model
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
    SGDClassifier,
)
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC, LinearSVR
from support.fused import compiled, empty_run, flags_of, predicted, run_transform

from streamproc.inference import linear
from streamproc.inference.arenas import ModelArenas
from streamproc.inference.captured_frame import captured_frame
from streamproc.inference.compiling.linear import CLASSIFIERS, REGRESSORS
from streamproc.inference.compiling.parts import NotCompilableError
from streamproc.inference.packed import IS_INFINITE, IS_NAN
from streamproc.models.quiet import quiet

Estimator = Any  # scikit-learn ships no types
NAMES = ["a", "b", "c", "d"]


def frame(rows: int = 60, seed: int = 0) -> pd.DataFrame:
    return pd.DataFrame(np.random.default_rng(seed).normal(size=(rows, 4)) * [1, 10, 0.1, 1000] + 3, columns=NAMES)


def classes(count: int, data: pd.DataFrame) -> NDArray[np.str_]:
    names = np.array(["x", "y", "z", "ä", "v", "w", "u", "t", "s", "r"])
    return np.asarray(names[(data["b"].rank().to_numpy() * count / (len(data) + 1)).astype(int)])


def fitted(estimator: Estimator, data: pd.DataFrame, target: object) -> Estimator:
    with quiet():
        return estimator.fit(data, target)


def made(kind: type) -> Estimator:
    quick: dict[str, dict[str, Any]] = {"LogisticRegression": {"max_iter": 20}}
    quick["LogisticRegressionCV"] = {"Cs": [1.0], "cv": 2, "max_iter": 20}
    with quiet():  # some are about to be removed, and say so
        return kind(**quick.get(kind.__name__, {}))


def bound(estimator: Estimator, data: pd.DataFrame) -> NDArray[np.float64]:
    sizes = np.abs(data.to_numpy()) @ np.abs(np.atleast_2d(estimator.coef_)).T + np.abs(estimator.intercept_)
    return np.asarray(1e-12 * np.maximum(1, sizes))


@pytest.mark.parametrize("kind", sorted(REGRESSORS, key=str), ids=str)
def test_each_regressor_predicts_what_scikit_learn_does(kind: type) -> None:
    data = frame()
    target = data.to_numpy() @ [1.0, -2.0, 3.0, 0.01] + np.random.default_rng(1).normal(size=60)
    several = kind.__name__.startswith("MultiTask")
    estimator = fitted(made(kind), data, np.stack([target, -target], axis=1) if several else target)
    model, packed = compiled(estimator)
    fused = predicted(packed, data)
    expected = model.predict(data).reshape(len(data), -1)
    assert packed.numbers == expected.shape[1]
    assert packed.scores == 0
    assert np.all(np.abs(fused.numbers - expected) <= bound(estimator, data))
    assert set(fused.label.tolist()) == {-1}


@pytest.mark.parametrize("count", [2, 3, 9])
@pytest.mark.parametrize("kind", sorted(CLASSIFIERS, key=str), ids=str)
def test_each_classifier_labels_what_scikit_learn_does(kind: type, count: int) -> None:
    data = frame()
    estimator = fitted(made(kind), data, classes(count, data))
    model, packed = compiled(estimator)
    fused = predicted(packed, data)
    assert packed.numbers == 0
    assert estimator.classes_[fused.label].tolist() == model.predict(data).tolist()
    scores = model.scores(data)
    assert packed.scores == (0 if scores is None else count)
    if scores is not None:
        np.testing.assert_allclose(fused.scores, scores, rtol=0, atol=1e-12)


@pytest.mark.parametrize("count", [2, 3, 9])
@pytest.mark.parametrize("loss", ["log_loss", "modified_huber", "hinge", "squared_hinge", "perceptron", "squared_error"])
def test_each_loss_of_stochastic_gradient_descent_gives_its_own_probabilities(loss: str, count: int) -> None:
    data = frame()
    estimator = fitted(make_pipeline(StandardScaler(), SGDClassifier(loss, random_state=0)), data, classes(count, data))
    model, packed = compiled(estimator)
    rows = pd.concat([data, data * 1000, -data])  # where every class gets probability 0, they share
    fused = predicted(packed, rows)
    assert estimator.classes_[fused.label].tolist() == model.predict(rows).tolist()
    scores = model.scores(rows)
    assert (scores is not None) == (loss in {"log_loss", "modified_huber"})
    if scores is not None:
        np.testing.assert_allclose(fused.scores, scores, rtol=0, atol=1e-12)


def test_sums_are_bit_equal_to_scikit_learns_own_where_it_does_not_use_blas() -> None:
    data = frame(seed=3)
    estimator = LinearRegression().fit(data, data["a"] * np.pi - data["d"] / 3)
    _, packed = compiled(estimator)
    with quiet():
        expected = estimator.predict(sparse.csr_array(data.to_numpy()))
    np.testing.assert_array_equal(predicted(packed, data).numbers[:, 0], expected)


def test_several_outputs_and_one_output_in_a_column_are_numbers_side_by_side() -> None:
    data = frame()
    for target in (data[["a", "b", "c"]].to_numpy() * 2, data[["a"]].to_numpy()):
        model, packed = compiled(LinearRegression().fit(data, target))
        np.testing.assert_allclose(predicted(packed, data).numbers, model.predict(data), rtol=0, atol=1e-9)


def test_ties_and_zeros_are_labelled_as_in_scikit_learn() -> None:
    data = frame()
    two = fitted(LogisticRegression(), data, classes(2, data))
    two.coef_[:], two.intercept_[:] = 0.0, 0.0
    three = fitted(LogisticRegression(), data, classes(3, data))
    three.coef_[:], three.intercept_[:] = 0.0, [0.0, 1.0, 1.0]
    for estimator, label in ((two, 0), (three, 1)):
        model, packed = compiled(estimator)
        fused = predicted(packed, data)
        assert set(fused.label.tolist()) == {label}
        assert model.predict(data).tolist() == estimator.classes_[fused.label].tolist()
        np.testing.assert_allclose(fused.scores, np.asarray(model.scores(data)), rtol=0, atol=1e-15)


def test_sums_that_overflow_end_as_scikit_learns_do() -> None:
    data = frame()
    estimator = fitted(LogisticRegression(), data, classes(3, data))
    estimator.coef_[:] = [[1e300, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1e300, 0]]
    rows = pd.DataFrame([[1e300, 1, -1e300, 1], [-1e300, 1, -1e300, 1], [-1e300, 1, 1e300, 1]], columns=NAMES)
    model, packed = compiled(estimator)
    fused = predicted(packed, rows)
    assert estimator.classes_[fused.label].tolist() == model.predict(rows).tolist()
    np.testing.assert_array_equal(np.isnan(fused.scores), np.isnan(np.asarray(model.scores(rows))))


def test_weights_in_float32_are_taken_as_they_are() -> None:
    data = frame()
    estimator = fitted(LogisticRegression(), data.astype(np.float32), classes(3, data))
    assert estimator.coef_.dtype == np.float32
    model, packed = compiled(estimator)
    np.testing.assert_allclose(predicted(packed, data).scores, np.asarray(model.scores(data)), rtol=0, atol=1e-12)


@pytest.mark.parametrize("search", [GridSearchCV, RandomizedSearchCV])
def test_the_best_of_a_search_is_what_predicts(search: type) -> None:
    data = frame()
    options = {"param_distributions" if search is RandomizedSearchCV else "param_grid": {"ridge__alpha": [0.1, 10.0]}}
    chosen = {"n_iter": 2} if search is RandomizedSearchCV else {}
    inner = make_pipeline(StandardScaler(), Ridge())
    estimator = fitted(make_pipeline("passthrough", search(inner, cv=2, **options, **chosen)), data, data["a"] * 2)
    model, packed = compiled(estimator)
    np.testing.assert_allclose(predicted(packed, data).numbers[:, 0], model.predict(data), rtol=0, atol=1e-11)


def test_a_model_without_names_gets_its_columns_in_order() -> None:
    data = frame()
    estimator = make_pipeline(StandardScaler(), Ridge()).fit(data.to_numpy(), data["c"])
    model, packed = compiled(estimator, ["vector"])
    wide = data.set_axis([f"vector[{place}]" for place in range(4)], axis=1)
    assert packed.n_features == 4
    np.testing.assert_allclose(predicted(packed, wide).numbers[:, 0], model.predict(wide), rtol=0, atol=1e-12)


def test_a_row_is_predicted_the_same_alone_and_among_other_tenants_rows() -> None:
    data = frame(40)
    arenas = ModelArenas()
    estimators = [
        fitted(
            make_pipeline(StandardScaler(), LogisticRegression()),
            data,
            classes(3, data)[np.random.default_rng(k).permutation(40)],
        )
        for k in range(5)
    ]
    packs = [compiled(estimator)[1] for estimator in estimators]
    slots = np.array([arenas.install(packed) for packed in packs], np.int32)
    tenant = np.random.default_rng(9).integers(0, 5, 40)
    run = empty_run(packs[0], slots[tenant])
    run_transform(run, arenas, captured_frame(data, flags_of(packs[0])), 4)
    linear.predict(run, arenas.arrays)
    for row in range(40):
        alone = predicted(packs[tenant[row]], data.iloc[[row]])
        np.testing.assert_array_equal(run.outputs.reshape(40, 3)[row], alone.scores[0])
        assert run.label[row] == alone.label[0]


def test_a_refused_row_keeps_its_status_and_costs_no_other() -> None:
    data = frame()
    _, packed = compiled(fitted(LogisticRegression(), data, classes(2, data)))
    rows = data[:4].copy()
    rows.iloc[1, 2], rows.iloc[2, 3] = np.nan, np.inf
    fused = predicted(packed, rows)
    assert fused.status.tolist() == [0, IS_NAN, IS_INFINITE, 0]
    assert fused.where.tolist() == [-1, 2, 3, -1]
    assert fused.label[1] == fused.label[2] == -9  # untouched


class OwnRule(LogisticRegression):  # type: ignore[misc] # scikit-learn ships no types
    """Predicts in its own way, as a subclass may."""


def test_what_predicts_in_its_own_way_does_not_compile() -> None:
    data = frame()
    two = classes(2, data)
    several = np.stack([two == "x", data["a"] > 3, data["a"] < 3], axis=1)
    cases = [
        (fitted(OwnRule(), data, two), "OwnRule"),
        (fitted(PoissonRegressor(), data, np.abs(data["a"])), "PoissonRegressor"),
        (RidgeClassifier().fit(data, several), "RidgeClassifier"),
        (fitted(LogisticRegression(l1_ratio=1, solver="liblinear"), data, two).sparsify(), "LogisticRegression.coef_"),
    ]
    for estimator, named in cases:
        with pytest.raises(NotCompilableError, match=named):
            compiled(estimator)


def test_the_families_hold_what_they_promise() -> None:
    assert {LinearSVC, LogisticRegression, LogisticRegressionCV, RidgeClassifier, SGDClassifier} <= CLASSIFIERS
    assert {LinearSVR, LinearRegression, Ridge, linear_model.Lasso, linear_model.ElasticNet} <= REGRESSORS
