"""Transformers in front of a final estimator: the columns that it reads are bit-equal to scikit-learn's."""

from __future__ import annotations

import struct
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)
from support.fused import Fused, compiled, flags_of, predicted, predicted_captures

from streamproc.captures import (
    IS_BOOLEAN,
    IS_DOUBLE,
    IS_ENUM,
    IS_FLOAT,
    IS_INTEGER,
    IS_OTHER,
    IS_STRING,
    NULL,
    Captures,
    Symbols,
)
from streamproc.inference.compiling.parts import NotCompilableError
from streamproc.inference.packed import (
    BAD_TEXT,
    IGNORED,
    IS_INFINITE,
    IS_NAN,
    IS_NULL,
    KNOWS_NUMBERS,
    NOT_FINITE,
    TAKES_INFINITY,
    TAKES_NULL,
    TAKES_TEXT,
    UNKNOWN_CATEGORY,
    Packed,
)
from streamproc.models.quiet import quiet

Estimator = Any  # scikit-learn ships no types


def data() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"a": rng.normal(size=30) * 100, "b": rng.integers(0, 4, 30) / 2, "c": rng.normal(size=30)})
    frame.loc[4:9, "c"] = np.nan
    frame["t"] = pd.Series(np.array(["red", "grün", "紅", "re", ""], object)[rng.integers(0, 5, 30)], dtype=object)
    frame["u"] = pd.Series(np.where(np.arange(30) % 4 == 0, np.nan, frame["t"].to_numpy()), dtype=object)
    return frame


def model_of(*steps: Estimator, names: str = "abctu") -> tuple[Estimator, Packed]:
    """A linear model behind the steps, which are fitted to these columns."""
    frame = data()[list(names)]
    pipeline = make_pipeline(*steps, LinearRegression())
    with quiet():
        pipeline.fit(frame, np.arange(30.0))
    return pipeline, compiled(pipeline)[1]


def assert_columns(pipeline: Estimator, packed: Packed, rows: pd.DataFrame) -> Fused:
    """That no row is refused and all columns are equal."""
    fused = predicted(packed, rows)
    with quiet():
        made = pipeline[:-1].transform(rows)
    expected = np.asarray(made.toarray() if hasattr(made, "toarray") else made, np.float64)
    assert fused.status.tolist() == [0] * len(rows)
    np.testing.assert_array_equal(fused.columns, expected)
    return fused


@pytest.mark.parametrize(
    "scaler",
    [
        StandardScaler(),
        StandardScaler(with_mean=False),
        StandardScaler(with_std=False),
        StandardScaler(with_mean=False, with_std=False),
        MinMaxScaler((-3, 0.5)),
        MinMaxScaler(clip=True),
        RobustScaler(quantile_range=(10, 80)),
        RobustScaler(with_centering=False),
        MaxAbsScaler(),
        FunctionTransformer(),
        "passthrough",
    ],
    ids=repr,
)
def test_each_scaler_makes_scikit_learns_columns(scaler: Estimator) -> None:
    pipeline, packed = model_of(scaler, names="ab")
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(rng.normal(size=(200, 2)) * 10.0 ** rng.integers(-12, 12, (200, 2)), columns=["a", "b"])
    rows.iloc[0], rows.iloc[1], rows.iloc[2] = -0.0, 5e-324, -1e-310
    assert_columns(pipeline, packed, rows)
    assert packed.registers == 2  # in place


@pytest.mark.parametrize("sparse", [True, False], ids=["sparse", "dense"])
@pytest.mark.parametrize("scaler", [StandardScaler(with_mean=False), MaxAbsScaler(), RobustScaler(with_centering=False)])
def test_scalers_divide_as_scikit_learn_does_in_sparse_and_in_dense_columns(scaler: Estimator, *, sparse: bool) -> None:
    split = ColumnTransformer([("t", OneHotEncoder(), ["t"])], remainder="passthrough", sparse_threshold=float(sparse))
    pipeline, packed = model_of(split, scaler, names="abt")
    assert split.sparse_output_ == sparse
    assert_columns(pipeline, packed, data()[["a", "b", "t"]])


