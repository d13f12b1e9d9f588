from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit  # type: ignore[import-untyped] # scipy ships no types
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils.extmath import softmax
from support.compiled_trees import as_compiled, assert_equal, assert_same_bits, compiled, edges, predict, run_of, untransformed

from streamproc.inference.arenas import ModelArenas
from streamproc.inference.compiling.boosting import compile_head as compile_boosting
from streamproc.inference.compiling.histogram import compile_head as compile_histogram
from streamproc.inference.compiling.parts import NotCompilableError
from streamproc.inference.compiling.trees import compile_head as compile_trees
from streamproc.inference.packed import IS_NULL, NOT_FINITE, TOO_LARGE, Kind

Estimator = Any  # scikit-learn ships no types
FLOAT32_MAX = float(np.finfo(np.float32).max)
FIRST_TOO_LARGE = 3.4028235677973366e38
"""Halfway between the largest float32 and what would come next: rounded to infinity."""


def examples(count: int = 300, columns: int = 4) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    random = np.random.default_rng(0)
    features = random.normal(size=(count, columns))
    return features, features[:, 0] + features[:, 1] * features[:, 2] + random.normal(size=count) / 5


def forest(**arguments: int) -> Estimator:
    features, target = examples()
    return RandomForestClassifier(**{"n_estimators": 11, "random_state": 0} | arguments).fit(features, target > 0)


# Rows that scikit-learn refuses.


def test_a_value_beyond_float32_is_too_large_and_names_its_column_whichever_tree_reads_it() -> None:
    columns = np.zeros((5, 4))
    columns[0, 2] = FIRST_TOO_LARGE
    columns[1, 3] = -1e300
    columns[2, 2] = np.nextafter(FIRST_TOO_LARGE, 0)
    columns[3, 0] = FLOAT32_MAX
    run, _ = as_compiled(forest(max_depth=1), columns)
    assert run.status.tolist() == [TOO_LARGE, TOO_LARGE, 0, 0, 0]
    assert run.where.tolist() == [2, 3, -1, -1, -1]


def test_a_column_that_became_infinite_is_refused_by_trees_and_nan_only_where_they_have_no_place_for_it() -> None:
    features, target = examples()
    columns = np.zeros((4, 4))
    columns[1:, 1] = [np.inf, -np.inf, np.nan]
    run, _ = as_compiled(forest(), columns)
    assert run.status.tolist() == [0, NOT_FINITE, NOT_FINITE, 0]
    assert run.where.tolist() == [-1] * 4
    run, _ = as_compiled(GradientBoostingRegressor(n_estimators=3).fit(features, target), columns)
    assert run.status.tolist() == [0, NOT_FINITE, NOT_FINITE, NOT_FINITE]
    extra = ExtraTreesClassifier(3).fit(features, target > 0)
    run, _ = as_compiled(extra, columns)
    assert run.status.tolist() == [0, NOT_FINITE, NOT_FINITE, 0]
    run, _ = as_compiled(HistGradientBoostingRegressor(max_iter=3).fit(features, target), columns)
    assert run.status.tolist() == [0, 0, 0, 0]


def test_heads_say_which_columns_take_nan_and_infinity() -> None:
    features, target = examples()
    heads = [
        compiled(forest()),
        compiled(GradientBoostingRegressor(n_estimators=3).fit(features, target)),
        compiled(HistGradientBoostingRegressor(max_iter=3).fit(features, target)),
    ]
    assert [head.takes_nan.tolist() for head in heads] == [[True] * 4, [False] * 4, [True] * 4]
    assert [head.takes_infinity for head in heads] == [False, False, True]


@pytest.mark.parametrize("rows", [3, 40])
def test_a_row_with_a_fault_is_left_alone_and_costs_its_neighbours_nothing(rows: int) -> None:
    features, target = examples()
    three = np.digitize(target, [-0.5, 0.5])
    for estimator in (
        GradientBoostingClassifier(n_estimators=9),
        HistGradientBoostingClassifier(max_iter=9),
        RandomForestClassifier(9),
    ):
        packed = untransformed(compiled(estimator.fit(features, three)))
        arenas = ModelArenas()
        slot = arenas.install(packed)
        run = run_of(np.full(rows, slot, np.int32), [packed] * rows, features[:rows])
        run.status[1] = IS_NULL
        predict(packed.kind, run, arenas.arrays)
        assert run.outputs[3:6].tolist() == [-7.0] * 3
        assert run.label[1] == -7
        assert run.status.tolist() == [0, IS_NULL] + [0] * (rows - 2)
        others = np.flatnonzero(run.status == 0)
        assert_equal(estimator, features[:rows][others], run, others)


