"""A compiled model is a model like any other: same results, and little memory."""

from __future__ import annotations

import gc
import tracemalloc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

from streamproc.inference.compiled import CompiledModel, Signature
from streamproc.inference.engine import FusedEngine
from streamproc.inference.layouts import Layout, Reads
from streamproc.inference.repository import compiled
from streamproc.models.base import Model, ModelMetadata, OutputKind
from streamproc.models.sklearn import SklearnModel

Estimator = Any  # scikit-learn ships no types
RNG = np.random.default_rng(3)
NAMES = ["a", "b", "c"]
FRAME = pd.DataFrame(RNG.normal(size=(200, 3)), columns=NAMES)
TWO = (FRAME["a"] > FRAME["b"]).to_numpy()
THREE = np.array(["low", "mid", "high"], dtype=object)[np.digitize(FRAME["c"], [-0.5, 0.5])]
REAL = FRAME.to_numpy() @ [1.0, -2.0, 0.5]
COLORS = FRAME.assign(color=RNG.choice(["red", "green", "bleu ciel é"], 200).astype(object))

ESTIMATORS: dict[str, Callable[[], Estimator]] = {
    "booleans": lambda: make_pipeline(StandardScaler(), LogisticRegression()).fit(FRAME, TWO),
    "integers of 8 bits": lambda: LogisticRegression().fit(FRAME, TWO.astype(np.int8)),
    "strings": lambda: LogisticRegression(max_iter=500).fit(FRAME, THREE),
    "strings of fixed width": lambda: RandomForestClassifier(5, random_state=1).fit(FRAME, THREE.astype(str)),
    "no scores": lambda: LinearSVC().fit(FRAME, THREE),
    "numbers": lambda: Ridge().fit(FRAME, REAL),
    "a column of numbers": lambda: LinearRegression().fit(FRAME, REAL[:, None]),
    "rows of numbers": lambda: RandomForestRegressor(5, random_state=1).fit(FRAME, np.column_stack([REAL, -REAL])),
    "categories": lambda: make_pipeline(
        ColumnTransformer([("color", OneHotEncoder(handle_unknown="ignore"), ["color"])], remainder="passthrough"),
        LogisticRegression(),
    ).fit(COLORS, TWO),
}


def compiled_and_native(name: str) -> tuple[CompiledModel, SklearnModel]:
    model = SklearnModel(ESTIMATORS[name]())
    return compiled(model), model


