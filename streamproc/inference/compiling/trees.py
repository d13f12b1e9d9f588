"""Compiles decision trees, forests and extra trees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier, ExtraTreeRegressor
from sklearn.tree._tree import Tree
from sklearn.utils import get_tags

from streamproc.inference.compiling.parts import Estimator, Head, NotCompilableError
from streamproc.inference.compiling.placing import Nodes, Places, joined, placed
from streamproc.inference.links import LINK_NONE
from streamproc.inference.packed import NODE, Kind
from streamproc.inference.tree_layout import (
    FIRST_CELL,
    HIGHEST_CELL,
    LOWEST_CELL,
    MOST_VALUES,
    RULE_HIGHEST,
    RULE_NONE,
)

_TREES: Final = (DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier, ExtraTreeRegressor)
_FORESTS: Final = {
    RandomForestClassifier: DecisionTreeClassifier,
    RandomForestRegressor: DecisionTreeRegressor,
    ExtraTreesClassifier: ExtraTreeClassifier,
    ExtraTreesRegressor: ExtraTreeRegressor,
}
_WORD_BITS = 32


@dataclass(frozen=True, slots=True)
class Sums:
    """What the trees' values are added to, and what becomes of that."""

    initial: NDArray[np.float64]
    """(sums,)"""
    divisor: float
    rule: int
    link: int
    numbers: int
    scores: int


def compile_head(estimator: Estimator) -> Head:
    """A decision tree, a forest or extra trees, for one classification or any number of regressions.

    Raises:
        NotCompilableError: it is something else, or predicts several classifications.

    """
    if type(estimator) in _FORESTS:
        members = list(estimator.estimators_)
        if any(type(member) is not _FORESTS[type(estimator)] for member in members):
            raise NotCompilableError(f"the trees of its {type(estimator).__name__} are of another kind")
        divisor, start = float(len(members)), 0.0
    elif type(estimator) in _TREES:
        members = [estimator]
        divisor, start = 1.0, -0.0  # what a sum must begin with to be equal to its only summand, also where that is -0.0
    else:
        raise NotCompilableError(f"a {type(estimator).__name__} is no forest and no decision tree")
    outputs = _outputs(estimator)
    values = [_values(member.tree_, estimator, outputs) for member in members]
    classifies = is_classifier(estimator)
    sums = Sums(
        initial=np.full(outputs, start),
        divisor=divisor,
        rule=RULE_HIGHEST if classifies else RULE_NONE,
        link=LINK_NONE,
        numbers=0 if classifies else outputs,
        scores=outputs if classifies else 0,
    )
    takes_nan = bool(get_tags(members[0]).input_tags.allow_nan)  # a forest asks its first tree
    return head_of_trees([member.tree_ for member in members], values, sums, estimator.n_features_in_, takes_nan=takes_nan)


def _outputs(estimator: Estimator) -> int:
    """How many numbers or classes."""
    if not is_classifier(estimator):
        return int(estimator.n_outputs_)
    if estimator.n_outputs_ != 1:
        raise NotCompilableError(f"its {type(estimator).__name__} predicts several classifications")
    return len(estimator.classes_)


def _values(tree: Tree, estimator: Estimator, outputs: int) -> NDArray[np.float64]:
    """(nodes, outputs): what each node would predict."""
    of_classes = is_classifier(estimator)
    values = tree.value[:, 0, :] if of_classes else tree.value[:, :, 0]
    if tree.n_outputs != (1 if of_classes else outputs) or values.shape[1] != outputs:
        raise NotCompilableError(f"the trees of its {type(estimator).__name__} have other outputs than itself")
    return np.asarray(values, np.float64)


