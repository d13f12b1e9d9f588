"""Predicts a whole batch with compiled models, each row with its own tenant's. Owned by the loop's thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamproc.batches import Predictions
from streamproc.inference import histogram, linear, trees
from streamproc.inference.arenas import ModelArenas
from streamproc.inference.grouping import Grouping
from streamproc.inference.kernel_grouping import lay_out, lay_out_registers
from streamproc.inference.kernel_transform import transform
from streamproc.inference.layouts import CapturedRows, Layout, Layouts
from streamproc.inference.packed import KIND, Arenas, Kind, Packed, Run

_RUN_ROWS: Final = 4096
"""Rows that are predicted between two looks at the clock; so few that their registers stay in the processor's cache."""
_RUN_REGISTERS: Final = 1 << 20
"""Registers of one run, where models have very many."""
_PREDICT: Final[dict[Kind, Callable[[Run, Arenas], None]]] = {
    Kind.LINEAR: linear.predict,
    Kind.TREES: trees.predict,
    Kind.HISTOGRAM: histogram.predict,
}


_Rows = NDArray[np.int64] | slice
"""Rows of a batch; a slice spares copies where they follow each other."""


class _Span(NamedTuple):
    """Rows that one run predicts: of one schema, by models of one kind."""

    fields: CapturedRows
    kind: Kind
    rows: _Rows
    positions: NDArray[np.int64]
    """Of the rows among the fields."""
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
        self._most_registers = 1

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
        self._most_registers = max(self._most_registers, packed.registers)
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
        """Predict every row that has a slot, and return the rows for which no time was left: of them nothing is said.

        Rows whose fields kernels can't read as the model wants them (vectors, texts for numbers) come back without a slot.

        Args:
            captured: the batch's records by schema.
            slots: (n,), -1 where a row is not to be predicted here.
            may_go_on: asked between two runs; False: the rest has to wait.

        """
        arenas = self._arenas.arrays
        kinds = np.zeros(len(Kind), np.bool_)
        predictions = _unpredicted(arenas, slots.copy(), kinds)
        present = [kind for kind in Kind if kinds[kind]]
        spans = [span for fields in captured for span in self._spans(fields, arenas, predictions.slots, present)]
        for number, span in enumerate(spans):
            if number and not may_go_on():
                every = np.arange(len(slots))
                return predictions, np.sort(np.concatenate([every[late.rows] for late in spans[number:]]))
            self._predict(span, arenas, predictions)
        return predictions, np.zeros(0, np.int64)

    def _spans(
        self, fields: CapturedRows, arenas: Arenas, slots: NDArray[np.int32], present: Sequence[Kind]
    ) -> Iterator[_Span]:
        """The runs of one schema; rows that kernels can't read lose their slot."""
        rows = fields.rows
        here = slots if len(rows) == len(slots) else slots[rows]
        positions = np.flatnonzero(here >= 0)
        sources, starts = self._layouts.sources(fields, self._layout_of_slot[here[positions]])
        if (starts < 0).any():
            slots[rows[positions[starts < 0]]] = -1
            positions, starts = positions[starts >= 0], starts[starts >= 0]
        for kind in present:
            chosen = np.arange(len(positions))
            if len(present) > 1:
                chosen = np.flatnonzero(arenas.table[here[positions], KIND] == kind)
            if kind is not Kind.LINEAR:
                chosen = chosen[self._grouping.order(here[positions[chosen]], len(arenas.table))]
            is_whole = kind is Kind.LINEAR and len(chosen) == len(slots)
            step = self._run_rows()
            for start in range(0, len(chosen), step):
                part = chosen[start : start + step]
                place = positions[part]
                whole = slice(start, start + len(part))
                yield _Span(fields, kind, whole if is_whole else rows[place], place, sources, starts[part])

    def _run_rows(self) -> int:
        return max(1, min(_RUN_ROWS, _RUN_REGISTERS // max(1, self._most_registers)))

    def _predict(self, span: _Span, arenas: Arenas, predictions: Predictions) -> None:
        captures, rows = span.fields.captures, span.rows
        slots = predictions.slots[rows]
        register_start = np.empty(len(slots), np.int64)
        registers = lay_out_registers(slots, arenas.table, register_start)
        if registers > len(self._registers):
            self._registers = np.empty(registers, np.float64)
        run = Run(
            slots=slots,
            registers=self._registers,
            register_start=register_start,
            outputs=predictions.outputs,
            output_start=predictions.output_start[rows],
            label=predictions.label[rows],
            status=predictions.status[rows],
            where=predictions.where[rows],
        )
        transform(
            slots,
            span.positions,
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
        if not isinstance(rows, slice):
            predictions.label[rows], predictions.status[rows], predictions.where[rows] = run.label, run.status, run.where


def _unpredicted(arenas: Arenas, slots: NDArray[np.int32], kinds: NDArray[np.bool_]) -> Predictions:
    predictions = Predictions.none(len(slots))
    total = lay_out(slots, arenas.table, predictions.numbers, predictions.scores, predictions.output_start, kinds)
    return replace(predictions, slots=slots, outputs=np.empty(total, np.float64))