# Equality where it is easily lost. Many more models: property tests.


def test_500_deep_trees_equal_scikit_learn() -> None:
    features, target = examples(400)
    estimator = RandomForestRegressor(500, random_state=0).fit(features, target)
    assert max(tree.get_depth() for tree in estimator.estimators_) > 10
    run, _ = as_compiled(estimator, features[:50])
    assert_equal(estimator, features[:50], run, np.arange(50))


@pytest.mark.parametrize("rows", [1, 8, 9])
def test_a_tree_that_is_a_chain_of_a_hundred_nodes_is_walked_to_its_end(rows: int) -> None:
    column = np.arange(120.0)[:, None]
    estimator = DecisionTreeRegressor().fit(column, 4.0 ** np.arange(120))
    assert estimator.get_depth() > 100
    for start in range(0, 120 - rows, rows):
        run, _ = as_compiled(estimator, column[start : start + rows])
        assert_equal(estimator, column[start : start + rows], run, np.arange(rows))


def test_trees_without_a_split_and_forests_of_one_class_are_compiled() -> None:
    column = np.zeros((5, 1))
    for estimator in (DecisionTreeRegressor(), RandomForestRegressor(9), RandomForestClassifier(3), DecisionTreeClassifier()):
        estimator.fit(column, np.full(5, 7))
        run, _ = as_compiled(estimator, column)
        assert_equal(estimator, column, run, np.arange(5))


def test_the_only_tree_s_negative_zero_stays_one_and_a_forests_does_not() -> None:
    column = np.zeros((1, 1))
    for estimator, negative in ((DecisionTreeRegressor(), True), (RandomForestRegressor(3), False)):
        estimator.fit(np.zeros((3, 1)), np.zeros(3))
        for tree in np.ravel(getattr(estimator, "estimators_", estimator)):
            tree.tree_.value[:] = -0.0
        run, _ = as_compiled(estimator, column)
        assert_equal(estimator, column, run, np.arange(1))
        assert bool(np.signbit(run.outputs[0])) is negative


def test_among_equal_probabilities_the_first_class_is_predicted() -> None:
    column = np.zeros((6, 1))
    estimator = RandomForestClassifier(4, bootstrap=False).fit(column, [5, 5, 3, 3, 4, 4])
    run, _ = as_compiled(estimator, column)
    assert run.label.tolist() == [0] * 6
    assert_equal(estimator, column, run, np.arange(6))


def test_a_sum_of_zero_is_class_1_to_gradient_boosting_and_class_0_to_that_of_histograms() -> None:
    column = np.zeros((4, 1))
    boosting = GradientBoostingClassifier(n_estimators=2, init="zero").fit(column, [0, 1, 0, 1])
    histogram = HistGradientBoostingClassifier(max_iter=2).fit(column, [0, 1, 0, 1])
    for estimator, label in ((boosting, 1), (histogram, 0)):
        run, _ = as_compiled(estimator, column)
        assert run.label.tolist() == [label] * 4
        assert_equal(estimator, column, run, np.arange(4))


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 1.0])
@pytest.mark.parametrize("missing", [0, 1])
def test_infinity_is_no_missing_value_where_a_tree_tells_only_those_apart(value: float, missing: int) -> None:
    target = np.repeat([missing, 1 - missing], 100)
    column = np.where(np.arange(200)[:, None] < 100, np.nan, np.arange(200.0)[:, None] % 2)
    estimator = HistGradientBoostingRegressor(max_iter=3, min_samples_leaf=5).fit(column, target)
    assert np.isinf(estimator._predictors[0][0].nodes["num_threshold"][0])
    run, _ = as_compiled(estimator, np.full((9, 1), value))
    assert_equal(estimator, np.full((9, 1), value), run, np.arange(9))


