"""Compiled trees without anything before them: rows are their columns."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)

from streamproc.inference import histogram, trees
from streamproc.inference.arenas import ModelArenas
from streamproc.inference.compiling import boosting
from streamproc.inference.compiling import histogram as histogram_heads
from streamproc.inference.compiling import trees as tree_heads
from streamproc.inference.compiling.parts import Head, Transform, pack
from streamproc.inference.packed import Arenas, Kind, Packed, Run
from streamproc.models.quiet import quiet

Estimator = Any  # scikit-learn ships no types


def compiled(estimator: Estimator) -> Head:
    """The head of an estimator of any kind that this suite is about."""
    if isinstance(estimator, (HistGradientBoostingClassifier, HistGradientBoostingRegressor)):
        return histogram_heads.compile_head(estimator)
    if isinstance(estimator, (GradientBoostingClassifier, GradientBoostingRegressor)):
        return boosting.compile_head(estimator)
    return tree_heads.compile_head(estimator)


def untransformed(head: Head) -> Packed:
    """The model whose features are the head's columns."""
    nothing = np.zeros(0, np.int32)
    flags = np.zeros(head.columns, np.int32)
    return pack(Transform(flags, head.columns, 0, nothing, np.zeros(0), np.zeros(0, np.uint8)), head)


def run_of(slots: NDArray[np.int32], packs: list[Packed], columns: NDArray[np.float64]) -> Run:
    """Rows of these models, one each; wider rows than the model's are cut. What kernels write begins with other values."""
    widths = np.array([packed.columns for packed in packs], np.int64)
    outputs = np.array([packed.numbers + packed.scores for packed in packs], np.int64)
    count = len(slots)
    return Run(
        slots=slots.astype(np.int32),
        registers=columns[np.arange(columns.shape[1]) < widths[:, None]],
        register_start=np.cumsum(widths) - widths,
        outputs=np.full(int(outputs.sum()), -7.0),
        output_start=np.cumsum(outputs) - outputs,
        label=np.full(count, -7, np.int32),
        status=np.zeros(count, np.uint8),
        where=np.full(count, -1, np.int32),
    )


def predict(kind: Kind, run: Run, arenas: Arenas) -> None:
    """With the kernels of the kind."""
    {Kind.TREES: trees.predict, Kind.HISTOGRAM: histogram.predict}[kind](run, arenas)


def as_compiled(estimator: Estimator, columns: NDArray[np.float64]) -> tuple[Run, Packed]:
    """One run of rows of one model, predicted."""
    packed = untransformed(compiled(estimator))
    arenas = ModelArenas()
    arenas.install(untransformed(compiled(estimator)))  # so that places are not 0
    slot = arenas.install(packed)
    run = run_of(np.full(len(columns), slot, np.int32), [packed] * len(columns), columns)
    predict(packed.kind, run, arenas.arrays)
    return run, packed


def assert_equal(estimator: Estimator, columns: NDArray[np.float64], run: Run, rows: NDArray[np.int64]) -> None:
    """These rows of a run equal what the estimator says of the columns, bit for bit; both have a line a row, in order."""
    own = run.output_start[rows][:, None]
    with quiet():
        expected = np.asarray(estimator.predict(columns))
        scores = estimator.predict_proba(columns) if hasattr(estimator, "classes_") else None
    if scores is None:
        expected = expected.reshape(len(columns), -1)
        assert_same_bits(run.outputs[own + np.arange(expected.shape[1])], expected)
        assert np.all(run.label[rows] == -1)
        return
    assert_same_bits(run.outputs[own + np.arange(len(estimator.classes_))], scores)
    np.testing.assert_array_equal(estimator.classes_[run.label[rows]], expected)


def assert_same_bits(found: NDArray[np.float64], expected: NDArray[np.float64]) -> None:
    """Equal also in the sign of zeros; NaN is NaN."""
    assert found.dtype == expected.dtype == np.float64
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(np.signbit(found), np.signbit(expected))


def edges(estimator: Estimator, random: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Rows whose values lie on the thresholds of its trees, right beside them, and where a float32 is rounded to or from them.

    A tenth of the values are NaN, zeros of both signs, or as large and as small as a float32 can be.
    """
    feature, threshold = _thresholds(estimator)
    columns = random.normal(size=(count, estimator.n_features_in_)) * 3
    for column in np.unique(feature):
        near = random.choice(threshold[feature == column], count)
        columns[:, column] = np.choose(random.integers(0, 8, count), _beside(near, columns[:, column]))
    odd = random.random(columns.shape) < 0.1
    largest = float(np.finfo(np.float32).max)
    columns[odd] = random.choice([np.nan, 0.0, -0.0, largest, -largest, 1e-45, 1e-300, -1e30], int(odd.sum()))
    return columns


def _thresholds(estimator: Estimator) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Of all its nodes that compare numbers."""
    if isinstance(estimator, (HistGradientBoostingClassifier, HistGradientBoostingRegressor)):
        nodes = np.concatenate([tree.nodes for stage in estimator._predictors for tree in stage])
        nodes = nodes[(nodes["is_leaf"] == 0) & (nodes["is_categorical"] == 0)]
        return nodes["feature_idx"].astype(np.int64), nodes["num_threshold"]
    trees = [tree.tree_ for tree in np.ravel(np.asarray(getattr(estimator, "estimators_", estimator), dtype=object))]
    feature = np.concatenate([tree.feature for tree in trees]).astype(np.int64)
    return feature[feature >= 0], np.concatenate([tree.threshold for tree in trees])[feature >= 0]


def _beside(near: NDArray[np.float64], otherwise: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    with np.errstate(over="ignore"):
        short = near.astype(np.float32)
    below, above = np.nextafter(short, np.float32(-np.inf)), np.nextafter(short, np.float32(np.inf))
    wide = short.astype(np.float64)
    beside = [wide, below.astype(np.float64), above.astype(np.float64)]
    halfway = (wide + _a_neighbour(wide, beside)) / 2  # a tie, which is rounded to even
    return [near, np.nextafter(near, -np.inf), np.nextafter(near, np.inf), *beside, halfway, otherwise]


def _a_neighbour(wide: NDArray[np.float64], beside: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """The neighbour below for every second, the one above for the others."""
    return np.where(np.arange(len(wide)) % 2, beside[1], beside[2])
