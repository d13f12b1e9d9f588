"""The compiled grouping of rows by a small number."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamproc.jit import kernel

BUILT_WITH = "e93ea123ba9e9af5"
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
