"""Artifacts become models only if nothing in them can run, and their state is sound."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import (
    AdaBoostClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    StackingRegressor,
)
from sklearn.feature_selection import SelectKBest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, SGDClassifier, TweedieRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeClassifier
from sklearn.tree._tree import Tree

from streamproc.errors import ConfigurationError, Reason, RecordError
from streamproc.models.formats import FORMATS, ModelFormats, format_of
from streamproc.models.soundness import check_soundness
from streamproc.models.trusted import TRUSTED_TYPES

RNG = np.random.default_rng(3)
X = RNG.normal(size=(80, 3))
X[:, 2] = RNG.integers(0, 4, 80)
Y = (X[:, 0] > 0).astype(int)
REAL = X @ [1.0, 2.0, 3.0]
NAMES = ["a", "b", "c"]
Estimator = Any  # scikit-learn ships no types
SKOPS = ModelFormats()


def rejected(data: bytes, format_name: str = "skops", formats: ModelFormats = SKOPS) -> str:
    with pytest.raises(RecordError) as caught:
        formats.load(data, format_name, NAMES)
    assert caught.value.reason is Reason.MODEL_REJECTED
    return str(caught.value)


ESTIMATORS: dict[str, Callable[[], Estimator]] = {
    "pipeline": lambda: make_pipeline(SimpleImputer(add_indicator=True), StandardScaler(), LogisticRegression()),
    "columns": lambda: make_pipeline(
        ColumnTransformer([("c", OneHotEncoder(), [2])], remainder=StandardScaler()), LogisticRegression()
    ),
    "function": lambda: make_pipeline(FunctionTransformer(np.abs), SelectKBest(k=2), LogisticRegression()),
    "forest": lambda: RandomForestClassifier(5, random_state=np.random.RandomState(1)),
    "extra trees": lambda: ExtraTreesRegressor(5, random_state=1),
    "gradient boosting": lambda: GradientBoostingClassifier(n_estimators=4),
    "gradient boosting on a model": lambda: GradientBoostingClassifier(n_estimators=4, init=LogisticRegression()),
    "hist gradient boosting": lambda: HistGradientBoostingClassifier(max_iter=4),
    "hist gradient boosting with categories": lambda: HistGradientBoostingClassifier(max_iter=4, categorical_features=[2]),
    "ada boost": lambda: AdaBoostClassifier(n_estimators=3),
    "isolation forest": lambda: IsolationForest(n_estimators=3, max_features=2),
    "stacking": lambda: StackingRegressor([("l", LinearRegression()), ("t", TweedieRegressor(power=0))], cv=2),
    "search": lambda: GridSearchCV(SGDClassifier(random_state=1), {"alpha": [1e-3, 1e-2]}, cv=2, scoring="f1"),
    "network": lambda: MLPClassifier(3, max_iter=2000, solver="lbfgs", random_state=1, alpha=1.0),
    "kernel": SVC,
    "kernel regression": SVR,
    "process": lambda: GaussianProcessRegressor(RBF() + WhiteKernel(), optimizer=None),
    "neighbours": lambda: KNeighborsClassifier(algorithm="brute"),
    "clusters": lambda: KMeans(3, n_init=1, random_state=1),
}


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_estimators_of_every_kind_load_without_further_trust_and_predict_the_same(kind: str) -> None:
    estimator = ESTIMATORS[kind]().fit(X, Y)
    model = SKOPS.load(skops.io.dumps(estimator), "skops", NAMES)
    np.testing.assert_array_equal(model.predict(pd.DataFrame(X, columns=NAMES)), estimator.predict(X))


def test_a_selector_of_columns_loads() -> None:
    frame = pd.DataFrame({"a": X[:, 0], "word": pd.Series(["x", "y"] * 40, dtype=object)})
    columns = ColumnTransformer([("n", StandardScaler(), make_column_selector(dtype_include=float))], remainder=OneHotEncoder())
    data = skops.io.dumps(make_pipeline(columns, LogisticRegression()).fit(frame, Y))
    assert SKOPS.load(data, "skops", None).metadata.feature_names == ("a", "word")


class Foreign(LinearRegression):  # type: ignore[misc]  # scikit-learn ships no types
    """A type that nobody has listed."""


FOREIGN = f"{Foreign.__module__}.Foreign"


def test_types_that_are_not_trusted_are_named() -> None:
    text = rejected(skops.io.dumps(make_pipeline(StandardScaler(), Foreign()).fit(X, REAL)))
    assert f"not trusted: {FOREIGN}." in text
    assert "models.trusted_types" in text


def test_the_operator_may_trust_further_types() -> None:
    data = skops.io.dumps(Foreign().fit(X, REAL))
    formats = ModelFormats(trusted_types=[FOREIGN])
    assert formats.load(data, "skops", NAMES).metadata.feature_names == ("a", "b", "c")
    assert set(formats.trusted_types) == TRUSTED_TYPES | {FOREIGN}


@pytest.mark.parametrize("algorithm", ["kd_tree", "ball_tree"])
def test_neighbours_in_native_trees_are_refused_with_the_remedy(algorithm: str) -> None:
    text = rejected(skops.io.dumps(KNeighborsClassifier(algorithm=algorithm).fit(X, Y)))
    assert "Tree; fit with algorithm='brute'" in text


def schema_of(data: bytes) -> dict[str, Any]:  # JSON
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        schema: dict[str, Any] = json.loads(archive.read("schema.json"))
    return schema


def with_schema(data: bytes, schema: object) -> bytes:
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(changed, "w") as other:
        for name in archive.namelist():
            other.writestr(name, json.dumps(schema) if name == "schema.json" else archive.read(name))
    return changed.getvalue()


LINEAR = skops.io.dumps(LinearRegression().fit(X, REAL))
MARK = "STREAMPROC_TEST_CANARY"


@pytest.mark.parametrize(
    "node",
    [
        {
            "__class__": "putenv",
            "__module__": "os",
            "__loader__": "ConstructorFromReduceNode",
            "content": {
                "__class__": "tuple",
                "__module__": "builtins",
                "__loader__": "TupleNode",
                "content": [
                    {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "content": json.dumps(MARK)},
                    {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "content": '"sang"'},
                ],
            },
        },
        {"__class__": "system", "__module__": "os", "__loader__": "FunctionNode"},
        {"__class__": "system", "__module__": "os", "__loader__": "TypeNode"},
        {"__class__": "eval", "__module__": "builtins", "__loader__": "TypeNode"},
        {"__class__": "methodcaller", "__module__": "operator", "__loader__": "OperatorFuncNode", "attrs": {}},
        {
            "__class__": "LinearRegression",
            "__module__": "sklearn.linear_model._base",
            "__loader__": "ConstructorFromReduceNode",
        },
        {"__class__": "ndarray", "__module__": "numpy", "__loader__": "ConstructorFromReduceNode"},
        {"__class__": "csr_matrix", "__module__": "scipy.sparse._csr", "__loader__": "SparseMatrixNode"},
        {
            "__class__": "LinearRegression",
            "__module__": "sklearn.linear_model._base",
            "__loader__": "MethodNode",
            "content": {"func": "fit", "obj": {}},
        },
        {"__class__": "X", "__module__": "y", "__loader__": "NewNode"},
    ],
    ids=lambda node: f"{node['__loader__']}-{node['__class__']}",
)
def test_a_crafted_artifact_runs_nothing(node: dict[str, Any]) -> None:
    schema = schema_of(LINEAR)
    schema["content"]["content"]["coef_"] = node
    assert "types that are not trusted" in rejected(with_schema(LINEAR, schema))
    assert MARK not in os.environ


def test_a_type_that_hides_where_no_loader_looks_is_found_too() -> None:
    schema = schema_of(LINEAR)
    schema["extra"] = [{"deep": {"__class__": "system", "__module__": "os", "__loader__": "TypeNode"}}]
    assert "os.system" in rejected(with_schema(LINEAR, schema))


@pytest.mark.parametrize("data", [b"", b"PK", b"not a zip at all" * 10, LINEAR[: len(LINEAR) // 2], pickle.dumps(1)])
def test_what_is_no_skops_artifact_is_rejected_with_the_class_of_the_error_only(data: bytes) -> None:
    assert "the artifact can't be read as skops (BadZipFile)" in rejected(data)


@pytest.mark.parametrize("schema", [[], {}, {"protocol": True}, {"protocol": 2, "__loader__": "DictNode"}, "x"])
def test_a_broken_tree_of_types_is_rejected(schema: object) -> None:
    assert "can't be read as skops" in rejected(with_schema(LINEAR, schema))


def test_a_deeply_nested_tree_of_types_is_rejected() -> None:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w") as archive:
        archive.writestr("schema.json", '{"content":' * 100_000 + "1" + "}" * 100_000)
    assert "can't be read as skops (RecursionError)" in rejected(bomb.getvalue())


def test_an_archive_that_expands_beyond_measure_is_not_expanded() -> None:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", "{}")
        for number in range(5):
            archive.writestr(f"{number}.npy", bytes(16 * 2**20))
    assert "expands to" in rejected(bomb.getvalue())


def test_an_archive_of_too_many_entries_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamproc.models.skops._MAX_ENTRIES", 2)
    assert "entries; at most 2 are read" in rejected(LINEAR)


def test_a_compressed_artifact_of_usual_size_is_read() -> None:
    data = skops.io.dumps(RandomForestClassifier(20).fit(X, Y), compression=zipfile.ZIP_DEFLATED)
    assert SKOPS.load(data, "skops", NAMES).metadata.classes == ("0", "1")


def dump_joblib(estimator: Estimator) -> bytes:
    stream = io.BytesIO()
    joblib.dump(estimator, stream)
    return stream.getvalue()


@pytest.mark.parametrize(("format_name", "dump"), [("pickle", pickle.dumps), ("joblib", dump_joblib)])
def test_formats_that_run_code_are_read_only_where_they_are_allowed(format_name: str, dump: Callable[[object], bytes]) -> None:
    data = dump(LinearRegression().fit(X, REAL))
    assert f"models.formats allows skops; publish it in an allowed format, or add '{format_name}'" in rejected(
        data, format_name
    )
    allowed = ModelFormats(("skops", format_name))
    assert allowed.load(data, format_name, NAMES).metadata.feature_names == ("a", "b", "c")
    assert f"can't be read as {format_name} (" in rejected(b"\x80garbage", format_name, allowed)


def test_every_format_is_described() -> None:
    described = ModelFormats(("skops", "joblib")).describe()
    assert tuple(entry.name for entry in described) == FORMATS
    assert [entry.name for entry in described if entry.allowed] == ["skops", "joblib"]


def test_an_unknown_format_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match=r"models\.formats: expected some of skops, .*found 'h5'"):
        ModelFormats(("skops", "h5"))


def test_the_format_follows_the_suffix() -> None:
    names = ["m.skops", "M.SKOPS", "m.pkl", "m.pickle", "m.joblib", "m.onnx"]
    assert [format_of(name) for name in names] == ["skops", "skops", "pickle", "pickle", "joblib", "onnx"]
    with pytest.raises(ConfigurationError, match=r"the suffix of 'm\.h5' names no format"):
        format_of("m.h5")


# What would make native code loop, crash or read foreign memory.


def changed_tree(estimator: Estimator, change: Callable[[dict[str, Any]], None]) -> Tree:
    """The estimator's tree with its state changed behind scikit-learn's back."""
    tree = estimator.tree_
    state = tree.__getstate__()
    state["nodes"] = state["nodes"].copy()
    change(state)
    other = Tree(tree.n_features, tree.n_classes, tree.n_outputs)
    other.__setstate__(state)
    return other


def set_node(field: str, value: int) -> Callable[[dict[str, Any]], None]:
    def change(state: dict[str, Any]) -> None:
        state["nodes"][field][1] = value

    return change


DEEP = DecisionTreeClassifier(max_depth=5, random_state=1)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (set_node("left_child", 0), "a child does not come after its parent"),
        (set_node("left_child", 1), "a child does not come after its parent"),
        (set_node("right_child", 10_000), "a child does not come after its parent"),
        (set_node("right_child", -2), "a child does not come after its parent"),
        (set_node("left_child", -1), "a node has one child only"),
        (set_node("feature", 3), "a feature outside of 0 to 2"),
        (set_node("feature", -2), "a feature outside of 0 to 2"),
    ],
)
def test_a_crafted_tree_is_rejected_before_its_first_use(change: Callable[[dict[str, Any]], None], problem: str) -> None:
    estimator = DEEP.fit(X, (np.median(REAL) < REAL).astype(int))
    check_soundness(estimator)
    estimator.tree_ = changed_tree(estimator, change)
    assert problem in rejected(pickle.dumps(estimator), "pickle", ModelFormats(("pickle",)))


def unsound(estimator: Estimator) -> str:
    with pytest.raises(RecordError) as caught:
        check_soundness(estimator)
    assert caught.value.reason is Reason.MODEL_REJECTED
    return str(caught.value)


def test_a_tree_must_have_the_nodes_that_it_counts() -> None:
    estimator = DecisionTreeClassifier().fit(X, Y)
    estimator.tree_ = Tree(3, np.array([2]), 1)
    assert "0 nodes in room for 0" in unsound(estimator)
    estimator = DecisionTreeClassifier().fit(X, Y)
    estimator.tree_.node_count = 10_000
    assert "10000 nodes in room for" in unsound(estimator)


def test_a_tree_in_a_forest_must_read_the_columns_that_the_forest_is_given() -> None:
    forest = RandomForestClassifier(3).fit(X, Y)
    forest.estimators_[1] = DecisionTreeClassifier().fit(np.c_[X, X], Y)
    assert "a tree reads other columns than the forest is given" in unsound(make_pipeline(StandardScaler(), forest))


def test_a_tree_must_read_the_columns_that_its_estimator_checks() -> None:
    estimator = DecisionTreeClassifier().fit(X, Y)
    estimator.tree_ = DecisionTreeClassifier().fit(np.c_[X, X], Y).tree_
    assert "reads other columns" in unsound(estimator)


def test_gradient_boosting_must_start_as_wide_as_its_trees_are() -> None:
    estimator = GradientBoostingClassifier(n_estimators=2).fit(X, X[:, 2].astype(int))
    check_soundness(estimator)
    estimator.init_ = GradientBoostingClassifier(n_estimators=2).fit(X, Y).init_
    assert "it starts with another number of outputs than it has trees for" in unsound(estimator)


def set_hist_node(field: str, value: int) -> Callable[[Estimator], None]:
    def change(estimator: Estimator) -> None:
        estimator._predictors[0][0].nodes[field][0] = value

    return change


def drop_bitsets(estimator: Estimator) -> None:
    predictor = estimator._predictors[0][0]
    predictor.nodes["is_categorical"][0] = 1
    predictor.nodes["feature_idx"][0] = 0
    predictor.raw_left_cat_bitsets = predictor.raw_left_cat_bitsets[:0]


def number_by_category(estimator: Estimator) -> None:
    predictor = estimator._predictors[0][0]
    predictor.raw_left_cat_bitsets = np.zeros((4, 8), np.uint32)
    predictor.nodes["is_categorical"][0] = 1
    predictor.nodes["feature_idx"][0] = 2  # a number: the category is the first column behind the encoder
    predictor.nodes["bitset_idx"][0] = 0


def narrow_preprocessor(estimator: Estimator) -> None:
    estimator._preprocessor = ColumnTransformer([("c", "passthrough", [0])]).fit(X)


def other_layout(estimator: Estimator) -> None:
    predictor = estimator._predictors[0][0]
    predictor.nodes = np.zeros(3, np.float64)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (set_hist_node("left", 0), "a child does not come after its parent"),
        (set_hist_node("right", 2**32 - 1), "a child does not come after its parent"),
        (set_hist_node("feature_idx", 3), "a feature outside of 0 to 2"),
        (set_hist_node("feature_idx", -1), "a feature outside of 0 to 2"),
        (drop_bitsets, "a set of categories outside of"),
        (number_by_category, "a tree splits a number by categories"),
        (narrow_preprocessor, "preprocessor"),
        (other_layout, "the nodes of a tree have another layout"),
    ],
)
def test_a_crafted_hist_gradient_boosting_is_rejected(change: Callable[[Estimator], None], problem: str) -> None:
    estimator = HistGradientBoostingClassifier(max_iter=2, categorical_features=[2], min_samples_leaf=5).fit(X, Y)
    check_soundness(estimator)
    change(estimator)
    assert problem in unsound(estimator)


def crafted(estimator: Estimator, **attributes: object) -> Estimator:
    estimator.__dict__.update(attributes)
    return estimator


@pytest.mark.parametrize(
    ("make", "attributes", "problem"),
    [
        (SVC, {"_n_support": np.array([70, 70], np.int32)}, "its support vectors are miscounted"),
        (SVC, {"support_vectors_": np.zeros((3, 1))}, "its support vectors have another shape"),
        (SVC, {"_dual_coef_": np.zeros((1, 1))}, "its coefficients have another shape"),
        (SVC, {"_intercept_": np.zeros(0)}, "its intercepts have another shape"),
        (SVC, {"_impl": "epsilon_svr"}, "_impl stands in the place of the class's own"),
        (lambda: KNeighborsClassifier(algorithm="brute"), {"_y": np.full(80, 9)}, "a class outside of 0 to 1"),
        (lambda: KNeighborsClassifier(algorithm="brute"), {"_fit_X": np.zeros((80, 1))}, "its rows have another shape"),
        (lambda: KNeighborsClassifier(algorithm="brute"), {"n_samples_fit_": 500}, "it has not one target a row"),
        (lambda: KMeans(2, n_init=1), {"cluster_centers_": np.zeros((2, 1))}, "its centres have another shape"),
        (lambda: RandomForestClassifier(2), {"_validate_X_predict": np.positive}, "stands in the place of the class's own"),
        (lambda: RandomForestClassifier(2), {"estimators_": [LinearRegression()]}, "something else than trees"),
        (DecisionTreeClassifier, {"tree_": "x"}, "its tree is a str"),
        (SVC, {"support_vectors_": "x"}, "raises AttributeError"),
    ],
)
def test_other_crafted_native_state_is_rejected(
    make: Callable[[], Estimator], attributes: dict[str, NDArray[Any]], problem: str
) -> None:
    estimator = make().fit(X, Y)
    check_soundness(estimator)
    assert problem in unsound(crafted(estimator, **attributes))