def head_of_trees(
    trees: Sequence[Tree], values: Sequence[NDArray[np.float64]], sums: Sums, columns: int, *, takes_nan: bool
) -> Head:
    """The head of trees that read float32.

    Args:
        trees: scikit-learn's.
        values: of each tree, (nodes, width): what is added where a row arrives at the node.
        sums: what to.
        columns: how many each tree reads.
        takes_nan: NaN is a value, and each node knows where it goes.

    Raises:
        NotCompilableError: a walk through the trees could leave them or never end, or they don't fit the layout.

    """
    if not trees or any(type(tree) is not Tree or tree.n_features != columns for tree in trees):
        raise NotCompilableError("its trees read other columns than it is given")
    nodes = joined([(tree.children_left, tree.children_right) for tree in trees])
    inner = nodes.first >= 0
    feature = np.concatenate([tree.feature for tree in trees]).astype(np.int64)
    if np.any((feature[inner] < 0) | (feature[inner] >= columns)):
        raise NotCompilableError("a tree of it reads a column that there is not")
    threshold = np.concatenate([tree.threshold for tree in trees])
    to_right = inner & (np.concatenate([tree.missing_go_to_left for tree in trees]) == 0) & takes_nan
    exchanged = _exchanged(nodes, to_right)
    places = placed(exchanged)
    offset, floats = _leaf_values(np.concatenate(list(values)), ~inner & (places.place >= 0))
    bits = np.where(inner, _compared(threshold, to_right).view(np.uint32), offset)
    cell = np.where(to_right, FIRST_CELL + columns + feature, FIRST_CELL + feature)
    cell = np.where(inner, cell, np.where(places.place % 2, HIGHEST_CELL, LOWEST_CELL))
    shift = max(1, int(places.pairs.max() - 1).bit_length())
    if int(FIRST_CELL + 2 * columns) >> (_WORD_BITS - shift):
        raise NotCompilableError(f"its trees are too large for {columns} columns: more than {1 << shift - 1} inner nodes each")
    starts = np.cumsum(places.pairs) - places.pairs
    width = values[0].shape[1]
    header = [len(trees), shift, width, len(sums.initial), sums.rule, sums.link, int(takes_nan), 0]
    return Head(
        kind=Kind.TREES,
        columns=columns,
        numbers=sums.numbers,
        scores=sums.scores,
        takes_nan=np.full(columns, takes_nan),
        takes_infinity=False,
        ints=np.concatenate([header, np.column_stack([starts, places.steps]).ravel()]).astype(np.int32),
        floats=np.concatenate([[sums.divisor], sums.initial, floats]),
        nodes=_entries(nodes, places, cell << shift | np.where(inner, places.pair, places.place >> 1), bits, starts),
    )


def _exchanged(nodes: Nodes, to_right: NDArray[np.bool_]) -> Nodes:
    """The children of these nodes in the other order."""
    first, second = np.where(to_right, nodes.second, nodes.first), np.where(to_right, nodes.first, nodes.second)
    return Nodes(first, second, nodes.tree, nodes.roots)


def _compared(threshold: NDArray[np.float64], to_right: NDArray[np.bool_]) -> NDArray[np.float32]:
    """What a float32 x exceeds exactly where x > threshold, or, for the others, what -x exceeds exactly where x ≤ threshold."""
    with np.errstate(over="ignore"):
        down = threshold.astype(np.float32)
    down = np.where(down > threshold, np.nextafter(down, np.float32(-np.inf)), down)
    down = np.where(np.isnan(threshold), np.float32(-np.inf), down)  # nothing is ≤ NaN
    return np.where(to_right, np.nextafter(-down, np.float32(-np.inf)), down)


def _leaf_values(values: NDArray[np.float64], leaf: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Where each leaf finds its values, and those, equal ones once."""
    distinct, which = _distinct_rows(values[leaf])
    if distinct.size > MOST_VALUES:
        raise NotCompilableError("its trees have too many leaves")
    offset = np.zeros(len(values), np.int64)
    offset[leaf] = which * values.shape[1]
    return offset, distinct.ravel()


def _distinct_rows(rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Rows of different bits, and which of them each row is."""
    bits = np.ascontiguousarray(rows).view(np.int64)
    order = np.lexsort(bits.T)
    new = np.ones(len(order), np.bool_)
    new[1:] = np.any(bits[order[1:]] != bits[order[:-1]], axis=1)
    which = np.empty(len(order), np.int64)
    which[order] = np.cumsum(new) - 1
    return rows[order[new]], which


def _entries(
    nodes: Nodes, places: Places, words: NDArray[np.int64], bits: NDArray[Any], starts: NDArray[np.int64]
) -> NDArray[Any]:  # of dtype NODE
    """A pair an entry, of each node its threshold's bits and its word."""
    reached = places.place >= 0
    at = 2 * starts[nodes.tree[reached]] + places.place[reached]
    halves = np.zeros((2 * int(places.pairs.sum()), 2), np.uint32)
    halves[at, 0] = bits[reached]
    halves[at, 1] = words[reached]
    return halves.reshape(-1, 4).view(NODE).ravel()
