from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier, ExtraTreeRegressor
from sklearn.utils import get_tags
from support.compiled_trees import as_compiled, assert_equal, compiled, edges, predict, run_of, untransformed

from streamproc.inference.arenas import ModelArenas
from streamproc.inference.packed import Kind
from streamproc.models.quiet import quiet

Estimator = Any  # scikit-learn ships no types
TRAINED, ASKED, COLUMNS = 120, 150, 4
MANY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
seeds = st.integers(0, 2**32 - 1)


def examples(seed: int, *, missing: bool = False) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Columns with and without ties, and a target > 0."""
    random = np.random.default_rng(seed)
    columns = random.normal(size=(TRAINED, COLUMNS)) * 10.0 ** random.integers(-6, 7, COLUMNS)
    columns[:, 0] = random.integers(0, 7, TRAINED)
    target = np.exp(columns[:, 1] / np.std(columns[:, 1]) + columns[:, 0] / 4 + random.normal(size=TRAINED) / 4)
    if missing:
        columns[random.random(columns.shape) < random.choice([0.02, 0.3])] = np.nan
    return columns, target


def classes_of(target: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Labels that aren't their own indexes."""
    return 10 * np.digitize(target, np.quantile(target, np.arange(1, count) / count)) - 5


@st.composite
def grown_trees(draw: st.DrawFn) -> Estimator:
    """Decision trees and forests of every kind, fitted."""
    seed, classes = draw(seeds), draw(st.integers(2, 5))
    columns, target = examples(seed, missing=draw(st.booleans()))
    kind = draw(
        st.sampled_from(
            [
                DecisionTreeClassifier,
                DecisionTreeRegressor,
                ExtraTreeClassifier,
                ExtraTreeRegressor,
                RandomForestClassifier,
                RandomForestRegressor,
                ExtraTreesClassifier,
                ExtraTreesRegressor,
            ]
        )
    )
    arguments: dict[str, Any] = {  # of the constructor
        "max_depth": draw(st.sampled_from([None, 1, 3, 12])),
        "max_leaf_nodes": draw(st.sampled_from([None, 2, 20])),
        "min_samples_leaf": draw(st.sampled_from([1, 5])),
        "random_state": seed % 1000,
    }
    if "Classifier" in kind.__name__:
        arguments["class_weight"] = draw(st.sampled_from([None, "balanced"]))
        return _fitted(kind, draw, arguments, columns, classes_of(target, classes))
    outputs = draw(st.sampled_from([1, 2, 3]))
    if not np.isnan(columns).any():
        arguments["criterion"] = draw(st.sampled_from(["squared_error", "poisson", "absolute_error"]))
        arguments["monotonic_cst"] = draw(st.sampled_from([None, [0, 1, -1, 0]])) if outputs == 1 else None
    if arguments.get("criterion") == "absolute_error":
        arguments["monotonic_cst"] = None
    return _fitted(
        kind, draw, arguments, columns, target if outputs == 1 else np.column_stack([target] * outputs) ** [*range(outputs)]
    )


def _fitted(
    kind: Callable[..., Estimator],
    draw: st.DrawFn,
    arguments: dict[str, Any],  # of its constructor
    columns: NDArray[np.float64],
    target: NDArray[Any],  # labels or numbers
) -> Estimator:
    if kind in (RandomForestClassifier, RandomForestRegressor, ExtraTreesClassifier, ExtraTreesRegressor):
        arguments["n_estimators"] = draw(st.sampled_from([1, 3, 8, 13, 20]))
    return kind(**arguments).fit(columns, target)


