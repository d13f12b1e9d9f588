"""What is wrong with a compiled model is found when it is loaded: each defect below, none in a model that has none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, OrdinalEncoder, RobustScaler, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from streamproc.inference.compiled import CompiledModel, Signature
from streamproc.inference.compiling.estimators import compile_model
from streamproc.inference.compiling.parts import NotCompilableError
from streamproc.inference.compiling.rows import comparison_rows, pools
from streamproc.inference.packed import TAKES_INFINITY, TAKES_NULL, Packed
from streamproc.inference.repository import compiled
from streamproc.inference.verification import verify
from streamproc.models.sklearn import SklearnModel

Estimator = Any  # scikit-learn ships no types
RNG = np.random.default_rng(11)
FRAME = pd.DataFrame({"a": RNG.normal(size=300), "b": 5 + 3 * RNG.normal(size=300), "c": RNG.normal(size=300) ** 3})
GAPS = FRAME.mask(RNG.random(FRAME.shape) < 0.1)
TWO = (FRAME["a"] > FRAME["b"] - 5).to_numpy().astype(int)
THREE = np.array(["low", "mid", "high"], dtype=object)[np.digitize(FRAME["c"], [-0.5, 0.5])]
REAL = FRAME.to_numpy() @ [1.0, -2.0, 0.5] + RNG.normal(size=300)
MIXED = FRAME.assign(color=RNG.choice(["red", "green", "blue"], 300).astype(object))


def by_color(*numeric: Estimator) -> ColumnTransformer:
    """The colours one-hot, the numbers through `numeric`."""
    return ColumnTransformer(
        [("color", OneHotEncoder(handle_unknown="ignore"), ["color"]), ("numbers", make_pipeline(*numeric), ["a", "b", "c"])]
    )


SOUND: dict[str, Callable[[], Estimator]] = {
    "logistic": lambda: make_pipeline(StandardScaler(), LogisticRegression()).fit(FRAME, TWO),
    "multinomial": lambda: make_pipeline(RobustScaler(), LogisticRegression(max_iter=500)).fit(FRAME, THREE),
    "ridge": lambda: make_pipeline(MinMaxScaler(), Ridge()).fit(FRAME, REAL),
    "without names": lambda: LinearRegression().fit(FRAME.to_numpy(), REAL),
    "a column": lambda: LinearRegression().fit(FRAME, REAL[:, None]),
    "several outputs": lambda: LinearRegression().fit(FRAME, np.column_stack([REAL, -REAL])),
    "margin": lambda: make_pipeline(StandardScaler(), LinearSVC()).fit(FRAME, THREE),
    "sgd": lambda: make_pipeline(StandardScaler(), SGDClassifier(loss="log_loss", random_state=1)).fit(FRAME, THREE),
    "imputed": lambda: make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression()).fit(GAPS, TWO),
    "categories": lambda: make_pipeline(by_color(StandardScaler()), LogisticRegression()).fit(MIXED, TWO),
    "search": lambda: GridSearchCV(make_pipeline(StandardScaler(), Ridge()), {"ridge__alpha": [0.5, 1.0]}, cv=3).fit(
        FRAME, REAL
    ),
    "tree": lambda: DecisionTreeClassifier(max_depth=5, random_state=1).fit(FRAME, THREE),
    "forest": lambda: RandomForestClassifier(20, max_depth=6, random_state=1).fit(FRAME, TWO),
    "forest with gaps": lambda: RandomForestClassifier(20, max_depth=6, random_state=1).fit(GAPS, THREE),
    "forest of numbers": lambda: RandomForestRegressor(10, random_state=1).fit(FRAME, REAL),
    "scaled forest": lambda: make_pipeline(StandardScaler(), ExtraTreesClassifier(10, random_state=1)).fit(FRAME, TWO),
    "forest of categories": lambda: make_pipeline(by_color("passthrough"), RandomForestClassifier(5, random_state=1)).fit(
        MIXED, TWO
    ),
    "boosting": lambda: GradientBoostingClassifier(n_estimators=10, random_state=1).fit(FRAME, THREE),
    "histogram": lambda: HistGradientBoostingClassifier(max_iter=10, random_state=1).fit(GAPS, TWO),
    "histogram of numbers": lambda: HistGradientBoostingRegressor(max_iter=10, random_state=1).fit(FRAME, REAL),
}


@pytest.mark.parametrize("name", SOUND)
def test_a_model_that_keeps_the_promise_is_compiled(name: str) -> None:
    model = SklearnModel(SOUND[name](), None if name != "without names" else list("abc"))
    assert compiled(model).null_features == model.null_features


def with_arrays(model: SklearnModel, packed: Packed) -> CompiledModel:
    """What the packed arrays make of the model."""
    labels = np.array(model.estimator.classes_) if packed.numbers == 0 else None
    return CompiledModel(packed, Signature.shared(model.metadata, packed, labels, is_column=False))


def damaged(model: SklearnModel, damage: Callable[[Packed], Packed]) -> CompiledModel:
    """The compiled model after `damage`."""
    return with_arrays(model, damage(compile_model(model)))


def with_flags(change: Callable[[NDArray[np.int32]], NDArray[np.int32]]) -> Callable[[Packed], Packed]:
    """Changes how features are read."""

    def damage(packed: Packed) -> Packed:
        ints = packed.ints.copy()
        ints[: packed.n_features] = change(ints[: packed.n_features])
        return replace(packed, ints=ints)

    return damage


def with_float(at: int, change: Callable[[float], float]) -> Callable[[Packed], Packed]:
    """Changes one of the floats."""

    def damage(packed: Packed) -> Packed:
        floats = packed.floats.copy()
        floats[at] = change(floats[at])
        return replace(packed, floats=floats)

    return damage


def with_thresholds_one_step_higher(packed: Packed) -> Packed:
    nodes = packed.nodes.copy()
    nodes["threshold"] = np.nextafter(nodes["threshold"], np.float32(np.inf))
    return replace(packed, nodes=nodes)


def with_all_floats_one_step_higher(packed: Packed) -> Packed:
    return replace(packed, floats=np.nextafter(packed.floats, np.inf))


DEFECTS: dict[str, tuple[str, Callable[[Packed], Packed], str]] = {
    "thresholds next to the right ones": ("forest", with_thresholds_one_step_higher, "differ"),
    "values next to the right ones": ("forest of numbers", with_all_floats_one_step_higher, "differ"),
    "a mean that is off by a millionth": ("logistic", with_float(0, lambda mean: mean + 1e-6), "differ"),
    "a coefficient that is off by 1e-10": ("ridge", with_float(-2, lambda weight: weight + 1e-10), "differ"),
    "null taken": ("logistic", with_flags(lambda flags: flags | TAKES_NULL), "null 'a' is taken and then refused"),
    "null refused in one feature of a tree": ("tree", with_flags(lambda flags: flags & [-1, ~TAKES_NULL, -1]), "'b'"),
    "null refused in one imputed feature": ("imputed", with_flags(lambda flags: flags & [~TAKES_NULL, -1, -1]), "'a'"),
    "infinity refused": ("histogram", with_flags(lambda flags: flags & ~TAKES_INFINITY), "refuses for its"),
}


@pytest.mark.parametrize("name", DEFECTS)
def test_a_model_that_would_predict_otherwise_than_scikit_learn_is_refused(name: str) -> None:
    estimator, damage, text = DEFECTS[name]
    model = SklearnModel(SOUND[estimator]())
    with pytest.raises(NotCompilableError, match=text):
        verify(model, damaged(model, damage))


def test_labels_in_another_order_are_found() -> None:
    model = SklearnModel(SOUND["tree"]())
    sound = compiled(model)
    assert sound.packed is not None
    assert sound.labels is not None
    other = Signature.shared(model.metadata, sound.packed, sound.labels[::-1].copy(), is_column=False)
    with pytest.raises(NotCompilableError, match="differ"):
        verify(model, CompiledModel(sound.packed, other))


def test_a_column_is_no_flat_result() -> None:
    model = SklearnModel(SOUND["a column"]())
    with pytest.raises(NotCompilableError, match="1 values in a row"):
        verify(model, damaged(model, lambda packed: packed))


# The rows.


def test_the_rows_are_made_of_the_models_own_numbers_and_categories() -> None:
    tree = SOUND["tree"]()
    of_tree = pools(tree, 3)
    inner = tree.tree_.feature >= 0
    for feature in range(3):
        expected = tree.tree_.threshold[inner & (tree.tree_.feature == feature)]
        assert set(np.concatenate([np.zeros(0), *of_tree[feature].numbers])) == set(expected)
    of_mixture = pools(SOUND["categories"](), 4)
    assert sorted(of_mixture[3].texts) == ["blue", "green", "red"]
    assert FRAME["b"].mean() == pytest.approx(of_mixture[1].numbers[0][0])


def test_thresholds_beside_encoded_columns_belong_to_their_own_feature() -> None:
    pipeline = make_pipeline(by_color(StandardScaler()), DecisionTreeClassifier(max_depth=3, random_state=1))
    found = pools(pipeline.fit(MIXED, MIXED["b"] > 4), 4)
    below, above = MIXED["b"][MIXED["b"] <= 4].max(), MIXED["b"][MIXED["b"] > 4].min()
    assert below <= found[1].numbers[-1][0] <= above
    assert [len(found[feature].numbers) for feature in (0, 2)] == [1, 1]


@pytest.mark.parametrize("scaler", [StandardScaler, MinMaxScaler, RobustScaler])
def test_thresholds_behind_a_scaler_lead_back_to_values_of_the_feature(scaler: Callable[[], Estimator]) -> None:
    pipeline = make_pipeline(scaler(), DecisionTreeClassifier(max_depth=1)).fit(FRAME[["b"]], FRAME["b"] > 4)
    (pool,) = pools(pipeline, 1)
    below, above = FRAME["b"][FRAME["b"] <= 4].max(), FRAME["b"][FRAME["b"] > 4].min()
    assert below <= pool.numbers[-1][0] <= above


def test_categories_of_an_ordinal_encoder_in_the_second_place_are_found() -> None:
    encoder = ColumnTransformer([("keep", "passthrough", [0, 1, 2]), ("codes", OrdinalEncoder(), [3])])
    pipeline = make_pipeline(encoder, DecisionTreeClassifier(max_depth=3, random_state=1)).fit(MIXED, TWO)
    found = pools(pipeline, 4)
    assert found[3].is_closed
    assert sorted(found[3].texts) == ["blue", "green", "red"]
    assert not found[0].texts


def test_each_feature_is_null_alone_in_some_row_and_the_rows_are_always_the_same() -> None:
    estimator = SOUND["logistic"]()
    rows = comparison_rows(estimator, np.zeros(3, np.int32), list("abc"))
    again = comparison_rows(estimator, np.zeros(3, np.int32), list("abc"))
    pd.testing.assert_frame_equal(rows, again)
    alone = rows.isna()[rows.isna().sum(axis=1) == 1]
    assert alone.any().all()
    assert np.isinf(rows.to_numpy()).any(axis=0).all()
