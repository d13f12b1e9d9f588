"""Compiles gradient boosting."""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn._loss import loss as losses
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor
from sklearn.ensemble._gradient_boosting import predict_stages
from sklearn.tree import DecisionTreeRegressor

from streamproc.inference.compiling.parts import Estimator, Head, NotCompilableError
from streamproc.inference.compiling.trees import Sums, head_of_trees
from streamproc.inference.links import LINK_LOGISTIC, LINK_LOGISTIC_OF_TWICE, LINK_NONE, LINK_SOFTMAX
from streamproc.inference.tree_layout import RULE_HIGHEST, RULE_NONE, RULE_NOT_NEGATIVE

_LINKS: Final = {
    losses.HalfBinomialLoss: LINK_LOGISTIC,
    losses.ExponentialLoss: LINK_LOGISTIC_OF_TWICE,
    losses.HalfMultinomialLoss: LINK_SOFTMAX,
}


def compile_head(estimator: Estimator) -> Head:
    """Gradient boosting with a constant to begin with.

    Raises:
        NotCompilableError: it is something else, begins with another estimator, or this machine's scikit-learn rounds in
            another way.

    """
    if type(estimator) not in (GradientBoostingClassifier, GradientBoostingRegressor):
        raise NotCompilableError(f"a {type(estimator).__name__} is no gradient boosting")
    if _fuses():
        raise NotCompilableError("scikit-learn on this machine fuses the addition of trees, which kernels don't")
    stages = estimator.estimators_
    if any(type(member) is not DecisionTreeRegressor for member in stages.ravel()):
        raise NotCompilableError("the trees of its gradient boosting are of another kind")
    trees = [member.tree_ for member in stages.ravel()]
    if any(tree.value.shape[1:] != (1, 1) for tree in trees):
        raise NotCompilableError("a tree of its gradient boosting has more than one output")
    sums = _sums(estimator, _initial(estimator, stages.shape[1]))
    scale = float(estimator.learning_rate)
    with np.errstate(over="ignore", under="ignore"):
        values = [scale * tree.value[:, :, 0] for tree in trees]
    return head_of_trees(trees, values, sums, estimator.n_features_in_, takes_nan=False)


def _sums(estimator: Estimator, initial: NDArray[np.float64]) -> Sums:
    if type(estimator) is GradientBoostingRegressor:
        if len(initial) != 1:
            raise NotCompilableError("its gradient boosting regresses several outputs")
        return Sums(initial, 1.0, RULE_NONE, LINK_NONE, numbers=1, scores=0)
    loss = type(estimator._loss)  # noqa: SLF001 - what its own predict_proba goes by
    classes = len(estimator.classes_)
    if loss not in _LINKS:
        raise NotCompilableError(f"the loss {loss.__name__} of its gradient boosting has no kernel")
    several = _LINKS[loss] == LINK_SOFTMAX
    if len(initial) != (classes if several else 1) or (classes == 2) == several:  # noqa: PLR2004 - one sum tells two apart
        raise NotCompilableError("its gradient boosting has another number of trees than its classes need")
    rule = RULE_HIGHEST if several else RULE_NOT_NEGATIVE
    return Sums(initial, 1.0, rule, _LINKS[loss], numbers=0, scores=classes)


def _initial(estimator: Estimator, outputs: int) -> NDArray[np.float64]:
    """(outputs,): what its sums begin with."""
    init = estimator.init_
    constant = (
        (isinstance(init, str) and init == "zero")
        or (type(init) is DummyClassifier and init.strategy == "prior")
        or type(init) is DummyRegressor
    )
    if not constant:
        raise NotCompilableError(f"its gradient boosting begins with a {type(init).__name__}, which has no kernel")
    zeros = np.zeros((1, estimator.n_features_in_), np.float32)
    initial: NDArray[np.float64] = np.asarray(estimator._raw_predict_init(zeros), np.float64)  # noqa: SLF001 - what its own predict begins with
    if initial.shape != (1, outputs):
        raise NotCompilableError("its gradient boosting begins with another number of outputs than it has trees for")
    return np.array(initial[0])


@cache
def _fuses() -> bool:
    """Whether scikit-learn was compiled to multiply and add with one rounding, as compilers for some processors do."""
    columns = np.zeros((1, 1), np.float32)
    tree = DecisionTreeRegressor().fit(columns, [0.1])
    stages = np.array([[tree]], dtype=object)
    total = np.array([[-(0.1 * 0.1)]])
    predict_stages(stages, columns, 0.1, total)
    return bool(total[0, 0] != 0)
