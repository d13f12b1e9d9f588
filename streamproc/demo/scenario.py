"""What a demonstration streams: events with known outcomes, and the models that predict them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Say = Callable[[str], None]
"""Tells the user, in one line, what happens now."""

EVENT_ID = "event_id"
"""The field that numbers a scenario's events from 0, by which outputs find their outcome again."""


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A fitted scikit-learn estimator that waits to be published."""

    name: str
    kind: str
    """The estimator in a word or two, for people."""
    estimator: Any  # scikit-learn has no types
    tenants: tuple[str, ...] = ()
    """Whom it is assigned to; none: it is the default model."""


@dataclass(frozen=True, slots=True, eq=False)
class Scenario:
    """n events, what came of them, and the models."""

    title: str
    schema: Mapping[str, Any]  # a JSON object
    tenant_field: str
    columns: Mapping[str, list[Any]]  # values of each field's own type
    """Field of the schema → its n values, ready for Avro."""
    keys: list[bytes]
    """The n record keys."""
    features: pd.DataFrame
    """n rows of what models may read, with the dtypes of contract.md section 4."""
    targets: NDArray[np.float64]
    """(n,): what the models were to predict; NaN where nothing came of the event."""
    unit: str
    """The unit of `targets`."""
    models: tuple[TrainedModel, ...]
    default_model: TrainedModel
    """One model for all: serves the tenants that have none of their own."""
    notes: tuple[str, ...]
    """What somebody who reads the results should know."""

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def tenants(self) -> list[str]:
        """The n events' tenants."""
        return self.columns[self.tenant_field]

    def events(self, start: int, stop: int) -> list[dict[str, Any]]:  # Avro records
        """The events from `start` up to `stop`, as records of the schema."""
        slices = (column[start:stop] for column in self.columns.values())
        return [dict(zip(self.columns, values, strict=True)) for values in zip(*slices, strict=True)]


def avro_columns(frame: pd.DataFrame, *, nullable: tuple[str, ...] = ()) -> dict[str, list[Any]]:  # each column's own type
    """The frame's columns as lists of Python values: None for missing, and whole numbers for those of `nullable`."""
    columns = {str(name): frame[name].tolist() for name in frame.columns}
    for name in nullable:
        columns[name] = [None if value != value else int(value) for value in columns[name]]  # noqa: PLR0124 - NaN differs from itself
    return {
        name: [None if isinstance(value, float) and np.isnan(value) else value for value in values]
        for name, values in columns.items()
    }