@st.composite
def boosted(draw: st.DrawFn) -> Estimator:
    """Gradient boosting with every loss, fitted."""
    seed, classes = draw(seeds), draw(st.integers(2, 5))
    columns, target = examples(seed)
    arguments: dict[str, Any] = {  # of the constructor
        "n_estimators": draw(st.sampled_from([1, 5, 9, 30])),
        "max_depth": draw(st.sampled_from([1, 3, 7])),
        "learning_rate": draw(st.sampled_from([0.1, 0.37, 1.0])),
        "subsample": draw(st.sampled_from([1.0, 0.7])),
        "init": draw(st.sampled_from([None, "zero"])),
        "random_state": seed % 1000,
    }
    if draw(st.booleans()):
        loss = draw(st.sampled_from(["log_loss", "exponential"])) if classes == 2 else "log_loss"
        return GradientBoostingClassifier(loss=loss, **arguments).fit(columns, classes_of(target, classes))
    loss = draw(st.sampled_from(["squared_error", "absolute_error", "huber", "quantile"]))
    return GradientBoostingRegressor(loss=loss, **arguments).fit(columns, target)


@st.composite
def histogram_boosted(draw: st.DrawFn) -> Estimator:
    """Histogram gradient boosting with every loss, with missing values or not, fitted."""
    seed, classes = draw(seeds), draw(st.integers(2, 7))
    columns, target = examples(seed, missing=draw(st.booleans()))
    arguments: dict[str, Any] = {  # of the constructor
        "max_iter": draw(st.sampled_from([1, 7, 20])),
        "max_leaf_nodes": draw(st.sampled_from([2, 5, 31])),
        "max_depth": draw(st.sampled_from([None, 2])),
        "max_bins": draw(st.sampled_from([8, 255])),
        "min_samples_leaf": draw(st.sampled_from([1, 10])),
        "categorical_features": draw(st.sampled_from([None, [0]])),
        "monotonic_cst": draw(st.sampled_from([None, [0, 1, -1, 0]])) if classes == 2 else None,
        "early_stopping": False,
        "random_state": seed % 1000,
    }
    if draw(st.booleans()):
        return HistGradientBoostingClassifier(**arguments).fit(columns, classes_of(target, classes))
    loss = draw(st.sampled_from(["squared_error", "absolute_error", "gamma", "poisson", "quantile"]))
    if loss in ("absolute_error", "quantile"):
        arguments["monotonic_cst"] = None
    return HistGradientBoostingRegressor(loss=loss, quantile=0.3, **arguments).fit(columns, target)


