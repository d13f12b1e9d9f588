"""Predicts a run of models whose trees read float32."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamproc.inference.kernel_trees import predict_trees
from streamproc.inference.links import apply_links
from streamproc.inference.packed import COLUMNS, ESTIMATOR_INTS, Arenas, Run
from streamproc.inference.tree_layout import FIRST_CELL, LANES, LINK, SUMS


def predict(run: Run, arenas: Arenas) -> None:
    """Fill the run's outputs, labels and statuses; every model in it is of `Kind.TREES`."""
    if not len(run.slots):
        return
    slots = _distinct(run.slots)
    cells = FIRST_CELL + 2 * int(arenas.table[slots, COLUMNS].max())
    predict_trees(
        run.slots,
        run.registers,
        run.register_start,
        run.outputs,
        run.output_start,
        run.label,
        run.status,
        run.where,
        arenas.table,
        arenas.ints,
        arenas.floats,
        arenas.nodes.view(np.float32),
        arenas.nodes.view(np.uint32),
        np.empty(cells * LANES, np.float32),
        np.empty(LANES, np.int64),
        np.empty(LANES, np.uint64),
    )
    link_sums(run, arenas)


def link_sums(run: Run, arenas: Arenas) -> None:
    """Make outputs of the sums that the kernel of either kind has left."""
    slots = _distinct(run.slots)
    header = arenas.table[slots, ESTIMATOR_INTS]
    link = arenas.ints[header + LINK]
    if link.any():
        headers = arenas.table[run.slots, ESTIMATOR_INTS]
        apply_links(run, arenas.ints[headers + LINK], arenas.ints[headers + SUMS])


def _distinct(slots: NDArray[np.int32]) -> NDArray[np.int32]:
    """The slots of a run, each at least once."""
    return slots[np.flatnonzero(np.diff(slots, prepend=-1))]
