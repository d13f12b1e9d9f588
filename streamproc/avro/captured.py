"""What a walk over records of one schema found, and the walk itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamproc.avro.kernel_walk import walk
from streamproc.avro.opcodes import MAX_DEPTH
from streamproc.avro.program import Program
from streamproc.avro.split import SplitBatch
from streamproc.batches import RecordBatch


@dataclass(frozen=True, slots=True)
class Captured:
    """The captured fields of m records. Positions in `values` count bytes of the payload."""

    buffer: bytes
    """The payload of the batch."""
    program: Program
    values: NDArray[np.int64]
    """(m, slots), see `opcodes`."""
    kinds: NDArray[np.uint8]
    """(m, slots); null in every slot of a record that could not be walked."""

    @property
    def payload(self) -> NDArray[np.uint8]:
        """The buffer as kernels take it."""
        return np.frombuffer(self.buffer, np.uint8)

    def take(self, positions: NDArray[np.int64]) -> Captured:
        """The records at these positions."""
        return Captured(self.buffer, self.program, self.values[positions], self.kinds[positions])


def capture(batch: RecordBatch, split: SplitBatch, program: Program, rows: NDArray[np.int64], max_items: int) -> Captured:
    """Walk `rows`, all of the program's schema; notes in `split` what is wrong with those that can't be walked."""
    payload = np.frombuffer(batch.payload, np.uint8)
    values = np.empty((len(rows), program.width), np.int64)
    kinds = np.zeros((len(rows), program.width), np.uint8)
    walk(
        payload,
        batch.bounds,
        split.body,
        rows,
        program.ops,
        program.jumps,
        max_items,
        values,
        kinds,
        split.fault,
        split.place,
        np.empty((MAX_DEPTH, 2), np.int64),
    )
    return Captured(batch.payload, program, values, kinds)
