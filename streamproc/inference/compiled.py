"""A model that kernels predict with."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any, Final, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from streamproc.captures import Captures
from streamproc.inference import packed as layout_of
from streamproc.inference.captured_frame import captured_frame
from streamproc.inference.engine import FusedEngine
from streamproc.inference.layouts import Layout, Reads
from streamproc.inference.packed import IGNORED, TAKES_NULL, TAKES_TEXT, Kind, Packed
from streamproc.models.base import Model, ModelMetadata
from streamproc.models.observer import ServedBy
from streamproc.models.probe import example_columns

_FRAME: Final = object()
_OBJECT_BYTES: Final = 160
"""What one model's own Python objects take; measured, see the tests. What models of one signature share is not counted."""
_FAULTS: Final = {
    layout_of.IS_NULL: "is null, which the model does not take",
    layout_of.IS_NAN: "is NaN, which the model does not take",
    layout_of.IS_INFINITE: "is infinite, which the model does not take",
    layout_of.TOO_LARGE: "is too large for float32, which the model's trees read",
    layout_of.UNKNOWN_CATEGORY: "is a category that the model was not fitted with",
    layout_of.BAD_TEXT: "is a text that is no UTF-8",
    layout_of.NOT_FINITE: "became NaN or infinite in the model's own preprocessing",
}


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Signature:
    """What a model reads and returns; one object for all models that agree in it."""

    metadata: ModelMetadata
    layout: Layout
    flags: NDArray[np.int32]
    """(columns,): see `packed`."""
    labels: NDArray[Any] | None  # of the labels' own dtype
    """(classes,): what label indexes stand for; None where `predict` returns numbers."""
    kind: Kind
    """Which kernel predicts."""
    is_transformed: bool
    """The final estimator reads other registers than the features themselves."""
    is_column: bool
    """`predict` returns (n, 1)."""
    null_features: frozenset[str]
    columns: tuple[str, ...]
    """The names of the columns of its frames."""

    @classmethod
    def shared(
        cls,
        metadata: ModelMetadata,
        packed: Packed,
        labels: NDArray[Any] | None,  # of the labels' own dtype
        *,
        is_column: bool,
    ) -> Signature:
        """The one of a model with these; a new one only where no living model has an equal one. Safe to call on any thread."""
        flags = packed.ints[: packed.n_features]
        listed = None if labels is None else (labels.dtype, *((type(label), label) for label in labels.tolist()))
        parts = (packed.kind, packed.first > 0, is_column)
        key: Hashable = (metadata, flags.tobytes(), listed, parts)
        with _lock:
            known = _signatures.get(key)
            if known is None:
                reads = tuple(map(_reads, flags.tolist()))
                layout = Layout(metadata.feature_names, metadata.n_columns, reads)
                own = example_columns(metadata.feature_names, metadata.n_columns)
                columns = tuple(name for names in own.values() for name in names)
                known = cls(metadata, layout, flags.copy(), labels, *parts, _null_features(metadata, flags), columns)
                _signatures[key] = known
        return known


def _reads(flag: int) -> Reads:
    if flag & IGNORED:
        return Reads.NOTHING
    return Reads.TEXT if flag & TAKES_TEXT else Reads.NUMBER


_lock = threading.Lock()
_signatures: weakref.WeakValueDictionary[Hashable, Signature] = weakref.WeakValueDictionary()


def _null_features(metadata: ModelMetadata, flags: NDArray[np.int32]) -> frozenset[str]:
    columns = example_columns(metadata.feature_names, metadata.n_columns)
    takes_null = iter((flags & TAKES_NULL != 0).tolist())
    taking = {name: [next(takes_null) for _ in own] for name, own in columns.items()}
    if len(columns) < len(flags) and len(columns) > 1 and not all(map(all, taking.values())):
        return frozenset()  # which feature is the vector is not known here
    return frozenset(name for name, own in taking.items() if all(own))


@dataclass(frozen=True, slots=True)
class Attempt:
    """What the kernels say of n rows."""

    values: NDArray[Any]  # of the model's own dtype
    """As `Model.predict` returns them; anything where the status is not 0."""
    scores: NDArray[np.float64] | None
    status: NDArray[np.uint8]
    """(n,): 0, or what is wrong with the row, see `packed`."""
    where: NDArray[np.int32]
    """(n,): where, see `CompiledModel.column_at_fault`."""


@dataclass(frozen=True, slots=True)
class _FrameRows:
    """A frame's rows as the engine takes them: a slot for each column, in order."""

    captures: Captures
    rows: NDArray[np.int64]
    version: object = field(default=_FRAME)

    def sources(self, names: tuple[str, ...], n_columns: int | None, reads: tuple[int, ...]) -> NDArray[np.int32]:
        del names, n_columns
        return np.arange(len(reads), dtype=np.int32)