@pytest.mark.parametrize("value", [0.0, 1.0, 2.0, 0.5, -0.0, -1.0, -0.5, 77.0, 255.0, 256.0, 1e300, np.nan, np.inf])
@pytest.mark.parametrize("missing", [0, 1])
def test_any_value_in_the_place_of_a_category_is_walked_safely_and_unknown_ones_go_as_missing(
    value: float, missing: int
) -> None:
    random = np.random.default_rng(0)
    column = random.integers(0, 12, (400, 1)).astype(np.float64)
    column[:60] = np.nan
    target = np.isin(column[:, 0], [1, 4, 7, 10]) + np.isnan(column[:, 0]) * missing
    estimator = HistGradientBoostingRegressor(max_iter=9, min_samples_leaf=5, categorical_features=[0]).fit(column, target)
    head = compiled(estimator)
    assert estimator._predictors[0][0].nodes["missing_go_to_left"][0] == missing
    run, _ = as_compiled(estimator, np.full((9, 1), value))
    kind = int(value) if 0 <= value < 12 else np.nan
    codes = np.array([[kind]])
    assert head.preprocessor is estimator._preprocessor
    np.testing.assert_array_equal(head.preprocessor.transform([[float(kind)]]), codes)
    assert_same_bits(run.outputs[:1], estimator.predict([[float(kind)]]))


def test_thresholds_and_negatives_are_compared_as_scikit_learn_does_for_numbers_of_every_size() -> None:
    random = np.random.default_rng(1)
    short = random.integers(0, 2**32, 4000, dtype=np.uint32).view(np.float32)
    column = short[np.isfinite(short)].astype(np.float64)[:, None]
    column[::5] = np.nan
    target = random.normal(size=len(column))
    estimator = DecisionTreeRegressor(random_state=0).fit(column, target)
    to_left = estimator.tree_.missing_go_to_left[estimator.tree_.feature >= 0]
    assert 0.1 < np.mean(to_left) < 0.9
    column = np.concatenate([column, edges(estimator, random, 3000)])
    column = column[~(np.abs(column[:, 0]) > FLOAT32_MAX)]
    run, _ = as_compiled(estimator, column)
    assert_equal(estimator, column, run, np.arange(len(column)))


@pytest.mark.parametrize(
    "make", [lambda: GradientBoostingClassifier(n_estimators=20), lambda: HistGradientBoostingClassifier(max_iter=20)]
)
@pytest.mark.parametrize("classes", [2, 3, 7])
def test_probabilities_are_those_of_scikit_learns_functions_whatever_the_number_of_rows(
    make: Callable[[], Estimator], classes: int
) -> None:
    features, target = examples(2000)
    labels = np.digitize(target, np.quantile(target, np.arange(1, classes) / classes))
    estimator = make().fit(features[:500], labels[:500])
    raw = estimator.decision_function(features)
    expected = np.column_stack([1 - expit(raw), expit(raw)]) if classes == 2 else softmax(raw)
    for rows in (1, 2, 7, 100, 2000):
        run, _ = as_compiled(estimator, features[:rows])
        assert_same_bits(run.outputs.reshape(rows, classes), expected[:rows])


def test_the_exponential_loss_has_a_link_of_its_own() -> None:
    features, target = examples()
    estimator = GradientBoostingClassifier(n_estimators=9, loss="exponential").fit(features, target > 0)
    run, _ = as_compiled(estimator, features)
    assert_equal(estimator, features, run, np.arange(len(features)))


def test_gradient_boosting_of_ten_classes_equals_scikit_learn_in_batches_of_any_size() -> None:
    features, target = examples(1500)
    labels = np.digitize(target, np.quantile(target, np.arange(1, 10) / 10))
    estimator = GradientBoostingClassifier(n_estimators=5).fit(features, labels)
    for rows in (1, 7, 1500):
        run, _ = as_compiled(estimator, features[:rows])
        assert_equal(estimator, features[:rows], run, np.arange(rows))


def test_models_of_different_width_and_depth_share_a_run() -> None:
    features, target = examples()
    small = RandomForestRegressor(3, random_state=0).fit(features[:, :1], target)
    wide = RandomForestRegressor(20, random_state=0).fit(features, np.column_stack([target, target]))
    boosted = GradientBoostingClassifier(n_estimators=9).fit(features, np.digitize(target, [-1, 0, 1]))
    estimators = [small, wide, boosted]
    arenas = ModelArenas()
    packs = [untransformed(compiled(estimator)) for estimator in estimators]
    slots = np.array([arenas.install(packed) for packed in packs], np.int32)
    which = np.repeat([1, 0, 2, 0, 1], [3, 1, 9, 10, 17])
    run = run_of(slots[which], [packs[each] for each in which], features[: len(which)])
    predict(Kind.TREES, run, arenas.arrays)
    for number, estimator in enumerate(estimators):
        rows = np.flatnonzero(which == number)
        assert_equal(estimator, features[rows][:, : estimator.n_features_in_], run, rows)


