"""The compiled loop over rows of linear models."""

from __future__ import annotations

from math import exp

import numpy as np
from numpy.typing import NDArray

from streamproc.inference.packed import COLUMNS, ESTIMATOR_FLOATS, ESTIMATOR_INTS, FIRST
from streamproc.jit import inlined, kernel

BUILT_WITH = "1ef1a47855dc311b"
"""Digest of the imported modules; written by `python tests/support/built_with.py`."""

# The estimator's ints. Its floats: one weight a column for each sum, sum by sum; then an intercept for each sum.
SUMS, LINK = 0, 1

# What becomes of the sums.
NUMBERS_LINK = 0
"""They are what `predict` returns."""
LABEL_LINK = 1
"""Only a label: whether the one sum is positive, else the first of the greatest."""
LOGISTIC_LINK = 2
"""Scores as LogisticRegression's and SGDClassifier's with two classes."""
SOFTMAX_LINK = 3
SHARES_OF_LOGISTIC_LINK = 4
"""One against the rest: the logistic of each sum, divided by their total."""
HUBER_LINK = 5
"""SGDClassifier's modified Huber loss with two classes."""
SHARES_OF_HUBER_LINK = 6


@kernel
def predict_linear(  # noqa: PLR0913, PLR0917 - a kernel takes plain arrays
    slots: NDArray[np.int32],
    registers: NDArray[np.float64],
    register_start: NDArray[np.int64],
    table: NDArray[np.int64],
    ints: NDArray[np.int32],
    floats: NDArray[np.float64],
    outputs: NDArray[np.float64],
    output_start: NDArray[np.int64],
    label: NDArray[np.int32],
    status: NDArray[np.uint8],
) -> None:
    """Outputs and labels of the rows whose status is 0; see `packed.Run` and `packed.Arenas` for the arrays.

    A sum is taken in the order of the columns, each product rounded before it is added, and the intercept comes last.
    """
    for row in range(slots.shape[0]):
        if status[row] != 0:
            continue
        slot = slots[row]
        columns = table[slot, COLUMNS]
        first = register_start[row] + table[slot, FIRST]
        weights = table[slot, ESTIMATOR_FLOATS]
        sums = ints[table[slot, ESTIMATOR_INTS] + SUMS]
        link = ints[table[slot, ESTIMATOR_INTS] + LINK]
        out = output_start[row]
        if sums == 1 and link != NUMBERS_LINK:
            score = _sum(registers, first, floats, weights, columns) + floats[weights + columns]
            label[row] = 1 if score > 0 else 0
            if link != LABEL_LINK:
                share = _share(score, link)
                outputs[out] = 1.0 - share
                outputs[out + 1] = share
        elif link == LABEL_LINK:
            label[row] = _greatest_sum(registers, first, floats, weights, columns, sums)
        else:
            for output in range(sums):
                score = _sum(registers, first, floats, weights + output * columns, columns)
                outputs[out + output] = score + floats[weights + sums * columns + output]
            label[row] = -1
            if link != NUMBERS_LINK:
                label[row] = _scored(outputs, out, sums, link)


@inlined
def _sum(registers: NDArray[np.float64], first: int, floats: NDArray[np.float64], weights: int, columns: int) -> float:
    total = 0.0
    for column in range(columns):
        total += registers[np.uint64(first + column)] * floats[np.uint64(weights + column)]
    return total


@inlined
def _greatest_sum(
    registers: NDArray[np.float64], first: int, floats: NDArray[np.float64], weights: int, columns: int, sums: int
) -> int:
    """Which sum is the greatest: the first of equal ones, and the first NaN before any number."""
    found = 0
    greatest = 0.0
    for output in range(sums):
        score = _sum(registers, first, floats, weights + output * columns, columns)
        score += floats[weights + sums * columns + output]
        if output == 0 or score > greatest or (np.isnan(score) and not np.isnan(greatest)):
            found = output
            greatest = score
    return found


@inlined
def _share(score: float, link: int) -> float:
    if link in (LOGISTIC_LINK, SHARES_OF_LOGISTIC_LINK):
        return 1.0 / (1.0 + exp(-score))
    if score < -1.0:
        return 0.0
    return 1.0 if score > 1.0 else (score + 1.0) / 2.0


@inlined
def _scored(outputs: NDArray[np.float64], out: int, sums: int, link: int) -> int:
    """Turn the sums in `outputs` into scores; returns which was the greatest."""
    found = 0
    for output in range(1, sums):
        score = outputs[out + output]
        greatest = outputs[out + found]
        if score > greatest or (np.isnan(score) and not np.isnan(greatest)):
            found = output
    greatest = outputs[out + found]
    total = 0.0
    for output in range(sums):
        score = outputs[out + output]
        share = exp(score - greatest) if link == SOFTMAX_LINK else _share(score, link)
        outputs[out + output] = share
        total += share
    for output in range(sums):
        outputs[out + output] = outputs[out + output] / total if total != 0 else 1.0 / sums
    return found
