"""Models in the ONNX format, as skl2onnx makes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from streamproc.errors import RecordError
from streamproc.models.base import OutputKind
from streamproc.models.formats import ModelFormats
from streamproc.models.onnx import OnnxModel

RNG = np.random.default_rng(2)
X = RNG.normal(size=(60, 3)).astype(np.float32)
FRAME = pd.DataFrame(X.astype(np.float64), columns=["a", "b", "c"])
FORMATS = ModelFormats(("onnx",))
Estimator = Any  # scikit-learn ships no types


def exported(estimator: Estimator, **options: object) -> bytes:
    data: bytes = to_onnx(estimator, X[:1], **options).SerializeToString()
    return data


def test_a_classifier_gives_labels_and_scores_by_class() -> None:
    estimator = RandomForestClassifier(5, random_state=1).fit(X, np.digitize(X[:, 0], [-0.5, 0.5]))
    model = FORMATS.load(exported(estimator), "onnx", ["a", "b", "c"])
    assert (model.metadata.output_kind, model.metadata.classes) == (OutputKind.LONG, ("0", "1", "2"))
    values, scores = model.predict_with_scores(FRAME)
    np.testing.assert_array_equal(values, estimator.predict(X))
    assert scores is not None
    np.testing.assert_allclose(scores, estimator.predict_proba(X), atol=1e-6)


def test_string_labels_stay_strings() -> None:
    labels = np.where(X[:, 0] > 0, "high", "low")
    estimator = LogisticRegression().fit(X, labels)
    model = OnnxModel(exported(estimator), ["a", "b", "c"])
    assert (model.metadata.output_kind, model.metadata.classes) == (OutputKind.STRING, ("high", "low"))
    np.testing.assert_array_equal(model.predict(FRAME), estimator.predict(X))


def test_a_tensor_of_probabilities_names_no_classes_and_gives_no_scores() -> None:
    estimator = LogisticRegression().fit(X, X[:, 0] > 0)
    model = OnnxModel(exported(estimator, options={"zipmap": False}), ["a", "b", "c"])
    assert model.metadata.classes is None
    assert model.scores(FRAME) is None


def test_a_regressor_gives_a_column_of_doubles() -> None:
    estimator = LinearRegression().fit(X, X[:, 0])
    model = OnnxModel(exported(estimator), ["a", "b", "c"])
    assert model.metadata.output_kind is OutputKind.DOUBLE
    np.testing.assert_allclose(model.predict(FRAME).ravel(), estimator.predict(X), atol=1e-5)
    assert model.nbytes > 0


def test_one_input_a_feature_takes_its_names_from_the_graph() -> None:
    frame = pd.DataFrame({"n": np.arange(30) % 7, "word": ["x", "y", "z"] * 10, "a": X[:30, 0].astype(np.float64)})
    columns = ColumnTransformer([("word", OneHotEncoder(handle_unknown="ignore"), ["word"])], remainder="passthrough")
    estimator = make_pipeline(columns, LinearRegression()).fit(frame, frame["a"] * 2 + frame["n"])
    kinds = [("n", Int64TensorType([None, 1])), ("word", StringTensorType([None, 1])), ("a", FloatTensorType([None, 1]))]
    data = to_onnx(estimator, initial_types=kinds).SerializeToString()
    model = OnnxModel(data)
    assert model.metadata.feature_names == ("n", "word", "a")
    np.testing.assert_allclose(model.predict(frame).ravel(), estimator.predict(frame), atol=1e-4)
    assert OnnxModel(data, ["count", "shop.word", "a"]).metadata.feature_names == ("count", "shop.word", "a")


def test_a_vector_fills_several_columns() -> None:
    model = OnnxModel(exported(LinearRegression().fit(X, X[:, 0])), ["v"])
    assert model.metadata.n_columns == 3


@pytest.mark.parametrize(
    ("data", "names", "problem"),
    [
        (b"garbage", ["a"], "can't be read as onnx"),
        (exported(LinearRegression().fit(X, X[:, 0])), None, "name its columns with --features"),
        (exported(LinearRegression().fit(X, X[:, 0])), ["a", "b", "c", "d"], "3 columns, and 4 feature names"),
    ],
)
def test_what_can_not_predict_records_is_rejected(data: bytes, names: list[str] | None, problem: str) -> None:
    with pytest.raises(RecordError, match=problem):
        OnnxModel(data, names)