def test_an_empty_run_predicts_nothing() -> None:
    for estimator in (forest(), HistGradientBoostingRegressor(max_iter=2).fit(*examples())):
        run, _ = as_compiled(estimator, np.zeros((0, 4)))
        assert not len(run.outputs)


def test_equal_leaves_are_kept_once() -> None:
    features, target = examples(2000)
    head = compiled(RandomForestClassifier(20, random_state=0).fit(features, target > 0))
    assert head.floats.nbytes < head.nodes.nbytes / 20


# What is not compiled.


def test_estimators_that_have_no_kernel_say_so() -> None:
    features, target = examples()
    both = np.column_stack([target > 0, target > 1]).astype(int)
    ten = np.digitize(target, np.quantile(target, np.arange(1, 8) / 8))

    class Own(RandomForestRegressor):  # type: ignore[misc] # scikit-learn ships no types
        pass

    refused = {
        "several classifications": (compile_trees, RandomForestClassifier(3).fit(features, both)),
        "DecisionTreeClassifier predicts several": (compile_trees, DecisionTreeClassifier().fit(features, both)),
        "a Own is no forest": (compile_trees, Own(3).fit(features, target)),
        "a IsolationForest is no forest": (compile_trees, IsolationForest(n_estimators=3).fit(features)),
        "a LinearRegression is no gradient boosting": (compile_boosting, LinearRegression().fit(features, target)),
        "begins with a LinearRegression": (
            compile_boosting,
            GradientBoostingRegressor(n_estimators=2, init=LinearRegression()).fit(features, target),
        ),
        "begins with a DummyClassifier": (
            compile_boosting,
            GradientBoostingClassifier(n_estimators=2, init=DummyClassifier(strategy="uniform")).fit(features, target > 0),
        ),
        "8 classes": (compile_histogram, HistGradientBoostingClassifier(max_iter=2).fit(features, ten)),
        "a LinearRegression is no histogram": (compile_histogram, LinearRegression().fit(features, target)),
    }
    for text, (compile_head, estimator) in refused.items():
        with pytest.raises(NotCompilableError, match=text):
            compile_head(estimator)


def _child_before_parent(estimator: Estimator) -> None:
    estimator.estimators_[0].tree_.children_left[0] = 0


def _shared_child(estimator: Estimator) -> None:
    tree = estimator.estimators_[0].tree_
    tree.children_left[0] = tree.children_right[0]


def _one_child(estimator: Estimator) -> None:
    estimator.estimators_[0].tree_.children_left[0] = -1


def _outside(estimator: Estimator) -> None:
    tree = estimator.estimators_[0].tree_
    tree.children_right[0] = tree.node_count


def _foreign_column(estimator: Estimator) -> None:
    estimator.estimators_[0].tree_.feature[0] = 4


def _other_columns(estimator: Estimator) -> None:
    estimator.n_features_in_ = 3


def _other_classes(estimator: Estimator) -> None:
    estimator.classes_ = np.arange(3)


@pytest.mark.parametrize(
    "crafted", [_child_before_parent, _shared_child, _one_child, _outside, _foreign_column, _other_columns, _other_classes]
)
def test_a_crafted_forest_is_refused(crafted: Callable[[Estimator], None]) -> None:
    estimator = forest()
    crafted(estimator)
    with pytest.raises(NotCompilableError):
        compile_trees(estimator)


@pytest.mark.parametrize(("field", "value"), [("left", 0), ("right", 10**6), ("feature_idx", 4), ("num_threshold", np.nan)])
def test_a_crafted_tree_of_a_histogram_is_refused(field: str, value: float) -> None:
    estimator = HistGradientBoostingRegressor(max_iter=2).fit(*examples())
    estimator._predictors[0][0].nodes[field][0] = value
    with pytest.raises(NotCompilableError):
        compile_histogram(estimator)


def test_crafted_categories_are_refused() -> None:
    random = np.random.default_rng(0)
    column = random.integers(0, 12, (400, 1)).astype(np.float64)
    for craft in ("bitset", "encoder"):
        estimator = HistGradientBoostingRegressor(max_iter=1, categorical_features=[0]).fit(column, column[:, 0] % 3)
        nodes = estimator._predictors[0][0].nodes
        assert nodes["is_categorical"][0]
        if craft == "bitset":
            nodes["bitset_idx"][0] = 10**6
        else:
            estimator._preprocessor = None
        with pytest.raises(NotCompilableError, match="categories"):
            compile_histogram(estimator)