class CompiledModel(Model):
    """A packed model. The loop copies it into its arenas and then says where, so that the packed arrays can go.

    Predicts frames like any model; a row that it can't predict makes the whole call raise.
    """

    __slots__ = ("__weakref__", "_engine", "_nbytes", "_packed", "_signature", "_slot")

    def __init__(self, packed: Packed, signature: Signature) -> None:
        self._signature = signature
        self._packed: Packed | None = packed
        self._nbytes = packed.nbytes + _OBJECT_BYTES
        self._engine: FusedEngine | None = None
        self._slot = -1

    @property
    def metadata(self) -> ModelMetadata:
        """See `Model`."""
        return self._signature.metadata

    @property
    def nbytes(self) -> int:
        """What it takes of the arenas, and its own Python objects."""
        return self._nbytes

    @property
    def kind(self) -> Kind:
        """Which kernel predicts."""
        return self._signature.kind

    @property
    def served_by(self) -> ServedBy:
        """The same as metrics name it."""
        return cast("ServedBy", self.kind.name.lower())

    @property
    def layout(self) -> Layout:
        """What it reads."""
        return self._signature.layout

    @property
    def flags(self) -> NDArray[np.int32]:
        """(columns,): how it reads each of its columns, see `packed`."""
        return self._signature.flags

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns of its frames."""
        return self._signature.columns

    def column_at_fault(self, status: int, where: int) -> str | None:
        """The name of the column that `status` and `where` of a row are about; None: no particular one of its frames.

        What is too large for float32 is so as a tree reads it, which is a column of the frame only where nothing comes before
        the trees.
        """
        if where < 0 or (status == layout_of.TOO_LARGE and self._signature.is_transformed):
            return None
        return self.columns[where]

    @property
    def labels(self) -> NDArray[Any] | None:  # of the labels' own dtype
        """(classes,): what label indexes stand for; None where it returns numbers. Equal ones are the same object."""
        return self._signature.labels

    @property
    def null_features(self) -> frozenset[str]:
        """The names of the features that may be null; known without a probe."""
        return self._signature.null_features

    @property
    def packed(self) -> Packed | None:
        """The arrays to be copied into arenas; None after `release`."""
        return self._packed

    def release(self, engine: FusedEngine, slot: int) -> None:
        """Drop the packed arrays: the model is installed in `slot` of `engine`, and stays there as long as it is used.

        From now on it belongs to the engine's thread.
        """
        self._engine, self._slot, self._packed = engine, slot, None

    def predict(self, data: pd.DataFrame) -> NDArray[Any]:  # the labels' own dtype, or float64
        """See `Model`; ValueError where a row can't be predicted."""
        return self.predict_with_scores(data)[0]

    def scores(self, data: pd.DataFrame) -> NDArray[np.float64] | None:
        """See `Model`; ValueError where a row can't be predicted."""
        return None if self.metadata.classes is None else self.predict_with_scores(data)[1]

    def predict_with_scores(self, data: pd.DataFrame) -> tuple[NDArray[Any], NDArray[np.float64] | None]:  # as `predict`
        """What `predict` and `scores` return, in one pass."""
        attempt = self.attempt(data)
        refused = np.flatnonzero(attempt.status)
        if len(refused):
            raise ValueError(self._fault(int(attempt.status[refused[0]]), int(attempt.where[refused[0]])))
        return attempt.values, attempt.scores

    def attempt(self, data: pd.DataFrame) -> Attempt:
        """Predict every row that can be predicted; the status says what is wrong with the others."""
        engine, slot = self._installed()
        rows = _FrameRows(captured_frame(data, self.flags), np.arange(len(data)))
        found, _ = engine.predict([rows], np.full(len(data), slot, np.int32), lambda: True)
        numbers = int(engine.table[slot, layout_of.NUMBERS])
        outputs = found.outputs.reshape(len(data), -1)
        scores = outputs[:, numbers:] if self.metadata.classes is not None else None
        return Attempt(self._values(outputs[:, :numbers], found.label), scores, found.status, found.where)

    def _values(self, numbers: NDArray[np.float64], label: NDArray[np.int32]) -> NDArray[Any]:  # as `predict`
        if self.labels is not None:
            return self.labels.take(np.maximum(label, 0))
        return numbers if numbers.shape[1] > 1 or self._signature.is_column else numbers[:, 0]

    def _installed(self) -> tuple[FusedEngine, int]:
        if self._engine is not None:
            return self._engine, self._slot
        engine = FusedEngine()
        return engine, engine.install(cast("Packed", self._packed), self.layout)

    def _fault(self, status: int, where: int) -> str:
        column = self.column_at_fault(status, where)
        subject = "a feature" if column is None else f"feature {column!r}"
        return f"{subject} {_FAULTS.get(status, f'has fault {status}')}"
