"""Predicts a run of models of histogram gradient boosting."""

from __future__ import annotations

import numpy as np

from streamproc.inference.kernel_histogram import predict_histogram
from streamproc.inference.links import link_sums, room
from streamproc.inference.packed import Arenas, Run
from streamproc.inference.tree_layout import FIRST_WIDE_CELL, LANES


def predict(run: Run, arenas: Arenas) -> None:
    """Fill the run's outputs and labels; every model in it is of `Kind.HISTOGRAM`, which finds fault with no row."""
    if not len(run.slots):
        return
    cells, sums = room(run, arenas, FIRST_WIDE_CELL)
    predict_histogram(
        run.slots,
        run.registers,
        run.register_start,
        run.outputs,
        run.output_start,
        run.label,
        run.status,
        arenas.table,
        arenas.ints,
        arenas.floats,
        arenas.nodes.view(np.float64),
        arenas.nodes.view(np.uint32),
        np.empty(cells, np.float64),
        np.zeros(cells, np.int32),
        np.empty(sums, np.float64),
        np.empty(LANES, np.int64),
        np.empty(LANES, np.uint64),
    )
    link_sums(run, arenas)
