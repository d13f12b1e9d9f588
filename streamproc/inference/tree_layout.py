"""How compiled trees lie in the arenas; the compilers write it and the kernels of both kinds read it.

Plain integers, because kernels index with them. Siblings stand side by side, the larger branch next to its parent, and a walk
that has arrived at a leaf stays there whatever its number of steps. A row's cells are what nodes compare: its columns, then
their negatives, between constants. A row goes to the second of two children where the cell is greater than the threshold, and
NaN is greater than nothing; so a node that sends NaN to the right compares the negative and has its children exchanged.
"""

from __future__ import annotations

from typing import Final

LANES: Final = 8
"""How many walks advance together: enough to hide the latency of memory."""

# The estimator's ints; after them two a tree: the entry of `nodes`, of the model's, where it begins, and how many steps lead
# to its deepest leaf.
TREES: Final = 0
SHIFT: Final = 1
"""Of a node's word, the bits below hold the children and those above the cell."""
WIDTH: Final = 2
"""Values of a leaf."""
SUMS: Final = 3
"""Sums of a row; tree t adds to WIDTH of them, from (t · WIDTH) modulo SUMS on."""
RULE: Final = 4
"""What the sums say of the label, see below."""
LINK: Final = 5
"""What makes outputs of the sums, see `links`."""
TAKES_NAN: Final = 6
"""0: a row with NaN has no prediction."""
CATEGORIES: Final = 7
"""Sets of categories; they follow the trees."""
HEADER: Final = 8

# The estimator's floats; after them the initial values of the sums, then (trees of float32) those of the leaves.
DIVISOR: Final = 0
"""What the sums are divided by at the end."""
INITIAL: Final = 1

RULE_NONE: Final = 0
RULE_HIGHEST: Final = 1
"""The first of the highest."""
RULE_POSITIVE: Final = 2
"""Class 1 where the sum is > 0, else class 0."""
RULE_NOT_NEGATIVE: Final = 3
"""Class 1 where the sum is ≥ 0, else class 0."""

# Trees of float32: half an entry a node, an entry a pair of siblings; the first half of a tree's first entry is its root. A
# node's threshold is rounded towards minus infinity, which changes no comparison of a float32; a leaf's is where its values
# are.
LOWEST_CELL: Final = 0
"""Minus infinity: leaves that are first children compare it."""
HIGHEST_CELL: Final = 1
"""Plus infinity: leaves that are second children compare it."""
FIRST_CELL: Final = 2
"""The first column; their negatives follow the columns."""
MOST_VALUES: Final = 0x7F000000
"""Places of values up to here are finite as a float32's bits, as their comparison needs."""

# Trees of histograms: an entry a node, its threshold a float64. A leaf's threshold is its value; it compares NaN.
NAN_CELL: Final = 0
FIRST_WIDE_CELL: Final = 1
LOWEST_FINITE: Final = -1.7976931348623157e308
"""What stands for the negative of plus infinity: a threshold of infinity sends that to the left."""
BY_CATEGORY: Final = 0x80000000
"""Marks the cell of a node that goes by a set of categories.

Its threshold is a NaN whose lower bits are where, among the sets, its own begins.
"""
SET_WORDS: Final = 9
"""Of a set: a bit a category, 1: second child; then one for what is missing or unknown. The first set is empty."""
MISSING: Final = 256
"""The category that stands for those."""
