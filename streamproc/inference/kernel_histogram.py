"""The compiled loops over trees that read float64: histogram gradient boosting.

How they lie in the arenas: see `tree_layout`. Eight walks advance together: of eight rows through one tree while a model has
that many rows, of one row through eight trees for the rest.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamproc.inference.kernel_trees import label_of
from streamproc.inference.packed import COLUMNS, ESTIMATOR_FLOATS, ESTIMATOR_INTS, FIRST, NODES
from streamproc.inference.tree_layout import (
    BY_CATEGORY,
    CATEGORIES,
    FIRST_WIDE_CELL,
    HEADER,
    INITIAL,
    LANES,
    LOWEST_FINITE,
    MISSING,
    NAN_CELL,
    RULE,
    SUMS,
    TREES,
)
from streamproc.jit import inlined, kernel

BUILT_WITH = "71bd24a492ad5daa"
"""Digest of the imported modules; written by `python tests/support/built_with.py`."""

_STEPS_UNWATCHED = 3
"""After so many steps one looks whether all walks have arrived."""


@inlined
def _fill(
    registers: NDArray[np.float64],
    start: int,
    columns: int,
    categories: int,
    cells: NDArray[np.float64],
    kinds: NDArray[np.int32],
    lane: int,
) -> None:
    """Write one row's cells, and its categories where there are sets of them."""
    for column in range(columns):
        value = registers[np.uint64(start + column)]
        cells[np.uint64((FIRST_WIDE_CELL + column) * LANES + lane)] = value
        # A threshold of infinity sends plus infinity to the left; no negative is lower than that but this one.
        negative = LOWEST_FINITE if value == np.inf else -value
        cells[np.uint64((FIRST_WIDE_CELL + columns + column) * LANES + lane)] = negative
        if categories:
            known = value >= 0 and value < MISSING
            kinds[np.uint64((FIRST_WIDE_CELL + column) * LANES + lane)] = np.int32(value) if known else MISSING


@inlined
def _step(  # noqa: PLR0913, PLR0917 - a kernel takes plain arrays
    thresholds: NDArray[np.float64],
    words: NDArray[np.uint32],
    root: np.uint64,
    node: np.uint64,
    cells: NDArray[np.float64],
    lane: np.uint64,
    kinds: NDArray[np.int32],
    ints: NDArray[np.int32],
    sets: int | None,
) -> np.uint64:
    """The child that comes after `node`, or the same leaf; both counted from the root. `sets` is None where there are none."""
    at = (root + node) << np.uint64(1)
    word = np.uint64(words[(at << np.uint64(1)) + np.uint64(2)])
    cell = ((word & np.uint64(BY_CATEGORY - 1)) << np.uint64(3)) + lane
    second = np.uint64(cells[cell] > thresholds[at])
    if sets is not None:  # decided when this is compiled
        marked = np.uint64(0) - (word >> np.uint64(31))
        kind = np.uint64(kinds[cell])
        bits = np.uint64(ints[np.uint64(sets) + (np.uint64(words[at << np.uint64(1)]) & marked) + (kind >> np.uint64(5))])
        second |= (bits >> (kind & np.uint64(31))) & np.uint64(1)
    return np.uint64(words[(at << np.uint64(1)) + np.uint64(3)]) + second


