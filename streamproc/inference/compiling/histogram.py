"""Compiles histogram gradient boosting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn._loss import link as links
from sklearn._loss import loss as losses
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE

from streamproc.inference.compiling.parts import Estimator, Head, NotCompilableError
from streamproc.inference.compiling.placing import Nodes, joined, placed
from streamproc.inference.links import LINK_EXPONENTIAL, LINK_LOGISTIC, LINK_NONE, LINK_SOFTMAX
from streamproc.inference.packed import NODE, Kind
from streamproc.inference.tree_layout import (
    BY_CATEGORY,
    FIRST_WIDE_CELL,
    LOWEST_FINITE,
    MISSING,
    NAN_CELL,
    RULE_HIGHEST,
    RULE_NONE,
    RULE_POSITIVE,
    SET_WORDS,
)

_LINKS: Final = {links.IdentityLink: LINK_NONE, links.LogLink: LINK_EXPONENTIAL}
_MOST_CLASSES: Final = 7
"""With more, scikit-learn's own probabilities of a row depend on whether it is alone: it adds them in another order."""
_BITSET_WORDS = 8
_NAN_BITS = 0x7FF8_0000_0000_0000
_NODE_BYTES = 16


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What becomes of the sums."""

    sums: int
    rule: int
    link: int
    numbers: int
    scores: int


def compile_head(estimator: Estimator) -> Head:
    """Histogram gradient boosting; its encoder of categories becomes the head's preprocessor.

    Raises:
        NotCompilableError: it is something else, its loss has no kernel, or it has 8 classes and more.

    """
    if type(estimator) not in (HistGradientBoostingClassifier, HistGradientBoostingRegressor):
        raise NotCompilableError(f"a {type(estimator).__name__} is no histogram gradient boosting")
    outcome = _outcome(estimator)
    stages = estimator._predictors  # noqa: SLF001 - its state is private
    initial = np.asarray(estimator._baseline_prediction)  # noqa: SLF001 - as above
    if initial.dtype != np.float64 or initial.size != outcome.sums or any(len(stage) != outcome.sums for stage in stages):
        raise NotCompilableError("its histogram gradient boosting has another number of trees than outputs")
    trees = [predictor for stage in stages for predictor in stage]
    if not trees or any(predictor.nodes.dtype != PREDICTOR_RECORD_DTYPE for predictor in trees):
        raise NotCompilableError("its histogram gradient boosting has no trees, or such of another layout")
    columns = int(estimator._n_features)  # noqa: SLF001 - as above
    preprocessor = getattr(estimator, "_preprocessor", None)
    ints, nodes = _laid_out(estimator, trees, columns)
    categories = (len(ints) - 2 * len(trees)) // SET_WORDS
    if categories and preprocessor is None:
        raise NotCompilableError("its histogram gradient boosting has categories and no encoder of them")
    header = [len(trees), 0, 1, outcome.sums, outcome.rule, outcome.link, 1, categories]
    return Head(
        kind=Kind.HISTOGRAM,
        columns=columns,
        numbers=outcome.numbers,
        scores=outcome.scores,
        takes_nan=np.ones(columns, np.bool_),
        takes_infinity=True,
        ints=np.concatenate([header, ints]).astype(np.int32),
        floats=np.concatenate([[1.0], 0.0 + initial.ravel()]),
        nodes=nodes,
        preprocessor=preprocessor,
    )


def _outcome(estimator: Estimator) -> _Outcome:
    loss = estimator._loss  # noqa: SLF001 - what its own predictions go by
    if type(estimator) is HistGradientBoostingRegressor:
        if type(loss.link) not in _LINKS:
            raise NotCompilableError(f"the link {type(loss.link).__name__} of its histogram gradient boosting has no kernel")
        return _Outcome(1, RULE_NONE, _LINKS[type(loss.link)], numbers=1, scores=0)
    classes = len(estimator.classes_)
    if type(loss) is losses.HalfBinomialLoss and classes == 2:  # noqa: PLR2004 - one sum tells two apart
        return _Outcome(1, RULE_POSITIVE, LINK_LOGISTIC, numbers=0, scores=2)
    if type(loss) is not losses.HalfMultinomialLoss or classes <= 2:  # noqa: PLR2004 - as above
        raise NotCompilableError(f"the loss {type(loss).__name__} of {classes} classes has no kernel")
    if classes > _MOST_CLASSES:
        raise NotCompilableError(
            f"it has {classes} classes; scikit-learn's probabilities of more than {_MOST_CLASSES} depend on the number of rows"
        )
    return _Outcome(classes, RULE_HIGHEST, LINK_SOFTMAX, numbers=0, scores=classes)


def _laid_out(
    estimator: Estimator, trees: list[Any], columns: int
) -> tuple[NDArray[np.int64], NDArray[Any]]:  # trees are TreePredictors; the nodes are of dtype NODE
    """Where the trees begin, their steps, and the sets of categories; and the nodes."""
    state = np.concatenate([predictor.nodes for predictor in trees])
    nodes = joined([_children(predictor.nodes) for predictor in trees])
    inner = nodes.first >= 0
    feature = state["feature_idx"].astype(np.int64)
    if np.any((feature[inner] < 0) | (feature[inner] >= columns)):
        raise NotCompilableError("a tree of it reads a column that there is not")
    by_category = inner & (state["is_categorical"] != 0)
    to_right = inner & ~by_category & (state["missing_go_to_left"] == 0)
    places = placed(
        Nodes(
            np.where(to_right, nodes.second, nodes.first),
            np.where(to_right, nodes.first, nodes.second),
            nodes.tree,
            nodes.roots,
        )
    )
    threshold = _compared(state["num_threshold"], to_right, inner & ~by_category)
    bits = np.where(inner, threshold, state["value"]).view(np.int64)
    which, sets = _sets(estimator, trees, state, nodes, np.flatnonzero(by_category))
    bits[by_category] = _NAN_BITS | which
    cell = np.where(inner, FIRST_WIDE_CELL + feature + columns * to_right + BY_CATEGORY * by_category, NAN_CELL)
    reached = places.place >= 0
    starts = 2 * (np.cumsum(places.pairs) - places.pairs)
    entries = np.zeros((2 * int(places.pairs.sum()), 2), np.int64)
    at = starts[nodes.tree[reached]] + places.place[reached]
    entries[at, 0] = bits[reached]
    entries[at, 1] = (cell | np.where(inner, 2 * places.pair, places.place) << 32)[reached]
    return np.concatenate([np.column_stack([starts, places.steps]).ravel(), sets.ravel()]), entries.view(NODE).ravel()


def _children(nodes: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:  # of scikit-learn's own dtype
    leaf = nodes["is_leaf"] != 0
    return np.where(leaf, -1, nodes["left"].astype(np.int64)), np.where(leaf, -1, nodes["right"].astype(np.int64))


def _compared(threshold: NDArray[np.float64], to_right: NDArray[np.bool_], used: NDArray[np.bool_]) -> NDArray[np.float64]:
    """What x exceeds exactly where x > threshold, or, for the others, what -x exceeds exactly where x ≤ threshold."""
    if np.any(np.isnan(threshold[used])) or np.any(threshold[used & to_right] == -LOWEST_FINITE):
        raise NotCompilableError("a tree of it compares with NaN, or with the largest number")
    return np.where(to_right, np.nextafter(-threshold, -np.inf), threshold)


def _sets(
    estimator: Estimator, trees: list[Any], state: NDArray[Any], nodes: Nodes, rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:  # trees are TreePredictors; the state is of scikit-learn's own dtype
    """Where the set of each of these nodes begins, and the sets, equal ones once; none where there are no such nodes."""
    if not len(rows):
        return np.zeros(0, np.int64), np.zeros((0, SET_WORDS), np.int64)
    mapper = estimator._bin_mapper  # noqa: SLF001 - its state is private
    known_of, place_of = mapper.make_known_categories_bitsets()
    counts = np.array([len(predictor.raw_left_cat_bitsets) for predictor in trees], np.int64)
    number = state["bitset_idx"][rows].astype(np.int64)
    feature = state["feature_idx"][rows]
    if np.any(number >= counts[nodes.tree[rows]]) or not np.all(mapper.is_categorical_[feature]):
        raise NotCompilableError("a tree of it goes by categories that there are not")
    known = known_of[place_of[feature]]
    left = np.concatenate([predictor.raw_left_cat_bitsets.reshape(-1, _BITSET_WORDS) for predictor in trees])
    left = left[(np.cumsum(counts) - counts)[nodes.tree[rows]] + number]
    missing_right = state["missing_go_to_left"][rows] == 0
    unknown = np.where(missing_right[:, None], ~known, np.uint32(0))
    sets = np.zeros((len(rows) + 1, SET_WORDS), np.uint32)
    sets[1:, :-1] = ~left & (known | unknown)
    sets[1:, MISSING // 32] = missing_right
    distinct, which = np.unique(sets, axis=0, return_inverse=True)
    return SET_WORDS * which.ravel()[1:].astype(np.int64), distinct.view(np.int32).astype(np.int64)
