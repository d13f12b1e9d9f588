"""The two parts that a compiled model is packed from, and why some can't be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamproc.inference.packed import NODE, Kind, Packed

Estimator = Any  # scikit-learn ships no types


class NotCompilableError(Exception):
    """The model predicts natively; the text says which part of it has no kernel, or why the promise would not hold."""


@dataclass(frozen=True, slots=True)
class Head:
    """The final estimator, compiled."""

    kind: Kind
    columns: int
    """How many columns it reads."""
    numbers: int
    """Outputs that are `predict`'s own numbers; 0 where it returns a label."""
    scores: int
    """Outputs that are `predict_proba`'s; 0 where it has none."""
    takes_nan: NDArray[np.bool_]
    """(columns,): NaN is a value to it."""
    takes_infinity: bool
    ints: NDArray[np.int32]
    floats: NDArray[np.float64]
    nodes: NDArray[Any]  # of dtype NODE
    preprocessor: Estimator | None = None
    """A transformer of its own, which comes before it."""


@dataclass(frozen=True, slots=True)
class Transform:
    """What comes before it, compiled: the model's features → the columns that it reads."""

    flags: NDArray[np.int32]
    """(features,): see the flags in `packed`."""
    registers: int
    first: int
    ints: NDArray[np.int32]
    floats: NDArray[np.float64]
    text: NDArray[np.uint8]


def pack(transform: Transform, head: Head) -> Packed:
    """Both parts as one model."""
    before = np.concatenate([transform.flags, transform.ints])
    return Packed(
        kind=head.kind,
        n_features=len(transform.flags),
        registers=transform.registers,
        first=transform.first,
        columns=head.columns,
        numbers=head.numbers,
        scores=head.scores,
        ints=np.concatenate([before, head.ints]).astype(np.int32),
        floats=np.concatenate([transform.floats, head.floats]),
        nodes=np.ascontiguousarray(head.nodes, NODE),
        text=transform.text,
        estimator_ints=len(before),
        estimator_floats=len(transform.floats),
    )
