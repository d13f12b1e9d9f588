"""Scalers, in scikit-learn's own order of operations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

from streamproc.inference import instructions as op
from streamproc.inference.compiling.columns import Matrix, Refusals, Step, checked, stepped
from streamproc.inference.compiling.parts import Estimator, NotCompilableError

_Steps = list[Sequence[Step]]


def scale(scaler: Estimator, matrix: Matrix, refusals: Refusals) -> Matrix:
    """What the scaler makes of the matrix."""
    if matrix.narrow:
        raise NotCompilableError(f"{type(scaler).__name__} computes in float32 here")
    matrix = checked(matrix, refusals, nan=False, infinity=True)
    columns = list(matrix.columns)
    for steps in _STEPS[type(scaler)](scaler, matrix):
        if len(steps) != len(columns):
            raise NotCompilableError(f"{type(scaler).__name__} was fitted on {len(steps)} columns and gets {len(columns)}")
        columns = [stepped(column, step) for column, step in zip(columns, steps, strict=True)]
    return replace(matrix, columns=tuple(columns), frame=False, objects=False, wide=True)


def _each(code: int, values: ArrayLike) -> list[Step]:
    return [Step(code, value) for value in np.asarray(values, np.float64).tolist()]


def _divided(values: ArrayLike, matrix: Matrix) -> list[Step]:
    """Sparse matrices are multiplied by the reciprocal, taken at the parameter's own precision."""
    return _each(op.MULTIPLY, 1.0 / np.asarray(values)) if matrix.sparse else _each(op.DIVIDE, values)


def _clipped(bounds: Sequence[float], matrix: Matrix) -> list[Step]:
    low, high = bounds
    return [Step(op.CLIP, float(low), float(high))] * len(matrix.columns)


def _standard(scaler: Estimator, matrix: Matrix) -> _Steps:
    steps: _Steps = []
    if scaler.with_mean:
        steps.append(_each(op.SUBTRACT, scaler.mean_))
    if scaler.with_std:
        steps.append(_divided(scaler.scale_, matrix))
    return steps


def _min_max(scaler: Estimator, matrix: Matrix) -> _Steps:
    steps: _Steps = [_each(op.MULTIPLY, scaler.scale_), _each(op.ADD, scaler.min_)]
    return [*steps, _clipped(scaler.feature_range, matrix)] if scaler.clip else steps


def _robust(scaler: Estimator, matrix: Matrix) -> _Steps:
    steps: _Steps = []
    if scaler.with_centering and not matrix.sparse:
        steps.append(_each(op.SUBTRACT, scaler.center_))
    if scaler.with_scaling:
        steps.append(_divided(scaler.scale_, matrix))
    return steps


def _max_abs(scaler: Estimator, matrix: Matrix) -> _Steps:
    steps: _Steps = [_divided(scaler.scale_, matrix)]
    return [*steps, _clipped((-1.0, 1.0), matrix)] if getattr(scaler, "clip", False) else steps


_STEPS: Mapping[type, Callable[[Estimator, Matrix], _Steps]] = MappingProxyType(
    {StandardScaler: _standard, MinMaxScaler: _min_max, RobustScaler: _robust, MaxAbsScaler: _max_abs}
)
SCALERS = frozenset(_STEPS)