def assert_same_predictions(one: Model, other: Model, data: pd.DataFrame) -> None:
    """Values of one dtype and shape, scores as close as linear models promise."""
    values, expected = one.predict(data), other.predict(data)
    assert (values.dtype, values.shape) == (expected.dtype, expected.shape)
    if values.dtype.kind == "f":
        np.testing.assert_allclose(values, expected, rtol=0, atol=1e-12)
    else:
        np.testing.assert_array_equal(values, expected)
    scores, expected_scores = one.scores(data), other.scores(data)
    assert (scores is None) == (expected_scores is None)
    if scores is not None and expected_scores is not None:
        np.testing.assert_allclose(scores, expected_scores, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_values_and_scores_are_as_scikit_learn_returns_them(name: str) -> None:
    ours, native = compiled_and_native(name)
    data = COLORS if name == "categories" else FRAME
    assert ours.metadata == native.metadata
    assert_same_predictions(ours, native, data)
    assert_same_predictions(ours, native, data.iloc[:1])
    values, scores = ours.predict_with_scores(data)
    np.testing.assert_array_equal(values, ours.predict(data))
    np.testing.assert_array_equal(scores is None, ours.scores(data) is None)


def test_integers_and_booleans_are_read_as_numbers() -> None:
    frame = pd.DataFrame({"a": RNG.integers(0, 9, 100), "b": RNG.random(100) < 0.5, "c": RNG.normal(size=100)})
    model = SklearnModel(LogisticRegression().fit(frame, TWO[:100]))
    assert_same_predictions(compiled(model), model, frame)


def test_a_vector_is_columns() -> None:
    model = SklearnModel(LogisticRegression().fit(FRAME.to_numpy(), TWO), ["v"])
    ours = compiled(model)
    assert ours.columns == ("v[0]", "v[1]", "v[2]")
    assert ours.layout == Layout(("v",), 3, (Reads.NUMBER,) * 3)
    assert_same_predictions(ours, model, FRAME.set_axis(list(ours.columns), axis=1))


def test_a_text_that_nobody_knows_is_an_unknown_category_and_so_is_what_is_no_text() -> None:
    ours, native = compiled_and_native("categories")
    odd = COLORS.iloc[:5].copy()
    odd["color"] = pd.Series(["", "red ", "RED", "ré", "\N{GRINNING FACE}"], dtype=object)
    assert_same_predictions(ours, native, odd)
    expected = ours.predict(odd)
    odd["color"] = pd.Series([0, 1.5, True, b"red", ("red",)], dtype=object)
    np.testing.assert_array_equal(ours.predict(odd), expected)


def test_null_is_taken_where_scikit_learn_takes_it_and_known_without_a_probe() -> None:
    gaps = FRAME.mask(RNG.random(FRAME.shape) < 0.2)
    parts = ColumnTransformer([("impute", SimpleImputer(), ["b"])], remainder="passthrough")
    for estimator in (
        make_pipeline(parts, LogisticRegression()).fit(FRAME, TWO),
        HistGradientBoostingClassifier(max_iter=5).fit(gaps, TWO),
        LogisticRegression().fit(FRAME, TWO),
    ):
        model = SklearnModel(estimator)
        ours = compiled(model)
        assert ours.null_features == model.null_features
        null = FRAME.iloc[:4].copy()
        null[list(ours.null_features)] = np.nan
        assert_same_predictions(ours, model, null)


@pytest.mark.parametrize(("value", "what"), [(np.nan, "NaN"), (np.inf, "infinite"), (-np.inf, "infinite")])
def test_a_row_that_can_not_be_predicted_makes_the_call_raise_and_names_the_feature(value: float, what: str) -> None:
    ours, _ = compiled_and_native("booleans")
    bad = FRAME.copy()
    bad.loc[7, "b"] = value
    with pytest.raises(ValueError, match=f"feature 'b' is {what}"):
        ours.predict(bad)
    attempt = ours.attempt(bad)
    assert np.flatnonzero(attempt.status).tolist() == [7]
    np.testing.assert_array_equal(np.delete(attempt.values, 7), ours.predict(FRAME.drop(index=7)))


def test_what_is_too_large_for_a_tree_is_named_only_where_the_tree_reads_the_feature_itself() -> None:
    bad = COLORS.iloc[:3].copy()
    bad.loc[1, "b"] = 1e300
    plain = compiled(SklearnModel(RandomForestClassifier(3, random_state=1).fit(FRAME, TWO)))
    with pytest.raises(ValueError, match="feature 'b' is too large"):
        plain.predict(bad[NAMES])
    encoder = ColumnTransformer([("color", OneHotEncoder(), ["color"])], remainder="passthrough")
    encoded = compiled(SklearnModel(make_pipeline(encoder, RandomForestClassifier(3, random_state=1)).fit(COLORS, TWO)))
    with pytest.raises(ValueError, match="a feature is too large"):
        encoded.predict(bad)


def test_text_for_a_number_raises_and_so_does_another_number_of_columns() -> None:
    ours, _ = compiled_and_native("numbers")
    with pytest.raises(ValueError, match="could not convert"):
        ours.predict(FRAME.assign(b=pd.Series(["x"] * 200, dtype=object)))
    with pytest.raises(ValueError, match="expected the model's 3 columns, found 2"):
        ours.predict(FRAME[["a", "b"]])


def test_it_predicts_the_same_where_it_was_installed() -> None:
    engine = FusedEngine()
    models = {name: compiled_and_native(name)[0] for name in ("booleans", "rows of numbers", "strings")}
    before = {name: model.predict(FRAME) for name, model in models.items()}
    for model in models.values():
        assert model.packed is not None
        model.release(engine, engine.install(model.packed, model.layout))
        assert model.packed is None
    for name, model in models.items():
        np.testing.assert_array_equal(model.predict(FRAME), before[name])


# What models share.


def linear(intercept: float, labels: object = (0, 1)) -> SklearnModel:
    """Tenants' models: alike but for their numbers."""
    estimator = make_pipeline(StandardScaler(), LogisticRegression()).fit(FRAME + intercept, np.array(labels)[TWO.astype(int)])
    return SklearnModel(estimator)


def test_models_that_agree_share_what_describes_them() -> None:
    one, other = compiled(linear(1.0)), compiled(linear(2.0))
    assert one.metadata is other.metadata
    assert one.labels is other.labels
    assert one.layout is other.layout
    assert one.null_features is other.null_features
    assert not np.array_equal(one.scores(FRAME), other.scores(FRAME))  # type: ignore[arg-type]  # both give scores


def test_models_whose_labels_only_look_alike_share_none() -> None:
    one, other = compiled(linear(1.0)), compiled(linear(1.0, (False, True)))
    assert one.labels is not other.labels
    assert other.predict(FRAME).dtype == np.bool_


def test_what_models_share_goes_with_the_last_of_them() -> None:
    packed = compiled(linear(1.0)).packed
    assert packed is not None
    metadata = ModelMetadata(("only", "here", "known"), OutputKind.DOUBLE)
    signature = Signature.shared(metadata, packed, None, is_column=False)
    gone = weakref.ref(signature)
    assert Signature.shared(metadata, packed, None, is_column=False) is signature
    del signature
    gc.collect()
    assert gone() is None


def test_the_bytes_of_a_model_are_those_of_its_arenas_and_its_own_objects() -> None:
    packed = compiled(linear(1.0)).packed
    assert packed is not None
    signature = Signature.shared(linear(1.0).metadata, packed, np.array([0, 1]), is_column=False)
    engine, models = FusedEngine(), []
    engine.install(packed, CompiledModel(packed, signature).layout)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for slot in range(1000, 3000):
            model = CompiledModel(packed, signature)
            model.release(engine, slot)
            models.append(model)
        own = (tracemalloc.get_traced_memory()[0] - before) / len(models)
    finally:
        tracemalloc.stop()
    counted = models[0].nbytes - packed.nbytes
    assert 0.7 * counted <= own <= counted


def encoded_model(encoder: Any, word: Any) -> tuple[Any, CompiledModel]:  # noqa: ANN401 - scikit-learn ships no types
    """A model that encodes `word`, reads `a`, and drops `b`."""
    rows = pd.DataFrame({"a": FRAME["a"], "word": word, "b": FRAME["b"]})
    columns = ColumnTransformer([("word", encoder, ["word"]), ("a", "passthrough", ["a"])])
    estimator = make_pipeline(columns, Ridge()).fit(rows, FRAME["a"])
    return estimator, compiled(SklearnModel(estimator))


def raises(model: Any, rows: pd.DataFrame) -> bool:  # noqa: ANN401 - a compiled model, or an estimator
    try:
        model.predict(rows)
    except (ValueError, TypeError):
        return True
    return False


def test_a_text_that_reads_like_a_number_is_no_category_among_numbers() -> None:
    estimator, ours = encoded_model(OneHotEncoder(handle_unknown="ignore"), np.arange(len(FRAME)) % 3)
    rows = pd.DataFrame({"a": [0.5], "word": pd.Series(["2"], dtype=object), "b": [0.0]})
    with pytest.raises(ValueError, match="a text where the model knows numbers"):
        ours.predict(rows)
    assert estimator.predict(rows) != estimator.predict(rows.assign(word=2))


@pytest.mark.parametrize("word", [1, 2.5, True])
def test_a_column_of_numbers_is_refused_where_texts_are_known_as_scikit_learn_refuses_it(word: float) -> None:
    known = pd.Series(["x", "y"] * len(FRAME), dtype=object)[: len(FRAME)]
    estimator, ours = encoded_model(OneHotEncoder(handle_unknown="ignore"), known)
    rows = pd.DataFrame({"a": [0.5], "word": [word], "b": [0.0]})
    assert raises(ours, rows)
    assert raises(estimator, rows)


def test_a_feature_that_is_dropped_may_be_anything() -> None:
    estimator, ours = encoded_model(OneHotEncoder(), np.arange(len(FRAME)) % 3)
    for other in (1, "text", np.inf, None):
        rows = pd.DataFrame({"a": [0.5], "word": [1], "b": pd.Series([other], dtype=object)})
        assert ours.predict(rows) == pytest.approx(estimator.predict(rows), rel=0, abs=1e-12)
    assert ours.layout.reads == (Reads.NUMBER, Reads.NUMBER, Reads.NOTHING)
