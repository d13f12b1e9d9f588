"""Predicts rows of linear models."""

from __future__ import annotations

from streamproc.inference.kernel_linear import predict_linear
from streamproc.inference.packed import Arenas, Run


def predict(run: Run, arenas: Arenas) -> None:
    """Outputs and labels of the run's rows; all of them are of `Kind.LINEAR`."""
    predict_linear(
        run.slots,
        run.registers,
        run.register_start,
        arenas.table,
        arenas.ints,
        arenas.floats,
        run.outputs,
        run.output_start,
        run.label,
        run.status,
    )
