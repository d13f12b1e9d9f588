"""Compares a compiled model with the model that it was made from, before it predicts any record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from streamproc.inference.compiled import Attempt, CompiledModel
from streamproc.inference.compiling.parts import Estimator, NotCompilableError
from streamproc.inference.compiling.rows import comparison_rows
from streamproc.inference.packed import IS_NAN, IS_NULL, TAKES_NULL, TOO_LARGE, Kind
from streamproc.models.quiet import quiet
from streamproc.models.sklearn import SklearnModel

_FEWEST_ROWS: Final = 20
"""So many rows must be predicted for the comparison to say anything."""
_MOST_REFUSED: Final = 16
"""So many of the rows that the compiled model refuses are tried natively, each in a call of its own."""
_FEW: Final = 3
"""Rows of a small batch: kernels take another way through them than through many."""
_TOLERANCE: Final = 1e-12
_LARGE: Final = 1000.0
"""Where a linear score has larger summands, its probability is only as good as the score: relative to them."""


def verify(model: SklearnModel, compiled: CompiledModel) -> None:
    """Return if the compiled model keeps the promise: the same results, and the same rows refused.

    Trees are compared bit for bit; linear scores within 1e-12 · max(1, |b| + Σ|x w|), probabilities within 1e-12.

    Raises:
        NotCompilableError: it does not; says where they differ.

    """
    rows = comparison_rows(model.estimator, compiled.flags, compiled.columns)
    with quiet():
        attempt = compiled.attempt(rows)
        sound = attempt.status == 0
        if np.count_nonzero(sound) < _FEWEST_ROWS:
            raise NotCompilableError("too few of the rows that it was tried on could be predicted to compare the results")
        _compare_results(model, compiled.kind, rows[sound], attempt)
        _check_nulls(compiled, rows, sound)
        _compare_refusals(model, compiled, rows, attempt)
        few = np.flatnonzero(sound)[:_FEW]
        alone = compiled.attempt(rows.iloc[few])
        if not (_same(alone.values, attempt.values[few]) and _same(alone.scores, _rows_of(attempt.scores, few))):
            raise NotCompilableError("its compiled results depend on the batch")


def _compare_results(model: SklearnModel, kind: Kind, rows: pd.DataFrame, attempt: Attempt) -> None:
    sound = attempt.status == 0
    try:
        values, scores = model.predict_with_scores(rows)
    except Exception as error:
        text = f"scikit-learn refuses rows ({type(error).__name__}) that the compiled model predicts"
        raise NotCompilableError(text) from error
    ours, our_scores = attempt.values[sound], _rows_of(attempt.scores, sound)
    native_form, our_form = _form(values, scores), _form(ours, our_scores)
    if native_form != our_form:
        raise NotCompilableError(f"scikit-learn returns {native_form}, and compiled the model returns {our_form}")
    if kind is not Kind.LINEAR:
        equal = _same(values, ours) and _same(scores, our_scores)
    else:
        equal = _close(model.estimator, rows, (values, scores), (ours, our_scores))
    if not equal:
        raise NotCompilableError("compiled, its results differ from scikit-learn's by more than is promised")


_Results = tuple[NDArray[Any], NDArray[np.float64] | None]  # values are of the model's own dtype


def _same(one: NDArray[Any] | None, other: NDArray[Any] | None) -> bool:  # of the model's own dtype
    """Bit for bit, any NaN being like any other."""
    if one is None or other is None:
        return one is other
    if one.dtype != np.float64:
        return one.dtype == other.dtype and np.array_equal(one, other)
    one, other = np.ascontiguousarray(one), np.ascontiguousarray(other)
    return bool(np.all((one.view(np.int64) == other.view(np.int64)) | (np.isnan(one) & np.isnan(other))))


def _close(estimator: Estimator, rows: pd.DataFrame, native: _Results, ours: _Results) -> bool:
    bound = _score_bounds(estimator, rows)
    widest = bound.max(axis=1)
    if native[1] is not None and ours[1] is not None:
        tolerance = _TOLERANCE * np.where(widest <= _LARGE, 1.0, widest)
        if not _within(native[1], ours[1], tolerance[:, None]):
            return False
    if native[0].dtype == np.float64:
        tolerances = _TOLERANCE * bound
        return _within(native[0], ours[0], tolerances if native[0].ndim > 1 else tolerances[:, 0])
    other = np.flatnonzero((native[0] != ours[0]) & np.isfinite(widest))
    if not len(other):
        return True
    margins = _margins(np.asarray(estimator.decision_function(rows.iloc[other])))
    return bool(np.all(margins <= 2 * _TOLERANCE * widest[other]))


def _within(one: NDArray[np.float64], other: NDArray[np.float64], tolerance: NDArray[np.float64]) -> bool:
    alike = (one == other) | (np.isnan(one) & np.isnan(other)) | (np.abs(one - other) <= tolerance) | ~np.isfinite(tolerance)
    return bool(np.all(alike))


def _margins(decisions: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each row is from the label's boundary."""
    second, first = (0.0, np.abs(decisions)) if decisions.ndim == 1 else np.sort(decisions, axis=1)[:, -2:].T
    margins: NDArray[np.float64] = first - second
    return margins


