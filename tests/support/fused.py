"""A model's rows through its kernels, without decoder and loop: estimator → packed → captures → registers → outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from streamproc.captures import Captures
from streamproc.inference import histogram, linear, trees
from streamproc.inference.arenas import ModelArenas
from streamproc.inference.captured_frame import captured_frame
from streamproc.inference.compiling.estimators import compile_model
from streamproc.inference.kernel_transform import transform
from streamproc.inference.packed import Kind, Packed, Run
from streamproc.models.sklearn import SklearnModel

PREDICTS = {Kind.LINEAR: linear.predict, Kind.TREES: trees.predict, Kind.HISTOGRAM: histogram.predict}


@dataclass(frozen=True, slots=True)
class Fused:
    """What the kernels say of n rows."""

    columns: NDArray[np.float64]
    """(n, columns): what the final estimator reads."""
    numbers: NDArray[np.float64]
    """(n, numbers)"""
    scores: NDArray[np.float64]
    """(n, scores)"""
    label: NDArray[np.int32]
    status: NDArray[np.uint8]
    where: NDArray[np.int32]


def compiled(estimator: object, names: Sequence[str] | None = None) -> tuple[SklearnModel, Packed]:
    """The fitted estimator as a model, and packed."""
    model = SklearnModel(estimator, names)
    return model, compile_model(model)


def flags_of(packed: Packed) -> NDArray[np.int32]:
    """Of each feature."""
    return packed.ints[: packed.n_features]


def predicted(packed: Packed, data: pd.DataFrame) -> Fused:
    """The rows of `data`, whose columns are the model's, in order."""
    return predicted_captures(packed, captured_frame(data, flags_of(packed)))


def predicted_captures(packed: Packed, captures: Captures) -> Fused:
    """Each captured row; slot i holds feature i."""
    arenas = ModelArenas()
    arenas.install(filler(packed))
    slot = arenas.install(packed)
    n = len(captures.values)
    run = empty_run(packed, np.full(n, slot, np.int32))
    run_transform(run, arenas, captures, packed.n_features)
    PREDICTS[packed.kind](run, arenas.arrays)
    registers = run.registers.reshape(n, -1)[:, packed.first : packed.first + packed.columns]
    outputs = run.outputs.reshape(n, -1)
    numbers, scores = outputs[:, : packed.numbers], outputs[:, packed.numbers :]
    return Fused(registers, numbers, scores, run.label, run.status, run.where)


def filler(packed: Packed) -> Packed:
    """Something to stand before a model in the arenas, so that no place of its is 0."""
    return Packed(
        packed.kind, 1, 1, 0, 1, 0, 0, np.full(7, 99, np.int32), np.full(5, 9.5), np.zeros(3, packed.nodes.dtype),
        np.full(11, 77, np.uint8), 0, 0,
    )  # fmt: skip


def empty_run(packed: Packed, slots: NDArray[np.int32]) -> Run:
    """Rows of one model before anything is known of them; what kernels must not read is filled with noise."""
    n, width = len(slots), packed.numbers + packed.scores
    return Run(
        slots=slots,
        registers=np.full(n * packed.registers, 1e300),
        register_start=np.arange(n, dtype=np.int64) * packed.registers,
        outputs=np.full(n * width, 1e301),
        output_start=np.arange(n, dtype=np.int64) * width,
        label=np.full(n, -9, np.int32),
        status=np.zeros(n, np.uint8),
        where=np.full(n, -1, np.int32),
    )


def run_transform(run: Run, arenas: ModelArenas, captures: Captures, n_features: int, first: int = 0) -> None:
    """The first of the two kernels, on the captured rows from `first` on."""
    arrays = arenas.arrays
    n = len(run.slots)
    transform(
        run.slots,
        np.arange(first, first + n, dtype=np.int64),
        captures.values,
        captures.kinds,
        np.frombuffer(captures.buffer, np.uint8),
        captures.symbols.text,
        captures.symbols.bounds,
        np.arange(n_features, dtype=np.int32),
        np.zeros(n, np.int64),
        arrays.table,
        arrays.ints,
        arrays.floats,
        arrays.text,
        run.registers,
        run.register_start,
        run.status,
        run.where,
    )
