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

BUILT_WITH = "f1e398bbe0572c9b"
"""Digest of the imported modules; written by `python tests/support/built_with.py`."""

_FIRST_STEPS, _STEPS = 8, 4
"""After so many steps one looks whether all walks have arrived, and again after so many more. Further ones do no harm."""


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
    moving, unwatched = np.uint64(1), _FIRST_STEPS
    while steps > 0 and moving != 0:
        for _ in range(_STEPS):
            a = _step(thresholds, words, root, a, cells, np.uint64(0), shift)
            b = _step(thresholds, words, root, b, cells, np.uint64(1), shift)
            c = _step(thresholds, words, root, c, cells, np.uint64(2), shift)
            d = _step(thresholds, words, root, d, cells, np.uint64(3), shift)
            e = _step(thresholds, words, root, e, cells, np.uint64(4), shift)
            f = _step(thresholds, words, root, f, cells, np.uint64(5), shift)
            g = _step(thresholds, words, root, g, cells, np.uint64(6), shift)
            h = _step(thresholds, words, root, h, cells, np.uint64(7), shift)
        steps -= _STEPS
        unwatched -= _STEPS
        if steps > 0 and unwatched <= 0:
            next_a = _step(thresholds, words, root, a, cells, np.uint64(0), shift)
            next_b = _step(thresholds, words, root, b, cells, np.uint64(1), shift)
            next_c = _step(thresholds, words, root, c, cells, np.uint64(2), shift)
            next_d = _step(thresholds, words, root, d, cells, np.uint64(3), shift)
            next_e = _step(thresholds, words, root, e, cells, np.uint64(4), shift)
            next_f = _step(thresholds, words, root, f, cells, np.uint64(5), shift)
            next_g = _step(thresholds, words, root, g, cells, np.uint64(6), shift)
            next_h = _step(thresholds, words, root, h, cells, np.uint64(7), shift)
            moving = (a ^ next_a) | (b ^ next_b) | (c ^ next_c) | (d ^ next_d)
            moving |= (e ^ next_e) | (f ^ next_f) | (g ^ next_g) | (h ^ next_h)
            a, b, c, d, e, f, g, h = next_a, next_b, next_c, next_d, next_e, next_f, next_g, next_h
            steps -= 1
    leaves[0], leaves[1], leaves[2], leaves[3] = root + a, root + b, root + c, root + d
    leaves[4], leaves[5], leaves[6], leaves[7] = root + e, root + f, root + g, root + h


@inlined
def _root(ints: NDArray[np.int32], trees: int, tree: int, nodes: np.uint64) -> np.uint64:
    return (nodes + np.uint64(ints[np.uint64(trees + 2 * tree)])) << np.uint64(1)


@inlined
def _walk_trees(  # noqa: PLR0913, PLR0917 - a kernel takes plain arrays
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
    moving, unwatched = np.uint64(1), _FIRST_STEPS
    while steps > 0 and moving != 0:
        for _ in range(_STEPS):
            a = _step(thresholds, words, ra, a, cells, lane, shift)
            b = _step(thresholds, words, rb, b, cells, lane, shift)
            c = _step(thresholds, words, rc, c, cells, lane, shift)
            d = _step(thresholds, words, rd, d, cells, lane, shift)
            e = _step(thresholds, words, re, e, cells, lane, shift)
            f = _step(thresholds, words, rf, f, cells, lane, shift)
            g = _step(thresholds, words, rg, g, cells, lane, shift)
            h = _step(thresholds, words, rh, h, cells, lane, shift)
        steps -= _STEPS
        unwatched -= _STEPS
        if steps > 0 and unwatched <= 0:
            next_a = _step(thresholds, words, ra, a, cells, lane, shift)
            next_b = _step(thresholds, words, rb, b, cells, lane, shift)
            next_c = _step(thresholds, words, rc, c, cells, lane, shift)
            next_d = _step(thresholds, words, rd, d, cells, lane, shift)
            next_e = _step(thresholds, words, re, e, cells, lane, shift)
            next_f = _step(thresholds, words, rf, f, cells, lane, shift)
            next_g = _step(thresholds, words, rg, g, cells, lane, shift)
            next_h = _step(thresholds, words, rh, h, cells, lane, shift)
            moving = (a ^ next_a) | (b ^ next_b) | (c ^ next_c) | (d ^ next_d)
            moving |= (e ^ next_e) | (f ^ next_f) | (g ^ next_g) | (h ^ next_h)
            a, b, c, d, e, f, g, h = next_a, next_b, next_c, next_d, next_e, next_f, next_g, next_h
            steps -= 1
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
    totals: NDArray[np.float64],
    at: int,
) -> None:
    """Add a leaf's values to the totals from `at` on, which stand LANES apart."""
    place = np.uint64(values) + np.uint64(words[leaf << np.uint64(1)])
    for k in range(width):
        totals[np.uint64(at + k * LANES)] += floats[place + np.uint64(k)]


