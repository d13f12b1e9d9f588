"""The compiled loops over trees that read float32: decision trees, forests, extra trees, gradient boosting.

How they lie in the arenas: see `tree_layout`. Eight walks advance together: of eight rows through one tree while a model has
that many rows, of one row through eight trees for the rest.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamproc.inference.packed import (
    COLUMNS,
    ESTIMATOR_FLOATS,
    ESTIMATOR_INTS,
    FIRST,
    NODES,
    NOT_FINITE,
    TOO_LARGE,
)
from streamproc.inference.tree_layout import (
    DIVISOR,
    FIRST_CELL,
    HEADER,
    HIGHEST_CELL,
    INITIAL,
    LANES,
    LOWEST_CELL,
    RULE,
    RULE_NONE,
    RULE_NOT_NEGATIVE,
    RULE_POSITIVE,
    SHIFT,
    SUMS,
    TAKES_NAN,
    TREES,
    WIDTH,
)
from streamproc.jit import inlined, kernel

BUILT_WITH = ""
"""Digest of the imported modules; written by `python tests/support/built_with.py`."""

_UNLOOKED_STEPS = 8
"""So many steps are walked without looking whether all walks have arrived."""
_STEPS_A_LOOK = 4


@inlined
def label_of(sums: NDArray[np.float64], at: int, count: int, rule: int) -> int:
    """The class that the sums from `at` on stand for, -1: none. NaN counts as the highest, as it does to numpy."""
    if rule == RULE_NONE:
        return -1
    if rule == RULE_POSITIVE:
        return 1 if sums[np.uint64(at)] > 0 else 0
    if rule == RULE_NOT_NEGATIVE:
        return 1 if sums[np.uint64(at)] >= 0 else 0
    best = 0
    for k in range(1, count):
        highest = sums[np.uint64(at + best)]
        if highest != highest:  # noqa: PLR0124 - NaN
            break
        if not sums[np.uint64(at + k)] <= highest:
            best = k
    return best


@inlined
def _fill(
    registers: NDArray[np.float64], start: int, columns: int, takes_nan: int, cells: NDArray[np.float32], lane: int
) -> tuple[int, int]:
    """Write one row's cells; returns what is wrong with it, and where."""
    wrong, where = 0, -1
    for column in range(columns):
        wide = registers[np.uint64(start + column)]
        value = np.float32(wide)
        cells[np.uint64((FIRST_CELL + column) * LANES + lane)] = value
        cells[np.uint64((FIRST_CELL + columns + column) * LANES + lane)] = -value
        if not abs(value) < np.inf and wrong == 0:
            if wide != wide:  # noqa: PLR0124 - NaN
                wrong = 0 if takes_nan else NOT_FINITE
            elif abs(wide) == np.inf:
                wrong = NOT_FINITE
            else:
                wrong, where = TOO_LARGE, column
    return wrong, where


@inlined
def _step(
    thresholds: NDArray[np.float32],
    words: NDArray[np.uint32],
    root: np.uint64,
    node: np.uint64,
    cells: NDArray[np.float32],
    lane: np.uint64,
    shift: np.uint64,
) -> np.uint64:
    """The child that comes after `node`, or the same leaf; both counted from the root."""
    at = (root + node) << np.uint64(1)
    word = np.uint64(words[at + np.uint64(1)])
    greater = cells[((word >> shift) << np.uint64(3)) + lane] > thresholds[at]
    children = word & ((np.uint64(1) << shift) - np.uint64(1))
    return (children << np.uint64(1)) + np.uint64(greater)


