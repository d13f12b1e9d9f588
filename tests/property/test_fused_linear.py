"""Linear models behind any transformers: kernels say what scikit-learn says, row by row, and refuse the rows it refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
)
from sklearn.svm import LinearSVC
from support.fused import compiled, predicted

from streamproc.models.quiet import quiet

Estimator = Any  # scikit-learn ships no types

HOSTILE = (np.nan, np.inf, -np.inf, 1e308, -1.7e308, 5e-324, -1e-310, -0.0, 0.0, 1e16, 2.0**53 + 2, -1.0, 3.0)
TEXTS = ("red", "grün", "", "紅", "r", "redder", "🟥", "\x00", "Red")
SETTINGS = settings(max_examples=60, deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate])
"""Without shrinking: an example is its seed, and another seed is another example."""


def numbers(rng: np.random.Generator, rows: int, *, missing: bool) -> NDArray[np.float64]:
    column = rng.normal(size=rows) * 10.0 ** rng.integers(-3, 4)
    if rng.random() < 0.3:
        column = rng.integers(-2, 4, rows).astype(np.float64)
    if missing:
        column[rng.random(rows) < 0.3] = np.nan
        column[0] = 1.0
    return column


def texts(rng: np.random.Generator, rows: int, known: int, *, missing: bool) -> NDArray[np.object_]:
    column = rng.choice(np.array(TEXTS[:known], object), rows)
    if missing:
        column[rng.random(rows) < 0.3] = np.nan
        column[0] = TEXTS[0]
    return column


def hostile_rows(rng: np.random.Generator, like: pd.DataFrame, count: int) -> pd.DataFrame:
    """Rows of the same dtypes: those that were seen, and in half of the cells anything."""
    rows = like.sample(count, replace=True, random_state=int(rng.integers(2**31))).reset_index(drop=True)
    for name in rows:
        anything = np.array([np.nan, "nobody's", *TEXTS], object) if rows[name].dtype == object else np.array(HOSTILE)
        swapped = np.flatnonzero(rng.random(count) < 0.15)
        values = rows[name].to_numpy().copy()
        values[swapped] = rng.choice(anything, len(swapped))
        rows[name] = pd.Series(values, dtype=values.dtype)
    return rows


def alone(call: Callable[[pd.DataFrame], Any], rows: pd.DataFrame) -> list[NDArray[Any] | None]:  # of any dtype
    """What scikit-learn says of each row by itself; None where it raises."""
    said: list[NDArray[Any] | None] = []
    for row in range(len(rows)):
        try:
            with quiet():
                made = call(rows.iloc[[row]])
            said.append(np.asarray(made.toarray() if hasattr(made, "toarray") else made)[0])
        except ValueError:
            said.append(None)
    return said


def assert_equal(estimator: Estimator, rows: pd.DataFrame) -> None:
    """That kernels and scikit-learn refuse the same rows, make the same columns of the others, and predict the same."""
    model, packed = compiled(estimator)
    fused = predicted(packed, rows)
    values = alone(model.predict, rows)
    scores = alone(estimator.predict_proba, rows) if packed.scores else values
    columns = alone(estimator[:-1].transform, rows)
    assert [value is None for value in values] == (fused.status != 0).tolist()
    for row in np.flatnonzero(fused.status == 0).tolist():
        value, score, column = values[row], scores[row], columns[row]
        assert value is not None
        assert score is not None
        assert column is not None
        column = column.astype(np.float64)
        np.testing.assert_array_equal(fused.columns[row], column)
        with quiet():
            bound = bound_of(estimator[-1], column)
            certain = not packed.numbers and margin_of(estimator[-1], column) > 2 * bound.max()
        if not np.isfinite(bound).all():
            continue
        if packed.numbers:
            assert np.all(np.abs(fused.numbers[row] - value) <= bound)
        if certain:
            assert estimator[-1].classes_[fused.label[row]] == value
        if packed.scores:
            np.testing.assert_allclose(fused.scores[row], score, rtol=0, atol=1e-12)


def bound_of(final: Estimator, column: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each sum may be from scikit-learn's."""
    size = np.abs(final.intercept_) + np.abs(final.coef_) @ np.abs(column)
    return np.asarray(1e-12 * np.maximum(1, np.atleast_1d(size)))