def _score_bounds(estimator: Estimator, rows: pd.DataFrame) -> NDArray[np.float64]:
    """max(1, |b| + Σ|x w|) of each row and linear score: (n, k)."""
    inputs: Any = rows  # whatever its transformers return
    while not hasattr(estimator, "coef_") or "steps" in vars(estimator):
        if "best_estimator_" in vars(estimator):
            estimator = estimator.best_estimator_
            continue
        for _, step in estimator.steps[:-1]:
            inputs = inputs if step is None or isinstance(step, str) else step.transform(inputs)
        estimator = estimator.steps[-1][1]
    columns = np.abs(np.asarray(inputs.toarray() if hasattr(inputs, "toarray") else inputs, np.float64))
    scores = columns @ np.abs(np.atleast_2d(np.asarray(estimator.coef_, np.float64))).T
    bounds: NDArray[np.float64] = np.maximum(1.0, scores + np.abs(np.ravel(estimator.intercept_)))
    return bounds


def _check_nulls(compiled: CompiledModel, rows: pd.DataFrame, sound: NDArray[np.bool_]) -> None:
    """A feature that may be null, as its flag says, must predict when it is."""
    null = rows.isna().to_numpy()
    predicted = null[sound & (np.count_nonzero(null, axis=1) == 1)].any(axis=0)
    lost = np.flatnonzero((compiled.flags & TAKES_NULL != 0) & ~predicted)
    if len(lost):
        raise NotCompilableError(f"a null {compiled.columns[lost[0]]!r} is taken and then refused")


def _compare_refusals(model: SklearnModel, compiled: CompiledModel, rows: pd.DataFrame, attempt: Attempt) -> None:
    """What the compiled model refuses, scikit-learn must refuse; a call for each row, so a sample of them."""
    sample = _refused_sample(attempt, compiled.flags)
    refuses = _native_refusal(model, rows, int(np.flatnonzero(attempt.status == 0)[0])) if len(sample) else None
    for row in sample.tolist():
        if refuses is not None and not refuses(row):
            column = compiled.column_at_fault(int(attempt.status[row]), int(attempt.where[row]))
            of_feature = "" if column is None else f" for its {column!r}"
            raise NotCompilableError(f"scikit-learn predicts a row that the compiled model refuses{of_feature}")


def _native_refusal(model: SklearnModel, rows: pd.DataFrame, sound: int) -> Callable[[int], bool]:
    """Tells of a row whether the native model raises for it; as a plain array where that works, which costs a third."""
    numbers = rows.to_numpy() if (rows.dtypes == np.float64).all() else None
    if numbers is not None and not _raises(model.estimator.predict, numbers[sound : sound + 1]):
        return lambda row: _raises(model.estimator.predict, numbers[row : row + 1])
    return lambda row: _raises(model.predict, rows.iloc[row : row + 1])


def _raises(predict: Callable[[Any], object], row: object) -> bool:  # a frame or an array
    try:
        predict(row)
    except Exception:  # noqa: BLE001 - whatever a model raises refuses the row
        return True
    return False


def _refused_sample(attempt: Attempt, flags: NDArray[np.int32]) -> NDArray[np.int64]:
    """One row of each fault and kind of feature, then each feature's null, then any; those that the budget allows."""
    refused = np.flatnonzero(attempt.status)
    status, where = attempt.status[refused].astype(np.int64), attempt.where[refused].astype(np.int64)
    flag = np.where((where >= 0) & (status != TOO_LARGE), flags[where % len(flags)], -1)
    _, of_each_fault = np.unique(np.column_stack([status, flag]), axis=0, return_index=True)
    null = np.flatnonzero((status == IS_NULL) | (status == IS_NAN))
    null = null[np.unique(where[null], return_index=True)[1]]
    spread = np.linspace(0, max(len(null) - 1, 0), min(len(null), _MOST_REFUSED)).astype(np.int64)
    wanted = np.concatenate([of_each_fault, null[spread], np.arange(len(refused))])
    first = np.sort(np.unique(wanted, return_index=True)[1])
    sample: NDArray[np.int64] = refused[wanted[first][:_MOST_REFUSED]]
    return sample


def _rows_of(scores: NDArray[np.float64] | None, rows: NDArray[Any]) -> NDArray[np.float64] | None:  # indexes or a mask
    return None if scores is None else scores[rows]


def _form(values: NDArray[Any], scores: NDArray[np.float64] | None) -> str:  # of the model's own dtype
    of_scores = "no scores" if scores is None else f"{scores.shape[-1]} scores"
    shape = "one value" if values.ndim == 1 else f"{values.shape[1]} values in a row"
    return f"{shape} of type {values.dtype} and {of_scores}"
