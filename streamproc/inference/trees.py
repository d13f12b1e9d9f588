"""Predicts a run of models whose trees read float32."""

from __future__ import annotations

import numpy as np

from streamproc.inference.kernel_trees import predict_trees
from streamproc.inference.links import link_sums, room
from streamproc.inference.packed import Arenas, Run
from streamproc.inference.tree_layout import FIRST_CELL, LANES


def predict(run: Run, arenas: Arenas) -> None:
    """Fill the run's outputs, labels and statuses; every model in it is of `Kind.TREES`."""
    if not len(run.slots):
        return
    cells, sums = room(run, arenas, FIRST_CELL)
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
        np.empty(sums, np.float64),
        np.empty(LANES, np.int64),
        np.empty(LANES, np.uint64),
    )
    link_sums(run, arenas)
