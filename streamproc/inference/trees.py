"""Predicts a run of models whose trees read float32."""

from __future__ import annotations

import numpy as np

from streamproc.inference.kernel_trees import predict_trees
from streamproc.inference.links import distinct, link_sums
from streamproc.inference.packed import COLUMNS, ESTIMATOR_INTS, Arenas, Run
from streamproc.inference.tree_layout import FIRST_CELL, LANES, SUMS


def predict(run: Run, arenas: Arenas) -> None:
    """Fill the run's outputs, labels and statuses; every model in it is of `Kind.TREES`."""
    if not len(run.slots):
        return
    slots = distinct(run.slots)
    cells = (FIRST_CELL + 2 * int(arenas.table[slots, COLUMNS].max())) * LANES
    sums = int(arenas.ints[arenas.table[slots, ESTIMATOR_INTS] + SUMS].max())
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
        np.empty(cells, np.float32),
        np.empty(sums * LANES, np.float64),
        np.empty(LANES, np.int64),
        np.empty(LANES, np.uint64),
    )
    link_sums(run, arenas)
