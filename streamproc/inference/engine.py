"""Predicts a whole batch with compiled models, each row with its own tenant's. Owned by the loop's thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamproc.batches import Predictions
from streamproc.inference import histogram, linear, trees
from streamproc.inference.arenas import ModelArenas
from streamproc.inference.grouping import Grouping
from streamproc.inference.kernel_transform import transform
from streamproc.inference.layouts import CapturedRows, Layout, Layouts
from streamproc.inference.packed import KIND, NUMBERS, REGISTERS, SCORES, Arenas, Kind, Packed, Run

_RUN_ROWS: Final = 4096
"""Rows that are predicted between two looks at the clock; so few that their registers stay in the processor's cache."""
_PREDICT: Final[dict[Kind, Callable[[Run, Arenas], None]]] = {
    Kind.LINEAR: linear.predict,
    Kind.TREES: trees.predict,
    Kind.HISTOGRAM: histogram.predict,
}


class _Span(NamedTuple):
    """Rows that one run predicts: of one schema, by models of one kind."""

    fields: CapturedRows
    kind: Kind
    rows: NDArray[np.int64]
    sources: NDArray[np.int32]
    source_start: NDArray[np.int64]


class FusedEngine:
    """The arenas, and the way from captured fields through them: a handful of calls a batch, however many tenants it holds."""

    def __init__(self) -> None:
        self._arenas = ModelArenas()
        self._layouts = Layouts()
        self._layout_of_slot = np.zeros(256, np.int32)
        self._grouping = Grouping()
        self._registers = np.empty(0, np.float64)

    @property
    def table(self) -> NDArray[np.int64]:
        """(slots, TABLE_COLUMNS): what is known of each installed model; good until the next change."""
        return self._arenas.arrays.table

    @property
    def used_bytes(self) -> int:
        """What the installed models take."""
        return self._arenas.used_bytes

    def install(self, packed: Packed, layout: Layout) -> int:
        """Copy a model in; returns its slot."""
        slot = self._arenas.install(packed)
        if slot >= len(self._layout_of_slot):
            self._layout_of_slot = np.resize(self._layout_of_slot, 2 * slot)
        self._layout_of_slot[slot] = self._layouts.acquire(layout)
        return slot

    def free(self, slot: int) -> None:
        """The slot's model is not needed any more; another may take the slot."""
        self._layouts.release(int(self._layout_of_slot[slot]))
        self._arenas.free(slot)

    def predict(
        self,
        captured: Sequence[CapturedRows],
        slots: NDArray[np.int32],
        may_go_on: Callable[[], bool],
    ) -> tuple[Predictions, NDArray[np.int64]]:
        """Predict every row that has a slot, and return what is left: rows for which no time was left.

        Those, and rows whose fields kernels can't read as the model wants them (vectors, texts for numbers), come back without
        a slot.

        Args:
            captured: the batch's records by schema.
            slots: (n,), -1 where a row is not to be predicted here.
            may_go_on: asked between two runs; False: the rest has to wait.

        """
        arenas = self._arenas.arrays
        predictions = _unpredicted(arenas, slots.copy())
        spans = [span for fields in captured for span in self._spans(fields, arenas, predictions.slots)]
        for number, span in enumerate(spans):
            if number and not may_go_on():
                late = np.sort(np.concatenate([late.rows for late in spans[number:]]))
                predictions.slots[late] = -1
                return predictions, late
            self._predict(span, arenas, predictions)
        return predictions, np.zeros(0, np.int64)

    def _spans(self, fields: CapturedRows, arenas: Arenas, slots: NDArray[np.int32]) -> Iterator[_Span]:
        rows = fields.rows[slots[fields.rows] >= 0]
        if not len(rows):
            return
        sources, starts = self._layouts.sources(fields, self._layout_of_slot[slots[rows]])
        if (starts < 0).any():
            slots[rows[starts < 0]] = -1
            rows, starts = rows[starts >= 0], starts[starts >= 0]
        kinds = arenas.table[slots[rows], KIND]
        for kind in np.unique(kinds).tolist():
            chosen = np.flatnonzero(kinds == kind)
            if kind != Kind.LINEAR:
                chosen = chosen[self._grouping.order(slots[rows[chosen]], len(arenas.table))]
            for start in range(0, len(chosen), _RUN_ROWS):
                part = chosen[start : start + _RUN_ROWS]
                yield _Span(fields, Kind(kind), rows[part], sources, starts[part])

    def _predict(self, span: _Span, arenas: Arenas, predictions: Predictions) -> None:
        rows, fields, captures = span.rows, span.fields, span.fields.captures
        slots = predictions.slots[rows]
        widths = arenas.table[slots, REGISTERS]
        ends = np.cumsum(widths)
        if ends[-1] > len(self._registers):
            self._registers = np.empty(int(ends[-1]), np.float64)
        run = Run(
            slots=slots,
            registers=self._registers,
            register_start=ends - widths,
            outputs=predictions.outputs,
            output_start=predictions.output_start[rows],
            label=np.full(len(rows), -1, np.int32),
            status=np.zeros(len(rows), np.uint8),
            where=np.full(len(rows), -1, np.int32),
        )
        positions = rows if len(fields.rows) == len(predictions.slots) else np.searchsorted(fields.rows, rows)
        transform(
            slots,
            positions,
            captures.values,
            captures.kinds,
            np.frombuffer(captures.buffer, np.uint8),
            *captures.symbols,
            span.sources,
            span.source_start,
            arenas.table,
            arenas.ints,
            arenas.floats,
            arenas.text,
            run.registers,
            run.register_start,
            run.status,
            run.where,
        )
        _PREDICT[span.kind](run, arenas)
        predictions.label[rows], predictions.status[rows], predictions.where[rows] = run.label, run.status, run.where


def _unpredicted(arenas: Arenas, slots: NDArray[np.int32]) -> Predictions:
    is_here = slots >= 0
    numbers = np.where(is_here, arenas.table[slots, NUMBERS], 0).astype(np.int32)
    scores = np.where(is_here, arenas.table[slots, SCORES], 0).astype(np.int32)
    widths = (numbers + scores).astype(np.int64)
    ends = np.cumsum(widths)
    return Predictions(
        slots=slots,
        status=np.zeros(len(slots), np.uint8),
        where=np.full(len(slots), -1, np.int32),
        label=np.full(len(slots), -1, np.int32),
        numbers=numbers,
        scores=scores,
        outputs=np.empty(int(widths.sum()), np.float64),
        output_start=ends - widths,
    )