def accepted(estimator: Estimator, columns: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which rows scikit-learn predicts without raising, each alone."""
    return np.array([_predicts(estimator, row) for row in columns[:, None]])


def _predicts(estimator: Estimator, row: NDArray[np.float64]) -> bool:
    with quiet():
        try:
            estimator.predict(row)
        except ValueError:
            return False
    return True


@given(estimator=grown_trees() | boosted(), seed=seeds)
@MANY
def test_trees_forests_and_boosting_equal_scikit_learn_on_their_thresholds_and_refuse_the_same_rows(
    estimator: Estimator, seed: int
) -> None:
    columns = edges(estimator, np.random.default_rng(seed), ASKED)
    columns[:6, 0] = [np.inf, -np.inf, 3.4028235677973366e38, 3.4028235677973362e38, -1e300, np.nan]
    run, _ = as_compiled(estimator, columns)
    sound = run.status == 0
    if sound.any():
        assert_equal(estimator, columns[sound], run, np.flatnonzero(sound))
    some = np.concatenate([np.arange(10), np.flatnonzero(np.isnan(columns).any(axis=1))[:5]])
    np.testing.assert_array_equal(sound[some], accepted(estimator, columns[some]))
    np.testing.assert_array_equal(sound, _as_a_rule(estimator, columns))


def _as_a_rule(estimator: Estimator, columns: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which rows those are by what scikit-learn's sources say."""
    first = np.ravel(np.asarray(getattr(estimator, "estimators_", estimator), dtype=object))[0]
    boosts = isinstance(estimator, (GradientBoostingClassifier, GradientBoostingRegressor))
    takes_nan = not boosts and get_tags(first).input_tags.allow_nan
    with np.errstate(over="ignore"):
        short = columns.astype(np.float32)
    sound: NDArray[np.bool_] = np.all(np.isfinite(short) | (np.isnan(short) & takes_nan), axis=1)
    return sound


@given(estimator=histogram_boosted(), seed=seeds)
@MANY
def test_histogram_boosting_equals_scikit_learn_on_its_thresholds_categories_missing_values_and_infinities(
    estimator: Estimator, seed: int
) -> None:
    random = np.random.default_rng(seed)
    columns = edges(estimator, random, ASKED)
    if estimator.is_categorical_ is None:
        columns[random.random(columns.shape) < 0.05] = np.inf
        columns[random.random(columns.shape) < 0.05] = -np.inf
    else:
        columns[:, 0] = random.choice([0.0, 1, 2, 3, 4, 5, 6, 7, 99, np.nan, -1, 0.5], ASKED)
    head = compiled(estimator)
    read = columns if head.preprocessor is None else head.preprocessor.transform(columns)
    run, _ = as_compiled(estimator, np.ascontiguousarray(read))
    assert np.all(run.status == 0)
    assert_equal(estimator, columns, run, np.arange(ASKED))


@given(estimators=st.lists(grown_trees() | boosted(), min_size=2, max_size=6), seed=seeds)
@settings(MANY, max_examples=25)
def test_rows_of_many_models_in_one_run_equal_each_models_own(estimators: list[Estimator], seed: int) -> None:
    _many_models(estimators, seed, Kind.TREES)


@given(estimators=st.lists(histogram_boosted(), min_size=2, max_size=6), seed=seeds)
@settings(MANY, max_examples=15)
def test_rows_of_many_histogram_models_in_one_run_equal_each_models_own(estimators: list[Estimator], seed: int) -> None:
    _many_models(estimators, seed, Kind.HISTOGRAM)


def _many_models(estimators: list[Estimator], seed: int, kind: Kind) -> None:
    """Runs of 1 to 20 rows a model, slots in no order, one of them freed and used again."""
    random = np.random.default_rng(seed)
    arenas = ModelArenas()
    packs = [untransformed(compiled(estimator)) for estimator in estimators]
    arenas.free(arenas.install(packs[-1]))
    slots = [arenas.install(packed) for packed in packs]
    order = [int(each) for each in random.permutation(np.repeat(np.arange(len(packs)), 2))]
    counts = random.integers(1, 21, len(order))
    which = np.repeat(order, counts)
    columns = np.concatenate([edges(estimators[model], random, int(n)) for model, n in zip(order, counts, strict=True)])
    run = run_of(np.array(slots, np.int32)[which], [packs[model] for model in which], columns)
    predict(kind, run, arenas.arrays)
    for model, estimator in enumerate(estimators):
        rows = np.flatnonzero((which == model) & (run.status == 0))
        if len(rows) and getattr(estimator, "_preprocessor", None) is None:
            assert_equal(estimator, columns[rows], run, rows)


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
@given(estimator=grown_trees() | boosted() | histogram_boosted(), seed=seeds)
@settings(MANY, max_examples=10)
def test_a_rows_result_does_not_depend_on_its_batch(size: int, estimator: Estimator, seed: int) -> None:
    columns = np.tile(edges(estimator, np.random.default_rng(seed), 50), (20, 1))
    whole, packed = as_compiled(estimator, columns)
    outputs = whole.outputs.reshape(len(columns), -1)
    for start in range(0, 1000 if size == 1000 else 50, size):
        part, _ = as_compiled(estimator, columns[start : start + size])
        np.testing.assert_array_equal(part.outputs.reshape(-1, packed.numbers + packed.scores), outputs[start : start + size])
        np.testing.assert_array_equal(part.label, whole.label[start : start + size])
        np.testing.assert_array_equal(part.status, whole.status[start : start + size])