def margin_of(final: Estimator, column: NDArray[np.float64]) -> float:
    """How far the sums are from another label."""
    sums = np.sort(np.atleast_1d(final.decision_function(column.reshape(1, -1))[0]))
    return float(abs(sums[0])) if len(sums) == 1 else float(sums[-1] - sums[-2])


def fitted(estimator: Estimator, data: pd.DataFrame, target: object) -> Estimator:
    with quiet():
        return estimator.fit(data, target)


def target_of(rng: np.random.Generator, rows: int, classes: int) -> NDArray[np.int64]:
    target = rng.integers(0, classes, rows)
    target[:classes] = np.arange(classes)
    return target


heads = st.sampled_from(
    [
        LinearRegression,
        lambda: Ridge(fit_intercept=False),
        lambda: LogisticRegression(max_iter=5),
        lambda: SGDClassifier("log_loss", random_state=0, max_iter=5),
        lambda: SGDClassifier("modified_huber", random_state=0, max_iter=5),
        lambda: LinearSVC(max_iter=5),
    ]
)
scalers = st.sampled_from(
    [
        StandardScaler(),
        StandardScaler(with_mean=False),
        StandardScaler(with_std=False),
        MinMaxScaler(),
        MinMaxScaler((-2, 3), clip=True),
        RobustScaler(),
        RobustScaler(with_centering=False),
        RobustScaler(with_scaling=False),
        MaxAbsScaler(),
        FunctionTransformer(),
        FunctionTransformer(validate=True),
        "passthrough",
    ]
)
imputers = st.builds(
    SimpleImputer,
    strategy=st.sampled_from(["mean", "median", "most_frequent", "constant"]),
    add_indicator=st.booleans(),
    keep_empty_features=st.booleans(),
)
one_hots = st.builds(
    OneHotEncoder,
    drop=st.sampled_from([None, "first", "if_binary"]),
    handle_unknown=st.sampled_from(["error", "ignore", "infrequent_if_exist", "warn"]),
    min_frequency=st.sampled_from([None, 3, 0.2]),
    max_categories=st.sampled_from([None, 3]),
    sparse_output=st.booleans(),
    dtype=st.sampled_from([np.float64, np.int32, np.bool_]),
)
ordinals = st.one_of(
    st.builds(OrdinalEncoder, encoded_missing_value=st.sampled_from([np.nan, -2.0])),
    st.builds(
        OrdinalEncoder,
        handle_unknown=st.just("use_encoded_value"),
        unknown_value=st.sampled_from([-1, np.nan]),
        encoded_missing_value=st.sampled_from([-2.0, 99.0]),
        min_frequency=st.sampled_from([None, 3]),
    ),
)
seeds = st.integers(0, 2**32 - 1)


@SETTINGS
@given(seed=seeds, head=heads, steps=st.lists(scalers, max_size=3), imputer=st.none() | imputers, classes=st.integers(2, 10))
def test_scaled_and_imputed_numbers_are_predicted_as_scikit_learn_does(
    seed: int, head: Callable[[], Estimator], steps: list[Estimator], imputer: Estimator, classes: int
) -> None:
    rng = np.random.default_rng(seed)
    width = int(rng.integers(1, 7))
    data = pd.DataFrame({f"f{place}": numbers(rng, 40, missing=imputer is not None) for place in range(width)})
    if imputer is not None and width > 1 and rng.random() < 0.3:
        data["f1"] = np.nan  # a feature without any value
    first = [] if imputer is None else [imputer]
    refuses_nan = any(isinstance(step, FunctionTransformer) and step.validate for step in steps)
    own = [clone(step, safe=False) for step in steps]
    order = [*first, *own] if refuses_nan else [*own, *first]
    estimator = fitted(make_pipeline(*order, "passthrough", head()), data, target_of(rng, 40, classes))
    assert_equal(estimator, hostile_rows(rng, data, 14))