@inlined
def _walk_rows(
    thresholds: NDArray[np.float32],
    words: NDArray[np.uint32],
    root: np.uint64,
    steps: int,
    cells: NDArray[np.float32],
    shift: np.uint64,
    leaves: NDArray[np.uint64],
) -> None:  # splitting it would cost time
    """The leaves of one tree for the rows of all lanes."""
    a = b = c = d = e = f = g = h = np.uint64(0)
    planned = min(steps, _UNLOOKED_STEPS)
    while planned > 0:
        for _ in range(planned):
            a = _step(thresholds, words, root, a, cells, np.uint64(0), shift)
            b = _step(thresholds, words, root, b, cells, np.uint64(1), shift)
            c = _step(thresholds, words, root, c, cells, np.uint64(2), shift)
            d = _step(thresholds, words, root, d, cells, np.uint64(3), shift)
            e = _step(thresholds, words, root, e, cells, np.uint64(4), shift)
            f = _step(thresholds, words, root, f, cells, np.uint64(5), shift)
            g = _step(thresholds, words, root, g, cells, np.uint64(6), shift)
            h = _step(thresholds, words, root, h, cells, np.uint64(7), shift)
        steps -= planned
        planned = min(steps, _STEPS_A_LOOK)
        if planned > 0:
            moving = a ^ _step(thresholds, words, root, a, cells, np.uint64(0), shift)
            moving |= b ^ _step(thresholds, words, root, b, cells, np.uint64(1), shift)
            moving |= c ^ _step(thresholds, words, root, c, cells, np.uint64(2), shift)
            moving |= d ^ _step(thresholds, words, root, d, cells, np.uint64(3), shift)
            moving |= e ^ _step(thresholds, words, root, e, cells, np.uint64(4), shift)
            moving |= f ^ _step(thresholds, words, root, f, cells, np.uint64(5), shift)
            moving |= g ^ _step(thresholds, words, root, g, cells, np.uint64(6), shift)
            moving |= h ^ _step(thresholds, words, root, h, cells, np.uint64(7), shift)
            planned = planned if moving else 0
    leaves[0] = root + a
    leaves[1] = root + b
    leaves[2] = root + c
    leaves[3] = root + d
    leaves[4] = root + e
    leaves[5] = root + f
    leaves[6] = root + g
    leaves[7] = root + h


@inlined
def _root(ints: NDArray[np.int32], trees: int, tree: int, nodes: np.uint64) -> np.uint64:
    return (nodes + np.uint64(ints[np.uint64(trees + 2 * tree)])) << np.uint64(1)


@inlined
def _walk_trees(
    thresholds: NDArray[np.float32],
    words: NDArray[np.uint32],
    ints: NDArray[np.int32],
    trees: int,
    first: int,
    nodes: np.uint64,
    cells: NDArray[np.float32],
    lane: np.uint64,
    shift: np.uint64,
    leaves: NDArray[np.uint64],
) -> None:  # splitting it would cost time
    """The leaves of eight trees, from the tree `first` on, for the row of one lane."""
    ra, rb = _root(ints, trees, first, nodes), _root(ints, trees, first + 1, nodes)
    rc, rd = _root(ints, trees, first + 2, nodes), _root(ints, trees, first + 3, nodes)
    re, rf = _root(ints, trees, first + 4, nodes), _root(ints, trees, first + 5, nodes)
    rg, rh = _root(ints, trees, first + 6, nodes), _root(ints, trees, first + 7, nodes)
    steps = 0
    for tree in range(first, first + LANES):
        steps = max(steps, ints[np.uint64(trees + 2 * tree + 1)])
    a = b = c = d = e = f = g = h = np.uint64(0)
    moving = np.uint64(1)
    while steps > 0 and moving != 0:
        for _ in range(min(steps, _STEPS_A_LOOK)):
            a, b = _step(thresholds, words, ra, a, cells, lane, shift), _step(thresholds, words, rb, b, cells, lane, shift)
            c, d = _step(thresholds, words, rc, c, cells, lane, shift), _step(thresholds, words, rd, d, cells, lane, shift)
            e, f = _step(thresholds, words, re, e, cells, lane, shift), _step(thresholds, words, rf, f, cells, lane, shift)
            g, h = _step(thresholds, words, rg, g, cells, lane, shift), _step(thresholds, words, rh, h, cells, lane, shift)
        steps -= _STEPS_A_LOOK
        if steps > _STEPS_A_LOOK:
            moving = a ^ _step(thresholds, words, ra, a, cells, lane, shift)
            moving |= b ^ _step(thresholds, words, rb, b, cells, lane, shift)
            moving |= c ^ _step(thresholds, words, rc, c, cells, lane, shift)
            moving |= d ^ _step(thresholds, words, rd, d, cells, lane, shift)
            moving |= e ^ _step(thresholds, words, re, e, cells, lane, shift)
            moving |= f ^ _step(thresholds, words, rf, f, cells, lane, shift)
            moving |= g ^ _step(thresholds, words, rg, g, cells, lane, shift)
            moving |= h ^ _step(thresholds, words, rh, h, cells, lane, shift)
    leaves[0], leaves[1], leaves[2], leaves[3] = ra + a, rb + b, rc + c, rd + d
    leaves[4], leaves[5], leaves[6], leaves[7] = re + e, rf + f, rg + g, rh + h