@inlined
def _walk_rows(  # noqa: PLR0913, PLR0917 - a kernel takes plain arrays
    thresholds: NDArray[np.float64],
    words: NDArray[np.uint32],
    root: np.uint64,
    steps: int,
    cells: NDArray[np.float64],
    kinds: NDArray[np.int32],
    ints: NDArray[np.int32],
    sets: int | None,
    leaves: NDArray[np.uint64],
) -> None:  # splitting it would cost time
    """The leaves of one tree for the rows of all lanes."""
    a = b = c = d = e = f = g = h = np.uint64(0)
    moving = np.uint64(1)
    while steps > 0 and moving != 0:
        for _ in range(min(steps, _STEPS_UNWATCHED)):
            a = _step(thresholds, words, root, a, cells, np.uint64(0), kinds, ints, sets)
            b = _step(thresholds, words, root, b, cells, np.uint64(1), kinds, ints, sets)
            c = _step(thresholds, words, root, c, cells, np.uint64(2), kinds, ints, sets)
            d = _step(thresholds, words, root, d, cells, np.uint64(3), kinds, ints, sets)
            e = _step(thresholds, words, root, e, cells, np.uint64(4), kinds, ints, sets)
            f = _step(thresholds, words, root, f, cells, np.uint64(5), kinds, ints, sets)
            g = _step(thresholds, words, root, g, cells, np.uint64(6), kinds, ints, sets)
            h = _step(thresholds, words, root, h, cells, np.uint64(7), kinds, ints, sets)
        steps -= _STEPS_UNWATCHED
        if steps > 0:
            next_a = _step(thresholds, words, root, a, cells, np.uint64(0), kinds, ints, sets)
            next_b = _step(thresholds, words, root, b, cells, np.uint64(1), kinds, ints, sets)
            next_c = _step(thresholds, words, root, c, cells, np.uint64(2), kinds, ints, sets)
            next_d = _step(thresholds, words, root, d, cells, np.uint64(3), kinds, ints, sets)
            next_e = _step(thresholds, words, root, e, cells, np.uint64(4), kinds, ints, sets)
            next_f = _step(thresholds, words, root, f, cells, np.uint64(5), kinds, ints, sets)
            next_g = _step(thresholds, words, root, g, cells, np.uint64(6), kinds, ints, sets)
            next_h = _step(thresholds, words, root, h, cells, np.uint64(7), kinds, ints, sets)
            moving = (a ^ next_a) | (b ^ next_b) | (c ^ next_c) | (d ^ next_d)
            moving |= (e ^ next_e) | (f ^ next_f) | (g ^ next_g) | (h ^ next_h)
            a, b, c, d, e, f, g, h = next_a, next_b, next_c, next_d, next_e, next_f, next_g, next_h
            steps -= 1
    leaves[0], leaves[1], leaves[2], leaves[3] = root + a, root + b, root + c, root + d
    leaves[4], leaves[5], leaves[6], leaves[7] = root + e, root + f, root + g, root + h


@inlined
def _root(ints: NDArray[np.int32], trees: int, tree: int, nodes: np.uint64) -> np.uint64:
    return nodes + np.uint64(ints[np.uint64(trees + 2 * tree)])


