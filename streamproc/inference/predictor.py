"""Predicts groups of records. Results may arrive later than they were asked for; the loop's own predictor answers at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from streamproc.batches import FeatureColumns
from streamproc.errors import Reason
from streamproc.models.base import Model, ModelInfo


@dataclass(frozen=True, slots=True)
class PredictionGroup:
    """Records of one tenant and one writer schema, to be predicted by one model."""

    tenant: str
    info: ModelInfo
    model: Model
    rows: NDArray[np.int64]
    """(n,): the records' rows in the batch, ascending."""
    features: FeatureColumns
    """Of the n records; all of them sound."""


@dataclass(frozen=True, slots=True)
class Predicted:
    """Some rows of a group, and what the model says of them."""

    group: PredictionGroup
    rows: NDArray[np.int64]
    """(m,), ascending"""
    values: NDArray[Any]  # of the model's own dtype
    """(m,), (m, 1) or (m, k)"""
    scores: NDArray[np.float64] | None
    """(m, classes), or None where the model gives none."""


@dataclass(frozen=True, slots=True)
class Unpredicted:
    """A row that the model can't predict."""

    group: PredictionGroup
    row: int
    reason: Reason
    exception: str
    """The class name of what the model raised."""
    message: str


@dataclass(frozen=True, slots=True)
class Deferred:
    """Rows whose turn comes in a later pass: the time that one pass may take is over."""

    group: PredictionGroup
    rows: NDArray[np.int64]


Outcome = Predicted | Unpredicted | Deferred


class Predictor(Protocol):
    """Takes groups and gives each row's outcome exactly once, in this pass of the loop or in a later one."""

    def submit(self, group: PredictionGroup, deadline: float) -> None:
        """Predict the group; `deadline` (monotonic seconds) ends the search for rows at fault in this pass."""

    def completed(self) -> list[Outcome]:
        """The outcomes that have come since the last call."""


class LoopPredictor:
    """Predicts on the loop's own thread, at once.

    A call that raises is bisected until the rows at fault are found, so that a bad row never costs its neighbours.
    """

    def __init__(self, *, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._outcomes: list[Outcome] = []

    def submit(self, group: PredictionGroup, deadline: float) -> None:
        """See `Predictor`."""
        self._outcomes.extend(self._predict(group, deadline))

    def completed(self) -> list[Outcome]:
        """See `Predictor`."""
        outcomes, self._outcomes = self._outcomes, []
        return outcomes

    def _predict(self, group: PredictionGroup, deadline: float) -> Iterator[Outcome]:
        """Depth first and left half first: what is deferred at the deadline are the group's last rows."""
        spans = [(0, len(group.rows))]
        while spans:
            start, end = spans.pop()
            rows = group.rows[start:end]
            if start and self._monotonic() > deadline:
                yield Deferred(group, rows)
                continue
            try:
                values, scores = group.model.predict_with_scores(frame_of(_between(group.features, start, end)))
            except Exception as error:  # noqa: BLE001 - a model's own code may raise anything; its records pay, nobody else's
                if len(rows) == 1:
                    yield _unpredicted(group, start, error)
                else:
                    middle = (start + end) // 2
                    spans += [(middle, end), (start, middle)]
            else:
                yield from _checked(group, rows, np.asarray(values), scores)


def _checked(
    group: PredictionGroup,
    rows: NDArray[np.int64],
    values: NDArray[Any],  # of the model's own dtype
    scores: NDArray[np.float64] | None,
) -> Iterator[Outcome]:
    """The rows as predicted, if there is one value (and one row of scores) for each."""
    shapes = [values.shape] if scores is None else [values.shape, scores.shape]
    if all(shape and shape[0] == len(rows) for shape in shapes) and values.ndim <= 2:  # noqa: PLR2004 - (n,) or (n, k)
        yield Predicted(group, rows, values, scores)
        return
    text = f"the model returned an array of shape {values.shape} for {len(rows)} records; expected one value or row for each"
    for row in rows.tolist():
        yield Unpredicted(group, row, Reason.PREDICTION_INVALID, "ValueError", text)


def _unpredicted(group: PredictionGroup, position: int, error: Exception) -> Unpredicted:
    unbounded = [
        name
        for name, column in zip(group.features.names, group.features.arrays, strict=True)
        if column.dtype.kind == "f" and not np.isfinite(np.where(np.isnan(column[position]), 0, column[position])).all()
    ]
    if unbounded:
        text = f"feature {unbounded[0]!r} is infinite, which the tenant's model does not take"
        return Unpredicted(group, int(group.rows[position]), Reason.FEATURE_INVALID, type(error).__name__, text)
    text = f"the tenant's model raised {type(error).__name__} for this record; see the model's own requirements on its features"
    return Unpredicted(group, int(group.rows[position]), Reason.PREDICTION_FAILED, type(error).__name__, text)


def _between(features: FeatureColumns, start: int, end: int) -> FeatureColumns:
    arrays = tuple(array[start:end] for array in features.arrays)
    return FeatureColumns(features.names, arrays, features.null[start:end], features.status[start:end])


def frame_of(features: FeatureColumns) -> pd.DataFrame:
    """The features as a model sees them: one column each, a vector's elements as columns `name[0]`, `name[1]` and so on.

    A copy: some transformers write to what they are given, and rows of a failed call are predicted again.
    """
    names: list[str] = []
    columns: list[NDArray[Any]] = []  # of each feature's dtype
    for name, array in zip(features.names, features.arrays, strict=True):
        if array.ndim == 1:
            names.append(name)
            columns.append(array)
        else:
            names += [f"{name}[{index}]" for index in range(array.shape[1])]
            columns += list(array.T)
    if columns and all(column.dtype == np.float64 for column in columns):
        return pd.DataFrame(np.column_stack(columns), columns=names, copy=False)
    typed = {name: pd.Series(column, dtype=column.dtype, copy=True) for name, column in zip(names, columns, strict=True)}
    return pd.DataFrame(typed, copy=False)
