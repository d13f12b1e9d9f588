"""The linear family → weights, intercepts, and what becomes of the sums."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn import linear_model
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV, SGDClassifier
from sklearn.svm import LinearSVC, LinearSVR

from streamproc.inference.compiling.parts import Estimator, Head, NotCompilableError
from streamproc.inference.kernel_linear import (
    HUBER_LINK,
    LABEL_LINK,
    LOGISTIC_LINK,
    NUMBERS_LINK,
    SHARES_OF_HUBER_LINK,
    SHARES_OF_LOGISTIC_LINK,
    SOFTMAX_LINK,
)
from streamproc.inference.packed import NODE, Kind

_REGRESSORS = (
    "ARDRegression",
    "BayesianRidge",
    "ElasticNet",
    "ElasticNetCV",
    "HuberRegressor",
    "Lars",
    "LarsCV",
    "Lasso",
    "LassoCV",
    "LassoLars",
    "LassoLarsCV",
    "LassoLarsIC",
    "LinearRegression",
    "MultiTaskElasticNet",
    "MultiTaskElasticNetCV",
    "MultiTaskLasso",
    "MultiTaskLassoCV",
    "OrthogonalMatchingPursuit",
    "OrthogonalMatchingPursuitCV",
    "PassiveAggressiveRegressor",
    "QuantileRegressor",
    "Ridge",
    "RidgeCV",
    "SGDRegressor",
    "TheilSenRegressor",
)
_CLASSIFIERS = (
    "LogisticRegression",
    "LogisticRegressionCV",
    "PassiveAggressiveClassifier",
    "Perceptron",
    "RidgeClassifier",
    "RidgeClassifierCV",
    "SGDClassifier",
)


def _present(names: tuple[str, ...]) -> frozenset[type]:
    """Those that this version of scikit-learn has; it is about to lose some."""
    return frozenset(getattr(linear_model, name) for name in names if hasattr(linear_model, name))


REGRESSORS = _present(_REGRESSORS) | {LinearSVR}
CLASSIFIERS = _present(_CLASSIFIERS) | {LinearSVC}
ESTIMATORS = REGRESSORS | CLASSIFIERS


def compile_head(estimator: Estimator) -> Head:
    """The final estimator.

    Args:
        estimator: fitted; its type is one of `ESTIMATORS`.

    Raises:
        NotCompilableError: its state is of another shape than `predict` without surprises would need.

    """
    name = type(estimator).__name__
    weights = _floats(estimator.coef_, f"{name}.coef_")
    weights = weights.reshape(1, -1) if weights.ndim == 1 else weights
    intercepts = _floats(estimator.intercept_, f"{name}.intercept_").ravel()
    if len(intercepts) not in (1, len(weights)):
        raise NotCompilableError(f"{name} has {len(intercepts)} intercepts for {len(weights)} sums")
    intercepts = np.broadcast_to(intercepts, len(weights))
    link = NUMBERS_LINK
    if type(estimator) in CLASSIFIERS:
        link = _link(estimator, sums=len(weights))
    columns = weights.shape[1]
    classes = 0 if link in (NUMBERS_LINK, LABEL_LINK) else max(len(weights), 2)
    return Head(
        kind=Kind.LINEAR,
        columns=columns,
        numbers=len(weights) if link == NUMBERS_LINK else 0,
        scores=classes,
        takes_nan=np.zeros(columns, np.bool_),
        takes_infinity=False,
        ints=np.array([len(weights), link], np.int32),
        floats=np.concatenate([weights.ravel(), intercepts]),
        nodes=np.empty(0, NODE),
    )


def _floats(values: object, what: str) -> NDArray[np.float64]:  # scalars, arrays, sparse matrices
    if not isinstance(values, (np.ndarray, float, int, np.number)):
        raise NotCompilableError(f"{what} is a {type(values).__name__}")
    array = np.asarray(values)
    if array.dtype.kind not in "fiu" or array.ndim > 2:  # noqa: PLR2004 - outputs and columns
        raise NotCompilableError(f"{what} is of type {array.dtype} and has {array.ndim} dimensions")
    return np.asarray(array, np.float64)


def _link(estimator: Estimator, *, sums: int) -> int:
    name = type(estimator).__name__
    classes = estimator.classes_
    if not isinstance(classes, np.ndarray) or classes.ndim != 1 or _is_multilabel(estimator):
        raise NotCompilableError(f"{name} predicts several labels at once")
    if sums != (1 if len(classes) == 2 else len(classes)):  # noqa: PLR2004 - one sum tells two classes apart
        raise NotCompilableError(f"{name} has {sums} sums for {len(classes)} classes")
    if type(estimator) in (LogisticRegression, LogisticRegressionCV):
        return LOGISTIC_LINK if sums == 1 else SOFTMAX_LINK
    if type(estimator) is SGDClassifier and estimator.loss == "log_loss":
        return LOGISTIC_LINK if sums == 1 else SHARES_OF_LOGISTIC_LINK
    if type(estimator) is SGDClassifier and estimator.loss == "modified_huber":
        return HUBER_LINK if sums == 1 else SHARES_OF_HUBER_LINK
    return LABEL_LINK


def _is_multilabel(estimator: Estimator) -> bool:
    binarizer = getattr(estimator, "_label_binarizer", None)
    return binarizer is not None and str(binarizer.y_type_).startswith("multilabel")
