"""SklearnModel: what it reads off an estimator, and that its results are scikit-learn's own."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, PolynomialFeatures, StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from streamproc.errors import Reason, RecordError
from streamproc.models.base import OutputKind
from streamproc.models.sklearn import SklearnModel

RNG = np.random.default_rng(7)
FRAME = pd.DataFrame({"a": RNG.normal(size=150), "b": RNG.normal(size=150) + 1, "c": RNG.normal(size=150) * 3})
TWO = (FRAME["a"] > FRAME["b"] - 1).to_numpy().astype(int)
THREE = np.array(["low", "mid", "high"], dtype=object)[np.digitize(FRAME["c"], [-1, 1])]
REAL = FRAME.to_numpy() @ [1.0, -2.0, 0.5]
PAIR = np.column_stack([REAL, -REAL])
Estimator = Any  # scikit-learn ships no types

CLASSIFIERS: dict[str, Callable[[], Estimator]] = {
    "logistic": LogisticRegression,
    "pipeline": lambda: make_pipeline(StandardScaler(), LogisticRegression()),
    "nested pipeline": lambda: make_pipeline(
        StandardScaler(), make_pipeline(PolynomialFeatures(), LogisticRegression(max_iter=500))
    ),
    "passthrough step": lambda: make_pipeline("passthrough", StandardScaler(), GaussianNB()),
    "tree": lambda: DecisionTreeClassifier(max_depth=4),
    "forest": lambda: RandomForestClassifier(9, max_depth=4, random_state=1, n_jobs=2),
    "forest in a pipeline": lambda: make_pipeline(StandardScaler(), ExtraTreesClassifier(9, random_state=1)),
    "gradient boosting": lambda: GradientBoostingClassifier(n_estimators=5, random_state=1),
    "hist gradient boosting": lambda: HistGradientBoostingClassifier(max_iter=5),
    "neighbours": lambda: KNeighborsClassifier(3, algorithm="brute"),
    "margin without probabilities": LinearSVC,
    "ridge classifier": lambda: make_pipeline(StandardScaler(), RidgeClassifier()),
    "kernel": lambda: make_pipeline(StandardScaler(), SVC()),
    "calibrated": lambda: CalibratedClassifierCV(LinearSVC(), cv=3),
    "bagging": lambda: BaggingClassifier(DecisionTreeClassifier(max_depth=3), 4, random_state=1, n_jobs=2),
    "voting": lambda: VotingClassifier(
        [("l", LogisticRegression()), ("f", RandomForestClassifier(3, random_state=1))], voting="soft"
    ),
    "stacking": lambda: StackingClassifier([("l", LogisticRegression()), ("t", DecisionTreeClassifier(max_depth=2))], cv=3),
    "search over a pipeline": lambda: GridSearchCV(
        make_pipeline(StandardScaler(), LogisticRegression()), {"logisticregression__C": [0.5, 1.0]}, cv=3
    ),
}
REGRESSORS: dict[str, Callable[[], Estimator]] = {
    "linear": LinearRegression,
    "pipeline": lambda: make_pipeline(StandardScaler(), Ridge()),
    "tree": lambda: DecisionTreeRegressor(max_depth=4),
    "forest": lambda: RandomForestRegressor(7, max_depth=4, random_state=1, n_jobs=2),
    "neighbours": lambda: KNeighborsRegressor(3, algorithm="brute"),
}


def same(model: SklearnModel, estimator: Estimator, data: pd.DataFrame, inputs: object) -> None:
    """The model's three ways to predict give scikit-learn's results, bit for bit."""
    expected = estimator.predict(inputs)
    values, scores = model.predict_with_scores(data)
    np.testing.assert_array_equal(values, expected)
    np.testing.assert_array_equal(model.predict(data), expected)
    assert values.dtype == np.asarray(expected).dtype
    if model.metadata.classes is None:
        assert scores is None
        assert model.scores(data) is None
        return
    probabilities = estimator.predict_proba(inputs)
    assert scores is not None
    np.testing.assert_array_equal(scores, probabilities)
    np.testing.assert_array_equal(model.scores(data), probabilities)
    assert scores.dtype == np.float64


@pytest.mark.parametrize("labels", [TWO, THREE, TWO.astype(bool)], ids=["integers", "strings", "booleans"])
@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_a_classifier_predicts_what_scikit_learn_does(kind: str, labels: NDArray[Any]) -> None:
    estimator = CLASSIFIERS[kind]().fit(FRAME, labels)
    same(SklearnModel(estimator), estimator, FRAME.iloc[:40], FRAME.iloc[:40])


@pytest.mark.parametrize("target", [REAL, PAIR], ids=["one output", "two outputs"])
@pytest.mark.parametrize("kind", REGRESSORS)
def test_a_regressor_predicts_what_scikit_learn_does(kind: str, target: NDArray[np.float64]) -> None:
    estimator = REGRESSORS[kind]().fit(FRAME, target)
    model = SklearnModel(estimator)
    same(model, estimator, FRAME.iloc[:40], FRAME.iloc[:40])
    assert model.metadata.output_kind is (OutputKind.DOUBLE if target.ndim == 1 else OutputKind.ARRAY)


def test_hist_gradient_boosting_takes_nulls_as_scikit_learn_does() -> None:
    holes = FRAME.mask(RNG.random(FRAME.shape) < 0.2)
    estimator = HistGradientBoostingRegressor(max_iter=5).fit(holes, REAL)
    model = SklearnModel(estimator)
    same(model, estimator, holes, holes)
    assert model.null_features == {"a", "b", "c"}


@pytest.mark.parametrize("kind", ["logistic", "forest", "pipeline"])
def test_a_model_fitted_without_names_gets_a_plain_float64_array(kind: str) -> None:
    estimator = CLASSIFIERS[kind]().fit(FRAME.to_numpy(), TWO)
    model = SklearnModel(estimator, ["x", "y", "z"])
    mixed = pd.DataFrame({"x": np.arange(5), "y": [True, False, True, True, False], "z": np.linspace(0, 1, 5)})
    same(model, estimator, mixed, mixed.to_numpy(np.float64))
    assert model.metadata.feature_names == ("x", "y", "z")


def test_the_array_of_a_model_without_names_is_c_ordered() -> None:
    class Remembers(BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
        def fit(self) -> Remembers:
            self.n_features_in_ = 2
            self.seen_: NDArray[Any] = np.zeros(0)
            return self

        def predict(self, data: NDArray[Any]) -> NDArray[Any]:
            self.seen_ = data
            return data[:, 0]

    estimator = Remembers().fit()
    model = SklearnModel(estimator, ["a", "b"])
    model.predict(pd.DataFrame(np.asfortranarray(np.ones((4, 2))), columns=["a", "b"]))
    assert estimator.seen_.flags.c_contiguous
    assert estimator.seen_.dtype == np.float64


def test_a_vector_makes_more_columns_than_names() -> None:
    model = SklearnModel(LinearRegression().fit(np.eye(4), [1, 2, 3, 4]), ["v"])
    assert (model.metadata.feature_names, model.metadata.n_columns) == (("v",), 4)
    assert list(model.example().columns) == ["v[0]", "v[1]", "v[2]", "v[3]"]


@pytest.mark.parametrize(
    ("labels", "kind", "classes"),
    [
        (TWO, OutputKind.LONG, ("0", "1")),
        (THREE, OutputKind.STRING, ("high", "low", "mid")),
        (THREE.astype("U5"), OutputKind.STRING, ("high", "low", "mid")),
        (TWO.astype(bool), OutputKind.BOOLEAN, ("False", "True")),
        (TWO * 1.5, OutputKind.DOUBLE, ("0.0", "1.5")),
    ],
)
def test_output_kind_and_classes_follow_the_labels(labels: NDArray[Any], kind: OutputKind, classes: tuple[str, ...]) -> None:
    metadata = SklearnModel(
        GaussianNB().fit(FRAME, labels) if kind is not OutputKind.DOUBLE else _with_float_classes()
    ).metadata
    assert (metadata.output_kind, metadata.classes) == (kind, classes)


def _with_float_classes() -> Estimator:
    estimator = GaussianNB().fit(FRAME, TWO)
    estimator.classes_ = np.array([0.0, 1.5])
    return estimator


def test_several_classifiers_in_one_have_no_scores() -> None:
    estimator = MultiOutputClassifier(LogisticRegression()).fit(FRAME, np.column_stack([TWO, 1 - TWO]))
    model = SklearnModel(estimator)
    assert (model.metadata.output_kind, model.metadata.classes) == (OutputKind.ARRAY, None)
    same(model, estimator, FRAME, FRAME)


def test_a_multi_output_forest_predicts_what_scikit_learn_does() -> None:
    estimator = RandomForestClassifier(4, random_state=1).fit(FRAME, np.column_stack([TWO, 1 - TWO]))
    same(SklearnModel(estimator), estimator, FRAME, FRAME)


def test_several_string_outputs_are_rejected() -> None:
    estimator = MultiOutputClassifier(DecisionTreeClassifier()).fit(FRAME, np.column_stack([THREE, THREE]))
    with pytest.raises(RecordError, match="several outputs that aren't numbers"):
        SklearnModel(estimator)


@pytest.mark.parametrize(
    ("estimator", "names", "problem"),
    [
        (LinearRegression(), ["a"], "not fitted"),
        (StandardScaler().fit(FRAME), None, "has no predict"),
        ("text", None, "holds a str, which has no predict"),
        (LinearRegression().fit(FRAME.to_numpy(), REAL), None, "without feature names on 3 columns; name them with --features"),
        (
            LinearRegression().fit(FRAME.to_numpy(), REAL),
            ["a", "b", "c", "d"],
            "3 columns, and 4 feature names are given",
        ),
        (LinearRegression().fit(FRAME.to_numpy(), REAL), ["a", "b", "a"], "distinct"),
        (LinearRegression().fit(FRAME.to_numpy(), REAL), ["a", "", "c"], "not empty"),
        (
            LinearRegression().fit(FRAME, REAL),
            ["a", "c", "b"],
            "a, b, c, and not with those given: a, c, b",
        ),
        (GridSearchCV(LogisticRegression(), {"C": [1.0]}, cv=2, refit=False).fit(FRAME, TWO), None, "has no predict"),
    ],
)
def test_what_can_not_predict_records_is_rejected(estimator: Estimator, names: list[str] | None, problem: str) -> None:
    with pytest.raises(RecordError, match=problem) as caught:
        SklearnModel(estimator, names)
    assert caught.value.reason is Reason.MODEL_REJECTED


def test_every_n_jobs_becomes_one() -> None:
    forest = RandomForestClassifier(2, n_jobs=2)
    columns = ColumnTransformer([("f", make_pipeline(StandardScaler()), ["a", "b"])], remainder="passthrough", n_jobs=2)
    voting = VotingClassifier([("f", forest), ("b", BaggingClassifier(forest, 2, n_jobs=2))], n_jobs=2)
    search = GridSearchCV(make_pipeline(columns, voting), {"votingclassifier__voting": ["soft"]}, n_jobs=1, cv=2)
    search.fit(FRAME, TWO)
    search.n_jobs = 2
    SklearnModel(search)
    jobs = {name: value for name, value in search.get_params().items() if name.endswith("n_jobs")}
    assert set(jobs.values()) == {1}
    fitted = search.best_estimator_[-1]
    assert [fitted.n_jobs, fitted.estimators_[0].n_jobs, fitted.estimators_[1].estimators_[0].n_jobs] == [1, 1, 1]
    assert search.best_estimator_[0].n_jobs == 1


def test_the_features_that_may_be_null_are_found_by_trying() -> None:
    frame = FRAME.assign(word=pd.Series(THREE, dtype=object))
    columns = ColumnTransformer(
        [("imputed", SimpleImputer(), ["a"]), ("known", OneHotEncoder(), ["word"])], remainder="passthrough"
    )
    model = SklearnModel(make_pipeline(columns, LogisticRegression(max_iter=500)).fit(frame, TWO))
    assert model.null_features == {"a"}


def test_an_encoder_that_ignores_unknown_categories_takes_null() -> None:
    frame = pd.DataFrame({"a": FRAME["a"], "word": pd.Series(THREE, dtype=object)})
    columns = ColumnTransformer([("known", OneHotEncoder(handle_unknown="ignore"), ["word"])], remainder="passthrough")
    assert SklearnModel(make_pipeline(columns, Ridge()).fit(frame, REAL)).null_features == {"word"}


def test_columns_chosen_by_a_slice_of_names_are_known_by_name() -> None:
    frame = pd.DataFrame({"a": FRAME["a"], "word": pd.Series(THREE, dtype=object), "other": pd.Series(THREE, dtype=object)})
    columns = ColumnTransformer([("known", OneHotEncoder(), slice("word", "other"))], remainder="passthrough")
    example = SklearnModel(make_pipeline(columns, Ridge()).fit(frame, REAL)).example()
    assert example.iloc[0].to_dict() == {"a": 0.0, "word": "high", "other": "high"}


def test_no_feature_of_a_linear_model_may_be_null() -> None:
    assert SklearnModel(LinearRegression().fit(FRAME, REAL)).null_features == frozenset()


def test_an_example_begins_with_categories_that_the_encoder_knows() -> None:
    frame = pd.DataFrame({"word": pd.Series(THREE, dtype=object), "code": TWO * 10 + 5, "a": FRAME["a"]})
    columns = ColumnTransformer([("known", OrdinalEncoder(), [0, 1])], remainder="passthrough")
    model = SklearnModel(make_pipeline(columns, Ridge()).fit(frame, REAL))
    assert model.example().iloc[0].to_dict() == {"word": "high", "code": 5, "a": 0.0}
    assert len(model.predict(model.example())) == 1


def test_a_model_whose_example_fails_is_taken_by_what_kind_of_estimator_it_is() -> None:
    def strict(data: pd.DataFrame) -> pd.DataFrame:
        if (data["b"] == 0).any():
            raise ValueError("zeros")
        return data

    estimator = make_pipeline(FunctionTransformer(strict), GaussianNB()).fit(FRAME, THREE)
    metadata = SklearnModel(estimator).metadata
    assert (metadata.output_kind, metadata.classes) == (OutputKind.STRING, ("high", "low", "mid"))


def test_measured_memory_is_at_least_its_arrays_and_grows_with_the_model() -> None:
    small = SklearnModel(RandomForestRegressor(2, max_depth=4, random_state=1).fit(FRAME, REAL))
    large = SklearnModel(RandomForestRegressor(40, max_depth=4, random_state=1).fit(FRAME, REAL))
    nodes = sum(tree.tree_.node_count for tree in large.estimator.estimators_)
    assert large.nbytes > 10 * small.nbytes
    assert 72 * nodes < large.nbytes < 72 * nodes + 40 * 6000
    rows = SklearnModel(KNeighborsClassifier(algorithm="brute").fit(np.zeros((20_000, 3)), np.arange(20_000) % 2), ["v"])
    assert 20_000 * 8 * 4 < rows.nbytes < 20_000 * 8 * 4 * 1.1


class Loud(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """Warns as scikit-learn's modules do, and divides by zero."""

    def fit(self) -> Loud:
        self.classes_ = np.array([0, 1])
        self.n_features_in_ = 1
        return self

    def predict(self, data: NDArray[Any]) -> NDArray[Any]:
        warnings.warn_explicit("X does not have valid feature names", UserWarning, "base.py", 1, module="sklearn.base")
        return np.asarray(np.ones(len(data)) / (data[:, 0] * 0) > 1, np.int64)