@inlined
def _walk(
    thresholds: NDArray[np.float32],
    words: NDArray[np.uint32],
    root: np.uint64,
    steps: int,
    cells: NDArray[np.float32],
    lane: np.uint64,
    shift: np.uint64,
) -> np.uint64:
    """The leaf of one tree for the row of one lane."""
    node = np.uint64(0)
    for _ in range(steps):
        last = node
        node = _step(thresholds, words, root, node, cells, lane, shift)
        if node == last:
            break
    return root + node


@inlined
def _add(
    words: NDArray[np.uint32],
    leaf: np.uint64,
    floats: NDArray[np.float64],
    values: int,
    width: int,
    outputs: NDArray[np.float64],
    at: int,
) -> None:
    """Add a leaf's values to the sums from `at` on."""
    place = np.uint64(values) + np.uint64(words[leaf << np.uint64(1)])
    for k in range(width):
        outputs[np.uint64(at + k)] += floats[place + np.uint64(k)]


@kernel
def predict_trees(
    slots: NDArray[np.int32],
    registers: NDArray[np.float64],
    register_start: NDArray[np.int64],
    outputs: NDArray[np.float64],
    output_start: NDArray[np.int64],
    label: NDArray[np.int32],
    status: NDArray[np.uint8],
    where: NDArray[np.int32],
    table: NDArray[np.int64],
    ints: NDArray[np.int32],
    floats: NDArray[np.float64],
    thresholds: NDArray[np.float32],
    words: NDArray[np.uint32],
    cells: NDArray[np.float32],
    rows: NDArray[np.int64],
    leaves: NDArray[np.uint64],
) -> None:  # splitting it would cost time
    """Predict a run's rows; see `Run` and `Arenas`, whose nodes are `thresholds` and `words`, two a node.

    Args:
        cells: room for those of LANES rows of the model with the most columns.
        rows: (LANES,) room.
        leaves: (LANES,) room.

    """
    for lane in range(LANES):
        cells[LOWEST_CELL * LANES + lane] = -np.inf
        cells[HIGHEST_CELL * LANES + lane] = np.inf
    at = 0
    while at < slots.shape[0]:
        slot = slots[at]
        lanes = 0
        header = table[slot, ESTIMATOR_INTS]
        numbers = table[slot, ESTIMATOR_FLOATS]
        sums = ints[header + SUMS]
        while at < slots.shape[0] and slots[at] == slot and lanes < LANES:
            if status[at] == 0:
                start = register_start[at] + table[slot, FIRST]
                status[at], where[at] = _fill(registers, start, table[slot, COLUMNS], ints[header + TAKES_NAN], cells, lanes)
                if status[at] == 0:
                    rows[lanes] = at
                    lanes += 1
                    for k in range(sums):
                        outputs[output_start[at] + k] = floats[numbers + INITIAL + k]
            at += 1
        width, trees, shift = ints[header + WIDTH], ints[header + TREES], np.uint64(ints[header + SHIFT])
        nodes = np.uint64(table[slot, NODES])
        values = numbers + INITIAL + sums
        if lanes == LANES:
            add_to = 0
            for tree in range(trees):
                root = _root(ints, header + HEADER, tree, nodes)
                _walk_rows(thresholds, words, root, ints[header + HEADER + 2 * tree + 1], cells, shift, leaves)
                for lane in range(LANES):
                    _add(words, leaves[lane], floats, values, width, outputs, output_start[rows[lane]] + add_to)
                add_to = 0 if add_to + width == sums else add_to + width
        else:
            for lane in range(lanes):
                tree = add_to = 0
                while tree < trees:
                    first = tree
                    if trees >= LANES:
                        # The last eight overlap those before: walked again, but not added again.
                        first = min(tree, trees - LANES)
                        _walk_trees(
                            thresholds, words, ints, header + HEADER, first, nodes, cells, np.uint64(lane), shift, leaves
                        )
                    else:
                        root = _root(ints, header + HEADER, tree, nodes)
                        steps = ints[header + HEADER + 2 * tree + 1]
                        leaves[0] = _walk(thresholds, words, root, steps, cells, np.uint64(lane), shift)
                    end = first + LANES if trees >= LANES else tree + 1
                    for walked in range(tree, end):
                        _add(words, leaves[walked - first], floats, values, width, outputs, output_start[rows[lane]] + add_to)
                        add_to = 0 if add_to + width == sums else add_to + width
                    tree = end
        for lane in range(lanes):
            start = output_start[rows[lane]]
            for k in range(sums):
                outputs[start + k] /= floats[numbers + DIVISOR]
            label[rows[lane]] = label_of(outputs, start, sums, ints[header + RULE])