@SETTINGS
@given(seed=seeds, head=heads, encoder=st.one_of(one_hots, ordinals), missing=st.booleans(), imputed=st.booleans())
def test_encoded_texts_are_predicted_as_scikit_learn_does(
    seed: int, head: Callable[[], Estimator], encoder: Estimator, *, missing: bool, imputed: bool
) -> None:
    rng = np.random.default_rng(seed)
    known = [int(rng.integers(1, len(TEXTS))) for _ in range(int(rng.integers(1, 4)))]
    data = pd.DataFrame({f"f{place}": texts(rng, 40, own, missing=missing) for place, own in enumerate(known)}, dtype=object)
    fill = SimpleImputer(strategy=rng.choice(["most_frequent", "constant"]))
    spread = StandardScaler(with_mean=False) if rng.random() < 0.5 else "passthrough"
    steps = [fill, encoder, spread] if imputed else [encoder, spread]
    finite = [*steps, SimpleImputer(keep_empty_features=True)]  # an ordinal may be NaN, which no linear model takes
    estimator = fitted(make_pipeline(*finite, head()), data, target_of(rng, 40, 2))
    assert_equal(estimator, hostile_rows(rng, data, 14))


@SETTINGS
@given(seed=seeds, head=heads, encoder=st.one_of(one_hots, ordinals), imputed=st.booleans())
def test_encoded_numbers_are_predicted_as_scikit_learn_does(
    seed: int, head: Callable[[], Estimator], encoder: Estimator, *, imputed: bool
) -> None:
    rng = np.random.default_rng(seed)
    columns = rng.choice(np.array([-1.5, 0.0, 3.0, 7.25, np.nan]), (40, 3))
    columns[0] = 1.0
    data = pd.DataFrame(columns, columns=["a", "b", "c"])
    first = [SimpleImputer(strategy="most_frequent")] if imputed else []
    steps = [*first, encoder, SimpleImputer(keep_empty_features=True)]
    estimator = fitted(make_pipeline(*steps, head()), data, target_of(rng, 40, 2))
    assert_equal(estimator, hostile_rows(rng, data, 14))


def choices(names: list[str], rng: np.random.Generator) -> object:
    """One way or another to name the columns `names` of a, b, c, t, u."""
    places = ["abctu".index(name) for name in names]
    mask = [name in names for name in "abctu"]
    ways: list[object] = [names, places, mask]
    if places == list(range(places[0], places[-1] + 1)):
        ways.append(slice(places[0], places[-1] + 1))
    if names == ["t", "u"]:
        ways.append(make_column_selector(dtype_include=object))
    return ways[int(rng.integers(len(ways)))]


@SETTINGS
@given(
    seed=seeds,
    head=heads,
    scaler=scalers,
    encoder=one_hots,
    ordinal=ordinals,
    remainder=st.sampled_from(["drop", "passthrough", "estimator"]),
    threshold=st.sampled_from([0.0, 1.0]),
)
def test_each_column_goes_its_own_way_as_in_scikit_learn(
    seed: int, head: Callable[[], Estimator], scaler: Estimator, encoder: Estimator, ordinal: Estimator, remainder: str,
    threshold: float,
) -> None:  # fmt: skip
    rng = np.random.default_rng(seed)
    filled = SimpleImputer(strategy="constant", fill_value=0.5)
    columns: dict[str, Any] = {name: numbers(rng, 40, missing=name == "c") for name in "abc"}
    data = pd.DataFrame({**columns, **{name: texts(rng, 40, 4, missing=name == "u") for name in "tu"}})
    data = data.astype({"t": object, "u": object})
    branches = [
        ("numbers", make_pipeline(SimpleImputer(add_indicator=True), scaler), choices(["a", "c"], rng)),
        ("texts", encoder, choices(["t"], rng)),
        ("both", make_pipeline(ordinal, filled), choices(["t", "u"], rng)),
        ("dropped", "drop", ["u"]),
        ("nothing", StandardScaler(), []),
    ]
    chosen = [branches[place] for place in rng.permutation(len(branches))[: int(rng.integers(2, 6))]]
    if not any(name in ("numbers", "both", "texts") for name, _, _ in chosen):
        chosen.append(branches[0])
    rest = SimpleImputer(strategy="most_frequent") if remainder == "estimator" else remainder
    if remainder != "drop" and "both" not in {name for name, _, _ in chosen}:
        chosen.append(branches[2])  # no text may be left over
    weights = {"numbers": 0.3} if rng.random() < 0.3 else None
    split = ColumnTransformer(chosen, remainder=rest, sparse_threshold=threshold, transformer_weights=weights)
    estimator = fitted(make_pipeline(split, SimpleImputer(), head()), data, target_of(rng, 40, 2))
    assert_equal(estimator, hostile_rows(rng, data, 14))
