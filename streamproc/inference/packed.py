"""A compiled model as plain arrays, and the run of rows that kernels predict with such models.

Plain integers and flat arrays, because kernels read them for every record. A packed model lies in four arenas (`ints`,
`floats`, `nodes`, `text`) and in one row of the model table, whose columns are named here.

A row is predicted in two steps. The *transform* fills the row's registers, float64: the first `n_features` are the features
themselves, further ones what scalers, imputers and encoders make of them; `COLUMNS` registers from `FIRST` on are what the
final estimator reads. The kernel of the model's *kind* turns those into outputs: first the numbers that `predict` returns, if
any, then the scores that `predict_proba` returns, if any; a classifier's label is an index into its classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray


class Kind(IntEnum):
    """Which kernel predicts."""

    LINEAR = 0
    TREES = 1
    """Decision trees, forests, extra trees, gradient boosting: features as float32."""
    HISTOGRAM = 2
    """Histogram gradient boosting: features as float64, missing values, categories."""


# Columns of the model table; the first four and the last two are absolute places in their arenas.
INTS: Final = 0
"""The features' flags, one each, then the transform's instructions."""
FLOATS: Final = 1
NODES: Final = 2
TEXT: Final = 3
KIND: Final = 4
FEATURES: Final = 5
REGISTERS: Final = 6
FIRST: Final = 7
"""The first register that the final estimator reads."""
COLUMNS: Final = 8
"""How many registers it reads."""
NUMBERS: Final = 9
"""Outputs that are `predict`'s own numbers; 0 where it returns a label."""
SCORES: Final = 10
"""Outputs that are scores; they follow the numbers."""
ESTIMATOR_INTS: Final = 11
"""What the kind's kernel reads; the layout is its own."""
ESTIMATOR_FLOATS: Final = 12
TABLE_COLUMNS: Final = 13

# Flags of a feature.
TAKES_TEXT: Final = 1
"""The model reads text (a category); otherwise a number."""
TAKES_NULL: Final = 2
"""Null and NaN are values to the model."""
TAKES_INFINITY: Final = 4
KNOWS_NUMBERS: Final = 8
"""Numbers are categories to the model: a text is none of them, even one that reads like a number."""
IGNORED: Final = 16
"""Nobody reads it: it may be anything."""

# What may be wrong with a row; 0: nothing. `where` then names the feature.
IS_NULL: Final = 1
IS_NAN: Final = 2
IS_INFINITE: Final = 3
TOO_LARGE: Final = 4
"""Finite, but not as the float32 that trees read; `where` names the column."""
UNKNOWN_CATEGORY: Final = 5
"""A category that the model's encoder was not fitted with, and refuses."""
BAD_TEXT: Final = 6
"""A text that is no UTF-8."""
NOT_FINITE: Final = 7
"""A column became NaN or infinite on the way to an estimator that refuses those; `where` is -1."""

NODE: Final = np.dtype([("threshold", "<f4"), ("feature", "<i4"), ("left", "<i4"), ("right", "<i4")])
"""A node of a tree. Kinds give the fields their meaning; a kind that needs more uses further entries."""


@dataclass(frozen=True, slots=True)
class Packed:
    """One model, ready to be copied into the arenas. Places within it are relative to its own arrays."""

    kind: Kind
    n_features: int
    registers: int
    first: int
    columns: int
    numbers: int
    scores: int
    ints: NDArray[np.int32]
    floats: NDArray[np.float64]
    nodes: NDArray[Any]  # of dtype NODE
    text: NDArray[np.uint8]
    estimator_ints: int
    """Where in `ints` the part begins that the kind's kernel reads."""
    estimator_floats: int

    @property
    def nbytes(self) -> int:
        """What it takes of the arenas and of the table."""
        arrays = (self.ints, self.floats, self.nodes, self.text)
        return sum(array.nbytes for array in arrays) + 8 * TABLE_COLUMNS


@dataclass(frozen=True, slots=True)
class Arenas:
    """The arrays of all installed models, as kernels take them. Replaced as a whole when one of them grows."""

    table: NDArray[np.int64]
    """(slots, TABLE_COLUMNS)"""
    ints: NDArray[np.int32]
    floats: NDArray[np.float64]
    nodes: NDArray[Any]  # of dtype NODE
    text: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Run:
    """n rows of models of one kind. Kernels fill what is not an input."""

    slots: NDArray[np.int32]
    """(n,): rows of the model table; equal ones stand together, but for linear models, which gain nothing by it."""
    registers: NDArray[np.float64]
    """The registers of all rows, one row after another."""
    register_start: NDArray[np.int64]
    """(n,)"""
    outputs: NDArray[np.float64]
    """The outputs of all rows, one row after another."""
    output_start: NDArray[np.int64]
    """(n,)"""
    label: NDArray[np.int32]
    """(n,): index of the predicted class; -1 where `predict` returns numbers."""
    status: NDArray[np.uint8]
    """(n,): 0, or what is wrong; kernels leave rows alone whose status is not 0."""
    where: NDArray[np.int32]
    """(n,): the feature at fault, -1: none in particular."""
