"""Checks a deserialized estimator before its first use: native code trusts its own state and would loop, read or write astray.

Only what native code indexes without a check of its own is looked at. What is not here either has no such code, or is refused
by type before it is built (`trusted`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE
from sklearn.neighbors import (
    KNeighborsClassifier,
    KNeighborsRegressor,
    RadiusNeighborsClassifier,
    RadiusNeighborsRegressor,
)
from sklearn.preprocessing import FunctionTransformer, OrdinalEncoder
from sklearn.svm import SVC, SVR, NuSVC, NuSVR, OneClassSVM
from sklearn.tree import BaseDecisionTree
from sklearn.tree._tree import Tree
from sklearn.utils.validation import check_array

from streamproc.errors import Reason, RecordError, Stage
from streamproc.models.estimators import parts

Estimator = Any  # scikit-learn ships no types
_BITSET_WORDS = 8
_LEAF = -1


class UnsoundModelError(Exception):
    """The state of a model could make native code loop, crash or read foreign memory; says which part."""


def check_soundness(root: object) -> None:
    """Go through every part of the estimator.

    Raises:
        RecordError: `model_rejected`; names the part and what is wrong with it.

    """
    for part in parts(root):
        try:
            _check(part)
        except UnsoundModelError as error:
            raise _rejected(f"a {type(part).__name__} in the model is not sound: {error}") from None
        except Exception as error:  # state that can't even be looked at is not sound either
            raise _rejected(f"the state of a {type(part).__name__} in the model raises {type(error).__name__}") from error


def _rejected(text: str) -> RecordError:
    return RecordError(Reason.MODEL_REJECTED, Stage.ROUTE, f"{text}; publish it again from the training that made it")


def _check(part: object) -> None:
    if isinstance(part, BaseEstimator):
        _replaces_no_method(part)
    for types, state, check in _CHECKS:
        if isinstance(part, types) and (state is None or state in vars(part)):
            check(part)


def _require(holds: object, otherwise: str) -> None:
    if not holds:
        raise UnsoundModelError(otherwise)


def _replaces_no_method(estimator: Estimator) -> None:
    """An attribute by the name of a method would be called instead of it, and with it go the checks of inputs."""
    for name in vars(estimator):
        own = getattr(type(estimator), name, None)
        _require(not callable(own) and name != "_impl", f"its attribute {name} stands in the place of the class's own")


def _check_tree(tree: Tree) -> None:
    count = tree.node_count
    _require(1 <= count <= tree.capacity, f"{count} nodes in room for {tree.capacity}")
    left, right, feature = tree.children_left, tree.children_right, tree.feature
    leaf = left == _LEAF
    _require(np.array_equal(leaf, right == _LEAF), "a node has one child only")
    _check_children(np.flatnonzero(~leaf), left[~leaf], right[~leaf], count)
    _check_range(feature[~leaf], tree.n_features, "feature")


def _check_children(parent: NDArray[Any], left: NDArray[Any], right: NDArray[Any], count: int) -> None:  # integers of any width
    for child in (left.astype(np.int64), right.astype(np.int64)):
        _require(
            bool(np.all((child > parent) & (child < count))), "a child does not come after its parent: walks may never end"
        )


def _check_range(index: NDArray[Any], end: int, what: str) -> None:  # integers of any width
    wide = index.astype(np.int64)
    _require(bool(np.all((wide >= 0) & (wide < end))), f"a {what} outside of 0 to {end - 1}")


def _check_decision_tree(estimator: Estimator) -> None:
    tree = estimator.tree_
    _require(type(tree) is Tree, f"its tree is a {type(tree).__name__}")
    _require(tree.n_features == estimator.n_features_in_, "its tree reads other columns than it is given")


def _check_forest(estimator: Estimator) -> None:
    """A forest hands its rows to the trees without a check."""
    for tree in estimator.estimators_:
        _require(isinstance(tree, BaseDecisionTree), "it holds something else than trees")
        _require(tree.n_features_in_ == estimator.n_features_in_, "a tree reads other columns than the forest is given")


def _check_isolation_forest(estimator: Estimator) -> None:
    pairs = zip(estimator.estimators_, estimator.estimators_features_, strict=True)
    for tree, features in pairs:
        _require(isinstance(tree, BaseDecisionTree), "it holds something else than trees")
        _require(
            tree.n_features_in_ == len(features) <= estimator.n_features_in_, "a tree reads other columns than it is given"
        )
        whole = estimator._max_features == estimator.n_features_in_  # noqa: SLF001 - what its own predict goes by
        _require(not whole or len(features) == estimator.n_features_in_, "a tree reads other columns than it is given")


def _check_gradient_boosting(estimator: Estimator) -> None:
    """Its trees add to one array whose width the initial prediction decides."""
    trees = estimator.estimators_
    _require(isinstance(trees, np.ndarray) and trees.ndim == 2, "its trees are not in rows")  # noqa: PLR2004 - stages, outputs
    for tree in trees.ravel():
        _require(isinstance(tree, BaseDecisionTree), "it holds something else than trees")
        _require(tree.n_features_in_ == estimator.n_features_in_, "a tree reads other columns than it is given")
        _require(tree.tree_.n_outputs == tree.tree_.max_n_classes == 1, "a tree has more than one output")
    for part in parts(estimator.init_):
        if part is not estimator:
            _check(part)
    start = estimator._raw_predict_init(np.zeros((1, estimator.n_features_in_), np.float32))  # noqa: SLF001 - decides the width
    _require(np.shape(start) == (1, trees.shape[1]), "it starts with another number of outputs than it has trees for")


def _check_hist_gradient_boosting(estimator: Estimator) -> None:
    columns = int(estimator._n_features)  # noqa: SLF001 - the state that native code reads is private
    mapper = estimator._bin_mapper  # noqa: SLF001 - as above
    categorical = np.asarray(mapper.is_categorical_)
    _require(categorical.shape == (columns,), "its categories are of other columns than its trees")
    _require(estimator.n_features_in_ == columns, "its trees read other columns than it is given")
    for column in np.flatnonzero(categorical).tolist():
        known = np.asarray(mapper.bin_thresholds_[column])
        _require(bool(np.all((known >= 0) & (known < 32 * _BITSET_WORDS))), "a category outside of 0 to 255")
    _check_preprocessor(getattr(estimator, "_preprocessor", None), columns)
    for stage in estimator._predictors:  # noqa: SLF001 - as above
        _require(len(stage) == estimator.n_trees_per_iteration_, "a stage has another number of trees than outputs")
        for predictor in stage:
            _check_predictor(predictor, categorical)


def _check_predictor(predictor: Estimator, categorical: NDArray[Any]) -> None:  # booleans or bytes
    nodes, bitsets = predictor.nodes, predictor.raw_left_cat_bitsets
    _require(type(nodes) is np.ndarray and nodes.dtype == PREDICTOR_RECORD_DTYPE, "the nodes of a tree have another layout")
    _require(nodes.ndim == 1 and len(nodes), "a tree without nodes")
    inner = nodes["is_leaf"] == 0
    _check_children(np.flatnonzero(inner), nodes["left"][inner], nodes["right"][inner], len(nodes))
    _check_range(nodes["feature_idx"][inner], len(categorical), "feature")
    _require(
        bitsets.dtype == np.uint32 and bitsets.shape[1:] == (_BITSET_WORDS,), "the categories of a tree have another layout"
    )
    by_category = nodes[inner & (nodes["is_categorical"] != 0)]
    _check_range(by_category["bitset_idx"], len(bitsets), "set of categories")
    _require(bool(np.all(categorical[by_category["feature_idx"]])), "a tree splits a number by categories")


def _check_preprocessor(preprocessor: Estimator, columns: int) -> None:
    """It decides how many columns the trees get: an encoder of some and the rest as they are."""
    if preprocessor is None:
        return
    _require(type(preprocessor) is ColumnTransformer, "its preprocessor is of another kind")
    width = 0
    for _, transformer, mask in preprocessor.transformers_:
        if isinstance(transformer, str) and transformer == "drop":
            continue
        chosen = int(np.count_nonzero(_mask(mask, columns)))
        if type(transformer) is OrdinalEncoder:
            _require(len(transformer.categories_) == chosen, "its encoder is for other columns")
        else:
            _require(
                type(transformer) is FunctionTransformer and _keeps_shape(transformer), "its preprocessor is of another kind"
            )
        width += chosen
    _require(width == columns, "its preprocessor makes another number of columns than its trees read")


def _mask(mask: object, columns: int) -> NDArray[np.bool_]:
    array = np.asarray(mask)
    _require(array.shape == (columns,) and array.dtype == np.bool_, "its preprocessor picks columns in another way")
    return array


def _keeps_shape(transformer: FunctionTransformer) -> bool:
    function = getattr(transformer.func, "func", transformer.func)
    return function is None or function is check_array


def _check_neighbors(estimator: Estimator) -> None:
    if getattr(estimator, "_tree", None) is not None:
        return  # loaded in a format, or by a permission, that the operator answers for
    fitted = estimator._fit_X  # noqa: SLF001 - the state that native code reads is private
    count = len(fitted)
    _require(type(fitted) is np.ndarray and fitted.shape == (count, estimator.n_features_in_), "its rows have another shape")
    _require(estimator.n_samples_fit_ == count and len(estimator._y) == count, "it has not one target a row")  # noqa: SLF001 - as above
    if isinstance(estimator, (KNeighborsClassifier, RadiusNeighborsClassifier)):
        targets = np.asarray(estimator._y).reshape(count, -1)  # noqa: SLF001 - as above
        classes = estimator.classes_ if isinstance(estimator.classes_, list) else [estimator.classes_]
        _require(targets.dtype.kind in "iu" and targets.shape[1] == len(classes), "its targets have another layout")
        for column, own in zip(targets.T, classes, strict=True):
            _check_range(column, len(own), "class")


def _check_libsvm(estimator: Estimator) -> None:
    _require(not estimator._sparse and estimator.kernel in ("linear", "poly", "rbf", "sigmoid"), "its kernel is not built in")  # noqa: SLF001 - the state that native code reads is private
    count = len(estimator.support_)
    _require(estimator.support_vectors_.shape == (count, estimator.n_features_in_), "its support vectors have another shape")
    classes, pairs = 2, 1
    if isinstance(estimator, (SVC, NuSVC)):
        classes = len(estimator.classes_)
        pairs = classes * (classes - 1) // 2
        own = estimator._n_support  # noqa: SLF001 - as above
        _require(
            own.shape == (classes,) and bool(np.all(own >= 0)) and int(own.sum()) == count, "its support vectors are miscounted"
        )
    _require(estimator._dual_coef_.shape == (classes - 1, count), "its coefficients have another shape")
    _require(estimator._intercept_.shape == (pairs,), "its intercepts have another shape")
    for name in ("_probA", "_probB"):
        _require(len(getattr(estimator, name)) in (0, pairs), "its probabilities have another shape")


def _check_k_means(estimator: Estimator) -> None:
    centers = estimator.cluster_centers_
    _require(type(centers) is np.ndarray and centers.shape[1:] == (estimator.n_features_in_,), "its centres have another shape")


_CHECKS: Sequence[tuple[tuple[type, ...], str | None, Callable[[Any], None]]] = (  # estimators
    ((Tree,), None, _check_tree),
    ((BaseDecisionTree,), "tree_", _check_decision_tree),
    ((RandomForestClassifier, RandomForestRegressor, ExtraTreesClassifier, ExtraTreesRegressor), "estimators_", _check_forest),
    ((IsolationForest,), "estimators_", _check_isolation_forest),
    ((GradientBoostingClassifier, GradientBoostingRegressor), "estimators_", _check_gradient_boosting),
    ((HistGradientBoostingClassifier, HistGradientBoostingRegressor), "_predictors", _check_hist_gradient_boosting),
    (
        (KNeighborsClassifier, KNeighborsRegressor, RadiusNeighborsClassifier, RadiusNeighborsRegressor),
        "_fit_X",
        _check_neighbors,
    ),
    ((SVC, NuSVC, SVR, NuSVR, OneClassSVM), "support_", _check_libsvm),
    ((KMeans, MiniBatchKMeans), "cluster_centers_", _check_k_means),
)
"""Types, the attribute that their native code needs (an estimator without it is an unfitted template), and the check."""