@pytest.mark.parametrize("strategy", ["mean", "median", "most_frequent", "constant"])
@pytest.mark.parametrize("missing", [np.nan, 0.5])
def test_numbers_are_imputed_and_indicated(strategy: str, missing: float) -> None:
    frame = data()[["a", "b"]]
    frame.loc[3:8, "b"] = missing
    frame["empty"] = missing
    imputer = SimpleImputer(strategy=strategy, missing_values=missing, add_indicator=True)
    with quiet():
        pipeline = make_pipeline(imputer, LinearRegression()).fit(frame, np.arange(30.0))
    _, packed = compiled(pipeline)
    assert packed.columns > 3
    assert_columns(pipeline, packed, frame)
    rows = pd.DataFrame([[np.nan, 1.0, 2.0], [np.inf, 1.0, 2.0], [1.0, 1.0, np.inf]], columns=["a", "b", "empty"])
    assert predicted(packed, rows).status.tolist() == [0 if np.isnan(missing) else IS_NAN, IS_INFINITE, IS_INFINITE]


def test_what_fills_a_gap_is_rounded_as_the_imputer_rounds_it() -> None:
    frame = data()[["a", "c"]]
    imputer = SimpleImputer(strategy="constant", fill_value=0.1)
    pipeline = make_pipeline(imputer, LinearRegression()).fit(frame.astype(np.float32), np.arange(30.0))
    _, packed = compiled(pipeline)
    fused = assert_columns(pipeline, packed, frame)
    assert np.float32(0.1) in fused.columns


@pytest.mark.parametrize("encoder", [OneHotEncoder(), OrdinalEncoder()])
def test_an_unknown_category_is_the_rows_fault_where_the_encoder_raises(encoder: Estimator) -> None:
    pipeline, packed = model_of(encoder, names="t")
    assert_columns(pipeline, packed, data()[["t"]])
    rows = pd.DataFrame({"t": pd.Series(["red", "r", np.nan, "redd", "", "紅 "], dtype=object)})
    fused = predicted(packed, rows)
    assert fused.status.tolist() == [0, UNKNOWN_CATEGORY, IS_NULL, UNKNOWN_CATEGORY, 0, UNKNOWN_CATEGORY]
    assert fused.where.tolist() == [-1, 0, 0, 0, -1, 0]


@pytest.mark.parametrize("unknown", ["ignore", "infrequent_if_exist", "warn"])
@pytest.mark.parametrize("drop", [None, "first"])
def test_an_unknown_category_is_what_the_encoder_makes_of_it(unknown: str, drop: str | None) -> None:
    encoder = OneHotEncoder(handle_unknown=unknown, drop=drop, max_categories=4)
    pipeline, packed = model_of(encoder, names="tu")
    assert_columns(pipeline, packed, data()[["t", "u"]])
    rows = pd.DataFrame([["nobody's", "red"], [np.nan, np.nan], ["\x00", "Red"], ["grün" * 99, "red\x00"]], columns=["t", "u"])
    assert_columns(pipeline, packed, rows.astype(object))


def test_categories_that_are_numbers_are_found_by_value() -> None:
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-5, encoded_missing_value=-9)
    frame = pd.DataFrame({"a": [1.5, -0.0, 3.0, np.nan] * 5, "b": np.repeat([7, 3, 2**40, -1], 5), "c": [True, False] * 10})
    pipeline = make_pipeline(encoder, LinearRegression()).fit(frame, np.arange(20.0))
    _, packed = compiled(pipeline)
    rows = pd.DataFrame([[0.0, 7, 1], [1.4999, 3.5, 0.5], [np.nan, -1, np.nan], [3, 2.0**40, 0]], columns=list("abc"))
    assert_columns(pipeline, packed, rows)


