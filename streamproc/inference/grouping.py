"""Rows of one model brought together, whatever the number of models."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamproc.inference.kernel_grouping import group


class Grouping:
    """Keeps the counters from call to call, so that a call costs what its rows cost. Passive."""

    def __init__(self) -> None:
        self._counts = np.zeros(1, np.int64)

    def order(self, keys: NDArray[np.int32], end: int) -> NDArray[np.int64]:
        """(n,): the rows' places such that rows of equal keys (0 to `end` - 1) stand together, in their order."""
        if end > len(self._counts):
            self._counts = np.zeros(2 * end, np.int64)
        order = np.empty(len(keys), np.int64)
        group(keys, self._counts, np.empty(len(keys), np.int32), order)
        return order
