"""From the sums of boosted trees to what scikit-learn makes of them, with the functions that it calls itself.

Exponentials of numpy and of the C library differ in their last bit, so a kernel could not keep the promise of equality.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit  # type: ignore[import-untyped] # scipy ships no types

from streamproc.inference.packed import COLUMNS, ESTIMATOR_INTS, Arenas, Run
from streamproc.inference.tree_layout import LANES, LINK, SUMS

LINK_NONE: Final = 0
LINK_EXPONENTIAL: Final = 1
"""One number."""
LINK_LOGISTIC: Final = 2
"""The scores of two classes, from one sum."""
LINK_LOGISTIC_OF_TWICE: Final = 3
LINK_SOFTMAX: Final = 4
"""As many scores as sums."""


def distinct(slots: NDArray[np.int32]) -> NDArray[np.int32]:
    """The slots of a run, each at least once."""
    return slots[np.flatnonzero(np.diff(slots, prepend=-1))]


def room(run: Run, arenas: Arenas, first_cell: int) -> tuple[int, int]:
    """Cells and sums that a kernel needs for LANES rows of any model of the run; two cells a column follow `first_cell`."""
    slots = distinct(run.slots)
    cells = first_cell + 2 * int(arenas.table[slots, COLUMNS].max())
    sums = int(arenas.ints[arenas.table[slots, ESTIMATOR_INTS] + SUMS].max())
    return cells * LANES, sums * LANES


def link_sums(run: Run, arenas: Arenas) -> None:
    """Make outputs of the sums that a kernel has left at the head of the rows' outputs; rows with a fault keep theirs."""
    headers = arenas.table[distinct(run.slots), ESTIMATOR_INTS]
    if not arenas.ints[headers + LINK].any():
        return
    headers = arenas.table[run.slots, ESTIMATOR_INTS]
    link = arenas.ints[headers + LINK].astype(np.int64)
    sums = arenas.ints[headers + SUMS]
    linked = np.flatnonzero((link != LINK_NONE) & (run.status == 0))
    keys = link[linked] << 32 | sums[linked]
    for key in np.unique(keys).tolist():
        _apply(key >> 32, key & 0xFFFFFFFF, run.outputs, run.output_start[linked[keys == key]])


def _apply(link: int, sums: int, outputs: NDArray[np.float64], starts: NDArray[np.int64]) -> None:
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):  # what isn't finite becomes a dead letter later
        if link == LINK_EXPONENTIAL:
            outputs[starts] = np.exp(outputs[starts])
        elif link == LINK_SOFTMAX:
            places = starts[:, None] + np.arange(sums)
            outputs[places] = _softmax(outputs[places])
        else:
            raw = outputs[starts]
            positive = expit(2 * raw if link == LINK_LOGISTIC_OF_TWICE else raw)
            outputs[starts + 1] = positive
            outputs[starts] = 1 - positive


def _softmax(raw: NDArray[np.float64]) -> NDArray[np.float64]:
    """The steps of sklearn.utils.extmath.softmax, on rows that lie one after another."""
    raw -= raw.max(axis=1)[:, None]
    np.exp(raw, out=raw)
    raw /= raw.sum(axis=1)[:, None]
    return raw