def test_a_record_can_not_fill_the_log_with_warnings() -> None:
    model = SklearnModel(Loud().fit(), ["a"])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.predict(pd.DataFrame({"a": [1.0]}))
        assert caught == []
        warnings.warn_explicit("another", UserWarning, "x.py", 1, module="sklearn.base")
    assert [str(entry.message) for entry in caught] == ["another"]


def test_threads_that_predict_at_once_leave_the_filters_of_warnings_as_they_were() -> None:
    model = SklearnModel(Loud().fit(), ["a"])
    before, barrier = list(warnings.filters), threading.Barrier(4)

    def work() -> None:
        barrier.wait(10)
        for _ in range(50):
            model.predict(pd.DataFrame({"a": [1.0]}))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert list(warnings.filters) == before


def test_transformers_that_may_write_to_their_input_leave_it_as_it_is() -> None:
    parts = [(name, make_pipeline(StandardScaler(copy=False), LogisticRegression())) for name in ("p", "q")]
    voting = VotingClassifier(parts, voting="soft").fit(FRAME.copy(), TWO)
    data = FRAME.copy()
    model = SklearnModel(voting)
    values, scores = model.predict_with_scores(data)
    pd.testing.assert_frame_equal(data, FRAME)
    np.testing.assert_array_equal(scores, voting.predict_proba(FRAME.copy()))
    np.testing.assert_array_equal(values, voting.predict(FRAME.copy()))