@inlined
def _walk_trees(  # noqa: PLR0913, PLR0917 - a kernel takes plain arrays
    thresholds: NDArray[np.float64],
    words: NDArray[np.uint32],
    ints: NDArray[np.int32],
    trees: int,
    first: int,
    nodes: np.uint64,
    cells: NDArray[np.float64],
    lane: np.uint64,
    kinds: NDArray[np.int32],
    sets: int | None,
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
        for _ in range(min(steps, _STEPS_UNWATCHED)):
            a = _step(thresholds, words, ra, a, cells, lane, kinds, ints, sets)
            b = _step(thresholds, words, rb, b, cells, lane, kinds, ints, sets)
            c = _step(thresholds, words, rc, c, cells, lane, kinds, ints, sets)
            d = _step(thresholds, words, rd, d, cells, lane, kinds, ints, sets)
            e = _step(thresholds, words, re, e, cells, lane, kinds, ints, sets)
            f = _step(thresholds, words, rf, f, cells, lane, kinds, ints, sets)
            g = _step(thresholds, words, rg, g, cells, lane, kinds, ints, sets)
            h = _step(thresholds, words, rh, h, cells, lane, kinds, ints, sets)
        steps -= _STEPS_UNWATCHED
        if steps > 0:
            next_a = _step(thresholds, words, ra, a, cells, lane, kinds, ints, sets)
            next_b = _step(thresholds, words, rb, b, cells, lane, kinds, ints, sets)
            next_c = _step(thresholds, words, rc, c, cells, lane, kinds, ints, sets)
            next_d = _step(thresholds, words, rd, d, cells, lane, kinds, ints, sets)
            next_e = _step(thresholds, words, re, e, cells, lane, kinds, ints, sets)
            next_f = _step(thresholds, words, rf, f, cells, lane, kinds, ints, sets)
            next_g = _step(thresholds, words, rg, g, cells, lane, kinds, ints, sets)
            next_h = _step(thresholds, words, rh, h, cells, lane, kinds, ints, sets)
            moving = (a ^ next_a) | (b ^ next_b) | (c ^ next_c) | (d ^ next_d)
            moving |= (e ^ next_e) | (f ^ next_f) | (g ^ next_g) | (h ^ next_h)
            a, b, c, d, e, f, g, h = next_a, next_b, next_c, next_d, next_e, next_f, next_g, next_h
            steps -= 1
    leaves[0], leaves[1], leaves[2], leaves[3] = ra + a, rb + b, rc + c, rd + d
    leaves[4], leaves[5], leaves[6], leaves[7] = re + e, rf + f, rg + g, rh + h


@inlined
def _walk(  # noqa: PLR0913, PLR0917 - a kernel takes plain arrays
    thresholds: NDArray[np.float64],
    words: NDArray[np.uint32],
    root: np.uint64,
    steps: int,
    cells: NDArray[np.float64],
    lane: np.uint64,
    kinds: NDArray[np.int32],
    ints: NDArray[np.int32],
    sets: int | None,
) -> np.uint64:
    """The leaf of one tree for the row of one lane."""
    node = np.uint64(0)
    for _ in range(steps):
        last = node
        node = _step(thresholds, words, root, node, cells, lane, kinds, ints, sets)
        if node == last:
            break
    return root + node


@inlined
def _sum_rows(  # noqa: PLR0913, PLR0917 - a kernel takes plain arrays
    thresholds: NDArray[np.float64],
    words: NDArray[np.uint32],
    nodes: np.uint64,
    ints: NDArray[np.int32],
    header: int,
    cells: NDArray[np.float64],
    kinds: NDArray[np.int32],
    sets: int | None,
    leaves: NDArray[np.uint64],
    totals: NDArray[np.float64],
) -> None:
    """Add up all trees for the rows of all lanes, in the order of the trees."""
    sums, trees = ints[header + SUMS], header + HEADER
    add_to = 0
    for tree in range(ints[header + TREES]):
        root = _root(ints, trees, tree, nodes)
        _walk_rows(thresholds, words, root, ints[trees + 2 * tree + 1], cells, kinds, ints, sets, leaves)
        for lane in range(LANES):
            totals[np.uint64(add_to * LANES + lane)] += thresholds[leaves[np.uint64(lane)] << np.uint64(1)]
        add_to = 0 if add_to + 1 == sums else add_to + 1


@inlined
def _sum_row(  # noqa: PLR0913, PLR0917 - a kernel takes plain arrays
    thresholds: NDArray[np.float64],
    words: NDArray[np.uint32],
    nodes: np.uint64,
    ints: NDArray[np.int32],
    header: int,
    cells: NDArray[np.float64],
    lane: int,
    kinds: NDArray[np.int32],
    sets: int | None,
    leaves: NDArray[np.uint64],
    totals: NDArray[np.float64],
) -> None:
    """Add up all trees for the row of one lane, in the order of the trees."""
    sums, trees, first_tree = ints[header + SUMS], ints[header + TREES], header + HEADER
    tree = add_to = 0
    while tree < trees:
        if trees >= LANES:
            # The last eight overlap those before: walked again, but not added again.
            first = min(tree, trees - LANES)
            end = first + LANES
            _walk_trees(thresholds, words, ints, first_tree, first, nodes, cells, np.uint64(lane), kinds, sets, leaves)
        else:
            first, end = tree, tree + 1
            root, steps = _root(ints, first_tree, tree, nodes), ints[first_tree + 2 * tree + 1]
            leaves[0] = _walk(thresholds, words, root, steps, cells, np.uint64(lane), kinds, ints, sets)
        for walked in range(tree, end):
            totals[np.uint64(add_to * LANES + lane)] += thresholds[leaves[np.uint64(walked - first)] << np.uint64(1)]
            add_to = 0 if add_to + 1 == sums else add_to + 1
        tree = end


@inlined
def _sum_lanes(  # noqa: PLR0913, PLR0917 - a kernel takes plain arrays
    thresholds: NDArray[np.float64],
    words: NDArray[np.uint32],
    nodes: np.uint64,
    ints: NDArray[np.int32],
    header: int,
    cells: NDArray[np.float64],
    lanes: int,
    kinds: NDArray[np.int32],
    sets: int | None,
    leaves: NDArray[np.uint64],
    totals: NDArray[np.float64],
) -> None:
    if lanes == LANES:
        _sum_rows(thresholds, words, nodes, ints, header, cells, kinds, sets, leaves, totals)
    else:
        for lane in range(lanes):
            _sum_row(thresholds, words, nodes, ints, header, cells, lane, kinds, sets, leaves, totals)


@kernel
def predict_histogram(  # noqa: PLR0913, PLR0917 - a kernel takes plain arrays; splitting it would cost time
    slots: NDArray[np.int32],
    registers: NDArray[np.float64],
    register_start: NDArray[np.int64],
    outputs: NDArray[np.float64],
    output_start: NDArray[np.int64],
    label: NDArray[np.int32],
    status: NDArray[np.uint8],
    table: NDArray[np.int64],
    ints: NDArray[np.int32],
    floats: NDArray[np.float64],
    thresholds: NDArray[np.float64],
    words: NDArray[np.uint32],
    cells: NDArray[np.float64],
    kinds: NDArray[np.int32],
    totals: NDArray[np.float64],
    rows: NDArray[np.int64],
    leaves: NDArray[np.uint64],
) -> None:
    """Predict a run's rows; see `Run` and `Arenas`, whose nodes are `thresholds`, two a node, and `words`, four a node.

    The last five are room: `cells`, `kinds` (zeros) and `totals` for LANES rows of the model with the most cells and sums,
    `rows` and `leaves` for one a lane.
    """
    for lane in range(LANES):
        cells[NAN_CELL * LANES + lane] = np.nan
    at = lanes = 0
    while at < slots.shape[0]:
        slot = slots[at]
        header, numbers = table[slot, ESTIMATOR_INTS], table[slot, ESTIMATOR_FLOATS]
        sums, categories = ints[header + SUMS], ints[header + CATEGORIES]
        if status[at] == 0:
            start = register_start[at] + table[slot, FIRST]
            _fill(registers, start, table[slot, COLUMNS], categories, cells, kinds, lanes)
            rows[lanes] = at
            for k in range(sums):
                totals[k * LANES + lanes] = floats[numbers + INITIAL + k]
            lanes += 1
        at += 1
        ends = at == slots.shape[0] or slots[at] != slot
        if not ends and lanes < LANES:
            continue
        nodes = np.uint64(table[slot, NODES])
        if categories:
            sets = header + HEADER + 2 * ints[header + TREES]
            _sum_lanes(thresholds, words, nodes, ints, header, cells, lanes, kinds, sets, leaves, totals)
        else:
            _sum_lanes(thresholds, words, nodes, ints, header, cells, lanes, kinds, None, leaves, totals)
        for lane in range(lanes):
            start = output_start[rows[lane]]
            for k in range(sums):
                outputs[start + k] = totals[k * LANES + lane]
            label[rows[lane]] = label_of(outputs, start, sums, ints[header + RULE])
        lanes = 0