def test_a_table_of_many_columns_keeps_only_what_differs() -> None:
    texts = np.array([f"category {number}" for number in range(300)], object)
    frame = pd.DataFrame({"t": pd.Series(texts, dtype=object)})
    pipeline = make_pipeline(OneHotEncoder(sparse_output=False), StandardScaler(), LinearRegression()).fit(
        frame, np.arange(300.0)
    )
    _, packed = compiled(pipeline)
    assert_columns(pipeline, packed, frame)
    assert packed.nbytes < 20_000


def test_columns_that_nobody_reads_may_hold_anything() -> None:
    split = ColumnTransformer([("a", StandardScaler(), ["a"]), ("t", OneHotEncoder(), ["t"])])
    pipeline, packed = model_of(split)
    anything = IGNORED | TAKES_NULL | TAKES_INFINITY
    assert flags_of(packed).tolist() == [0, anything, anything, TAKES_TEXT | TAKES_INFINITY, anything]
    rows = pd.DataFrame([[1.0, np.inf, np.nan, "red", "x"], [2.0, -np.inf, 1e308, "", np.nan]], columns=list("abctu"))
    assert_columns(pipeline, packed, rows.astype({"t": object, "u": object}))


def test_a_column_that_an_imputer_drops_is_still_looked_at() -> None:
    frame = data()[["a", "b"]].assign(empty=np.nan)
    with quiet():
        pipeline = make_pipeline(MinMaxScaler(), SimpleImputer(), LinearRegression()).fit(frame, np.arange(30.0))
    pipeline[0].scale_[2], pipeline[0].min_[2] = 10.0, 0.0
    _, packed = compiled(pipeline)
    rows = pd.DataFrame([[1.0, 2.0, 3.0], [1.0, 2.0, 1e308], [1.0, 2.0, np.nan]], columns=["a", "b", "empty"])
    assert predicted(packed, rows).status.tolist() == [0, NOT_FINITE, 0]
    with quiet(), pytest.raises(ValueError, match="infinity"):
        pipeline.predict(rows[1:2])


def test_an_infinity_made_on_the_way_is_refused_also_where_a_later_step_would_hide_it() -> None:
    pipeline, packed = model_of(StandardScaler(), MinMaxScaler(clip=True), names="ab")
    pipeline[0].scale_[0] = 1e-300
    _, packed = compiled(pipeline)
    rows = pd.DataFrame([[1e300, 1.0], [1.0, 1.0]], columns=["a", "b"])
    assert predicted(packed, rows).status.tolist() == [NOT_FINITE, 0]


def test_a_category_that_is_dropped_is_refused_all_the_same() -> None:
    frame = pd.DataFrame({"a": np.arange(30.0), "t": pd.Series(["only"] * 30, dtype=object)})
    split = ColumnTransformer([("t", OneHotEncoder(drop="first"), ["t"])], remainder="passthrough")
    _, packed = compiled(make_pipeline(split, LinearRegression()).fit(frame, np.arange(30.0)))
    rows = pd.DataFrame([[1.0, "only"], [1.0, "other"]], columns=["a", "t"]).astype({"t": object})
    assert packed.columns == 1
    assert predicted(packed, rows).status.tolist() == [0, UNKNOWN_CATEGORY]


def test_one_feature_may_go_through_several_encoders() -> None:
    union = FeatureUnion(
        [
            ("few", OneHotEncoder(categories=[["red", "re"]], handle_unknown="ignore")),
            ("all", make_pipeline(SimpleImputer(strategy="constant", fill_value="void"), OrdinalEncoder())),
        ],
        transformer_weights={"all": 0.1},
    )
    pipeline, packed = model_of(union, names="u")
    assert_columns(pipeline, packed, data()[["u"]])


