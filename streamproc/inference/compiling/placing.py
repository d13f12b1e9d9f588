"""Where the nodes of trees go: siblings side by side, branches near their parent, each tree for itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamproc.inference.compiling.parts import NotCompilableError

Indexes = NDArray[np.int64]
_LEAF = -1


@dataclass(frozen=True, slots=True)
class Nodes:
    """The nodes of several trees, one tree after another."""

    first: Indexes
    """(nodes,): its child where the comparison fails, counted over all trees; -1: a leaf."""
    second: Indexes
    tree: Indexes
    """(nodes,): the number of its tree."""
    roots: Indexes
    """(trees,)"""


@dataclass(frozen=True, slots=True)
class Places:
    """Of each tree its pairs of siblings; the first place of the first pair is the root's, the second is empty."""

    place: Indexes
    """(nodes,): pair · 2, + 1 for a second child, counted from the tree's begin; -1: no path leads to the node."""
    pair: Indexes
    """(nodes,): the pair of its children."""
    pairs: Indexes
    """(trees,): how many pairs the tree has."""
    steps: Indexes
    """(trees,): how many steps lead to its deepest leaf."""


def joined(children: list[tuple[NDArray[Any], NDArray[Any]]]) -> Nodes:  # integers of any width
    """The nodes of trees from their (left, right) children, which count from 0 in each.

    Raises:
        NotCompilableError: a walk through them could leave the tree, or never end.

    """
    for left, right in children:
        _check(left.astype(np.int64), right.astype(np.int64))
    sizes = np.array([len(left) for left, _ in children], np.int64)
    roots = np.cumsum(sizes) - sizes
    base = np.repeat(roots, sizes)
    left, right = (np.concatenate(sides).astype(np.int64) for sides in zip(*children, strict=True))
    leaf = left == _LEAF
    return Nodes(
        first=np.where(leaf, _LEAF, left + base),
        second=np.where(leaf, _LEAF, right + base),
        tree=np.repeat(np.arange(len(sizes)), sizes),
        roots=roots,
    )


def _check(left: Indexes, right: Indexes) -> None:
    parents = np.flatnonzero(left != _LEAF)
    if not len(left) or not np.array_equal(parents, np.flatnonzero(right != _LEAF)):
        raise NotCompilableError("a tree of it has a node with one child only, or no node at all")
    both = np.concatenate([left[parents], right[parents]])
    after = both > np.concatenate([parents, parents])
    if not np.all(after & (both < len(left))) or np.any(np.bincount(both) > 1):
        raise NotCompilableError("a tree of it is no tree: a child comes before its parent, or has two")


def placed(nodes: Nodes) -> Places:
    """Each pair right after its parent's, or after the larger branch: then half of the steps and more stay in a cache line."""
    levels = _levels(nodes)
    inner = np.zeros(len(nodes.first), np.int64)  # how many inner nodes the branch from there on has
    for level in reversed(levels):
        inner[level] = 1 + inner[nodes.first[level]] + inner[nodes.second[level]]
    place = np.full(len(nodes.first), -1, np.int64)
    pair = np.zeros(len(nodes.first), np.int64)
    steps = np.zeros(len(nodes.roots), np.int64)
    place[nodes.roots] = 0
    pair[nodes.roots] = 1
    for level in levels:
        first, second = nodes.first[level], nodes.second[level]
        larger = np.where(inner[first] >= inner[second], first, second)
        pair[larger] = pair[level] + 1
        pair[first + second - larger] = pair[level] + 1 + inner[larger]
        place[first], place[second] = 2 * pair[level], 2 * pair[level] + 1
        steps[nodes.tree[level]] += 1
    return Places(place, pair, 1 + inner[nodes.roots], steps)


def _levels(nodes: Nodes) -> list[Indexes]:
    """The inner nodes of each level, all trees at once."""
    levels = []
    level = nodes.roots
    while len(level := level[nodes.first[level] != _LEAF]):
        levels.append(level)
        level = np.concatenate([nodes.first[level], nodes.second[level]])
    return levels