@inlined
def _sum_rows(  # noqa: PLR0913, PLR0917 - a kernel takes plain arrays
    thresholds: NDArray[np.float32],
    words: NDArray[np.uint32],
    nodes: np.uint64,
    ints: NDArray[np.int32],
    header: int,
    floats: NDArray[np.float64],
    values: int,
    cells: NDArray[np.float32],
    leaves: NDArray[np.uint64],
    totals: NDArray[np.float64],
) -> None:
    """Add up all trees for the rows of all lanes, in the order of the trees."""
    width, sums, shift = ints[header + WIDTH], ints[header + SUMS], np.uint64(ints[header + SHIFT])
    add_to = 0
    for tree in range(ints[header + TREES]):
        root = _root(ints, header + HEADER, tree, nodes)
        _walk_rows(thresholds, words, root, ints[header + HEADER + 2 * tree + 1], cells, shift, leaves)
        for lane in range(LANES):
            _add(words, leaves[np.uint64(lane)], floats, values, width, totals, add_to * LANES + lane)
        add_to = 0 if add_to + width == sums else add_to + width


@inlined
def _sum_row(  # noqa: PLR0913, PLR0917 - a kernel takes plain arrays
    thresholds: NDArray[np.float32],
    words: NDArray[np.uint32],
    nodes: np.uint64,
    ints: NDArray[np.int32],
    header: int,
    floats: NDArray[np.float64],
    values: int,
    cells: NDArray[np.float32],
    lane: int,
    leaves: NDArray[np.uint64],
    totals: NDArray[np.float64],
) -> None:
    """Add up all trees for the row of one lane, in the order of the trees."""
    width, sums, shift = ints[header + WIDTH], ints[header + SUMS], np.uint64(ints[header + SHIFT])
    trees = ints[header + TREES]
    tree = add_to = 0
    while tree < trees:
        if trees >= LANES:
            # The last eight overlap those before: walked again, but not added again.
            first = min(tree, trees - LANES)
            end = first + LANES
            _walk_trees(thresholds, words, ints, header + HEADER, first, nodes, cells, np.uint64(lane), shift, leaves)
        else:
            first, end = tree, tree + 1
            root, steps = _root(ints, header + HEADER, tree, nodes), ints[header + HEADER + 2 * tree + 1]
            leaves[0] = _walk(thresholds, words, root, steps, cells, np.uint64(lane), shift)
        for walked in range(tree, end):
            _add(words, leaves[np.uint64(walked - first)], floats, values, width, totals, add_to * LANES + lane)
            add_to = 0 if add_to + width == sums else add_to + width
        tree = end


@kernel
def predict_trees(  # noqa: PLR0913, PLR0917 - a kernel takes plain arrays; splitting it would cost time
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
    totals: NDArray[np.float64],
    rows: NDArray[np.int64],
    leaves: NDArray[np.uint64],
) -> None:
    """Predict a run's rows; see `Run` and `Arenas`, whose nodes are `thresholds` and `words`, two of each a half.

    The last four are room: `cells` and `totals` for LANES rows of the model with the most cells and sums, `rows` and `leaves`
    for one a lane.
    """
    for lane in range(LANES):
        cells[LOWEST_CELL * LANES + lane] = -np.inf
        cells[HIGHEST_CELL * LANES + lane] = np.inf
    at = lanes = 0
    while at < slots.shape[0]:
        slot = slots[at]
        header, numbers = table[slot, ESTIMATOR_INTS], table[slot, ESTIMATOR_FLOATS]
        sums = ints[header + SUMS]
        if status[at] == 0:
            start = register_start[at] + table[slot, FIRST]
            status[at], where[at] = _fill(registers, start, table[slot, COLUMNS], ints[header + TAKES_NAN], cells, lanes)
            rows[lanes] = at
            for k in range(sums):
                totals[k * LANES + lanes] = floats[numbers + INITIAL + k]
            lanes += status[at] == 0
        at += 1
        ends = at == slots.shape[0] or slots[at] != slot
        if not ends and lanes < LANES:
            continue
        nodes = np.uint64(table[slot, NODES])
        values = numbers + INITIAL + sums
        if lanes == LANES:
            _sum_rows(thresholds, words, nodes, ints, header, floats, values, cells, leaves, totals)
        else:
            for lane in range(lanes):
                _sum_row(thresholds, words, nodes, ints, header, floats, values, cells, lane, leaves, totals)
        for lane in range(lanes):
            start = output_start[rows[lane]]
            for k in range(sums):
                outputs[start + k] = totals[k * LANES + lane] / floats[numbers + DIVISOR]
            label[rows[lane]] = label_of(outputs, start, sums, ints[header + RULE])
        lanes = 0