def test_mixed_objects_are_imputed_and_encoded_column_by_column() -> None:
    steps = [SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")]
    pipeline, packed = model_of(*steps, names="btu")
    assert flags_of(packed).tolist() == [
        KNOWS_NUMBERS | TAKES_NULL | TAKES_INFINITY,
        *[TAKES_TEXT | TAKES_NULL | TAKES_INFINITY] * 2,
    ]
    rows = pd.DataFrame([[0.5, "red", np.nan], [np.nan, "x", "紅"], [np.inf, np.nan, "re"]], columns=["b", "t", "u"])
    assert_columns(pipeline, packed, rows.astype({"t": object, "u": object}))


def test_histogram_boostings_own_encoder_is_part_of_the_transform() -> None:
    frame = data()
    for name in "tu":
        frame[name] = frame[name].astype("category")
    model = HistGradientBoostingRegressor(
        max_iter=2, categorical_features=[False, False, False, True, True], min_samples_leaf=2
    )
    model.fit(frame, np.arange(30.0))
    rows = data()
    rows.loc[0, "t"], rows.loc[1, "u"], rows.loc[2, "a"], rows.loc[3, "b"] = "nobody's", np.nan, np.inf, np.nan
    _, packed = compiled(model)
    fused = predicted(packed, rows)
    assert fused.status.tolist() == [0] * 30
    np.testing.assert_array_equal(fused.columns, model._preprocessor.transform(rows))


def captured(*cells: tuple[int, int], buffer: bytes = b"\x00") -> Captures:
    """One record of these kinds and values."""
    kinds = np.array([[kind for kind, _ in cells]], np.uint8)
    return Captures(buffer, np.array([[value for _, value in cells]], np.int64), kinds, Symbols.of(["none", "red", "grün"]))


def bits(form: str, number: float) -> int:
    return int.from_bytes(struct.pack("<" + form, number), "little", signed=form == "d")


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ((IS_INTEGER, -7), -7.0),
        ((IS_INTEGER, 2**53 + 1), 2.0**53),
        ((IS_BOOLEAN, 1), 1.0),
        ((IS_DOUBLE, bits("d", -1e-320)), -1e-320),
        ((IS_FLOAT, bits("f", 0.1)), float(np.float32(0.1))),
    ],
)
def test_numbers_of_each_kind_are_read(cell: tuple[int, int], number: float) -> None:
    _, packed = model_of("passthrough", names="ab")
    fused = predicted_captures(packed, captured((IS_DOUBLE, 0), cell))
    assert fused.columns.tolist() == [[0.0, number]]
    assert fused.status[0] == 0


@pytest.mark.parametrize(
    ("cell", "status"),
    [
        ((NULL, 0), IS_NULL),
        ((IS_DOUBLE, bits("d", np.nan)), IS_NAN),
        ((IS_FLOAT, bits("f", np.nan)), IS_NAN),
        ((IS_FLOAT, bits("f", -np.inf)), IS_INFINITE),
        ((IS_STRING, 0), UNKNOWN_CATEGORY),
        ((IS_OTHER, 0), UNKNOWN_CATEGORY),
    ],
)
def test_what_is_no_finite_number_is_refused(cell: tuple[int, int], status: int) -> None:
    _, packed = model_of(StandardScaler(), names="ab")
    fused = predicted_captures(packed, captured((IS_DOUBLE, 0), cell))
    assert (fused.status[0], fused.where[0]) == (status, 1)


ENCODED = OrdinalEncoder(
    categories=[["red", "grün", "b", np.nan]], handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-7
)


