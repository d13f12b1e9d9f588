"""The compiled preparation of runs: where each row's outputs go, and rows of one model brought together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamproc.inference.packed import KIND, NUMBERS, REGISTERS, SCORES
from streamproc.jit import kernel

BUILT_WITH = "1ef1a47855dc311b"
"""Digest of the imported modules; written by `python tests/support/built_with.py`."""


@kernel
def group(keys: NDArray[np.int32], counts: NDArray[np.int64], distinct: NDArray[np.int32], order: NDArray[np.int64]) -> int:
    """Bring rows of equal keys together: `order` becomes their places, stable, groups by first appearance.

    Args:
        keys: (n,), not negative.
        counts: zeros, one for every possible key; zeros again afterwards.
        distinct: (n,) becomes the keys in the order of their groups.
        order: (n,)

    Returns:
        How many groups there are.

    """
    groups = 0
    for row in range(len(keys)):
        key = keys[row]
        if counts[key] == 0:
            distinct[groups] = key
            groups += 1
        counts[key] += 1
    start = 0
    for number in range(groups):
        key = distinct[number]
        size = counts[key]
        counts[key] = start
        start += size
    for row in range(len(keys)):
        key = keys[row]
        order[counts[key]] = row
        counts[key] += 1
    for number in range(groups):
        counts[distinct[number]] = 0
    return groups


@kernel
def lay_out(
    slots: NDArray[np.int32],
    table: NDArray[np.int64],
    numbers: NDArray[np.int32],
    scores: NDArray[np.int32],
    output_start: NDArray[np.int64],
    kinds: NDArray[np.bool_],
) -> int:
    """Set how many numbers and scores each row has and where its outputs start, nothing where its slot is below 0.

    `kinds[k]` becomes True where a row's model is of kind k. Returns how many outputs there are.
    """
    total = 0
    for row in range(len(slots)):
        slot = slots[row]
        output_start[row] = total
        numbers[row] = 0
        scores[row] = 0
        if slot >= 0:
            numbers[row] = table[slot, NUMBERS]
            scores[row] = table[slot, SCORES]
            kinds[table[slot, KIND]] = True
            total += numbers[row] + scores[row]
    return total


@kernel
def lay_out_registers(slots: NDArray[np.int32], table: NDArray[np.int64], register_start: NDArray[np.int64]) -> int:
    """Set where the registers of each row of a run start; returns how many there are."""
    total = 0
    for row in range(len(slots)):
        register_start[row] = total
        total += table[slots[row], REGISTERS]
    return total