@pytest.mark.parametrize(
    ("cell", "buffer", "code"),
    [
        ((IS_ENUM, 1), b"\x00", 0),
        ((IS_ENUM, 2), b"\x00", 1),
        ((IS_ENUM, 0), b"\x00", -1),
        ((IS_STRING, 2), b"xx\x06redder", 0),
        ((IS_STRING, 0), b"\x0agr\xc3\xbcn", 1),
        ((IS_STRING, 0), b"\x0cgr\xc3\xbcnx", -1),
        ((IS_STRING, 0), b"\x00red", -1),
        ((IS_STRING, 0), b"\x90\x03" + b"b" * 200, -1),
        ((IS_INTEGER, 0), b"\x00", -1),
        ((IS_BOOLEAN, 1), b"\x00", -1),
        ((IS_DOUBLE, bits("d", 0.5)), b"\x00", -1),
        ((IS_OTHER, 0), b"\x00", -1),
        ((NULL, 0), b"\x00", -7),
        ((IS_DOUBLE, bits("d", np.nan)), b"\x00", -7),
    ],
)
def test_texts_symbols_and_what_is_neither_are_encoded(cell: tuple[int, int], buffer: bytes, code: float) -> None:
    frame = pd.DataFrame({"t": pd.Series(["red", "grün", "b"], dtype=object)})
    _, packed = compiled(make_pipeline(ENCODED, LinearRegression()).fit(frame, np.arange(3.0)))
    fused = predicted_captures(packed, captured(cell, buffer=buffer))
    assert fused.status[0] == 0
    assert fused.columns.tolist() == [[code]]


@pytest.mark.parametrize("seed", range(3))
def test_a_text_is_refused_exactly_where_python_would_not_decode_it(seed: int) -> None:
    frame = pd.DataFrame({"t": pd.Series(["red", "grün", "b"], dtype=object)})
    _, packed = compiled(make_pipeline(ENCODED, LinearRegression()).fit(frame, np.arange(3.0)))
    rng = np.random.default_rng(seed)
    whole = ["a", "ü", "紅", "🟥", "\ud7ff", "\U0010ffff"]
    broken = ["80", "c080", "eda080", "f4908080", "e09fbf", "f08fbfbf", "c3", "e7b4", "f09f9f", "ff"]
    pieces = [*(piece.encode() for piece in whole), *map(bytes.fromhex, broken)]
    texts = [b"".join(pieces[piece] for piece in rng.integers(0, len(pieces), rng.integers(0, 4))) for _ in range(400)]
    buffer = b"".join(bytes([2 * len(text)]) + text for text in texts)
    starts = np.cumsum([0, *(len(text) + 1 for text in texts[:-1])]).reshape(-1, 1).astype(np.int64)
    kinds = np.full((400, 1), IS_STRING, np.uint8)
    fused = predicted_captures(packed, Captures(buffer, starts, kinds, Symbols.of([])))
    assert fused.status.tolist() == [0 if decodes(text) else BAD_TEXT for text in texts]


def decodes(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


class OwnScaler(StandardScaler):  # type: ignore[misc] # scikit-learn ships no types
    """Transforms in its own way, as a subclass may."""


def doubled(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    return columns * 2


@pytest.mark.parametrize(
    ("steps", "named"),
    [
        ([OwnScaler()], "OwnScaler"),
        ([PolynomialFeatures()], "PolynomialFeatures"),
        ([FunctionTransformer(doubled)], "FunctionTransformer"),
        ([FunctionTransformer(partial(doubled))], "FunctionTransformer"),
        ([ColumnTransformer([("own", make_pipeline(StandardScaler(), PolynomialFeatures()), ["a"])])], "PolynomialFeatures"),
    ],
)
def test_a_transformer_without_a_kernel_is_named(steps: list[Estimator], named: str) -> None:
    with pytest.raises(NotCompilableError, match=named):
        model_of(*steps, names="ab")


def test_what_computes_in_float32_does_not_compile() -> None:
    with pytest.raises(NotCompilableError, match="float32"):
        model_of(OneHotEncoder(dtype=np.float32), names="t")
    with pytest.raises(NotCompilableError, match="StandardScaler computes in float32"):
        model_of(OrdinalEncoder(dtype=np.float32), StandardScaler(), names="t")


def test_integers_that_a_float64_cannot_tell_apart_do_not_compile() -> None:
    frame = pd.DataFrame({"id": [2**53, 2**53 + 1, 5]})
    estimator = make_pipeline(OneHotEncoder(), LogisticRegression()).fit(frame, [0, 1, 1])
    with pytest.raises(NotCompilableError, match="OneHotEncoder"):
        compiled(estimator)
