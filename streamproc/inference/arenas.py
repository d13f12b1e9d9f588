"""Where the compiled models lie. Owned by the loop's thread."""

from __future__ import annotations

import numpy as np

from streamproc.inference.packed import (
    COLUMNS,
    ESTIMATOR_FLOATS,
    ESTIMATOR_INTS,
    FEATURES,
    FIRST,
    FLOATS,
    INTS,
    KIND,
    NODE,
    NODES,
    NUMBERS,
    REGISTERS,
    SCORES,
    TABLE_COLUMNS,
    TEXT,
    Arenas,
    Packed,
)
from streamproc.spaces import Space


class ModelArenas:
    """The model table and the arenas: models are installed into slots, and slots are freed and used again."""

    def __init__(self) -> None:
        self._table = Space(np.int64, TABLE_COLUMNS)
        self._ints = Space(np.int32)
        self._floats = Space(np.float64)
        self._nodes = Space(NODE)
        self._text = Space(np.uint8)
        self._lengths = np.zeros((256, 4), np.int32)
        self._models = 0

    @property
    def arrays(self) -> Arenas:
        """As kernels take them; good until the next change."""
        return Arenas(self._table.array, self._ints.array, self._floats.array, self._nodes.array, self._text.array)

    @property
    def models(self) -> int:
        """How many models are installed."""
        return self._models

    @property
    def used_bytes(self) -> int:
        """What the installed models take."""
        return sum(space.used_bytes for space in (self._table, self._ints, self._floats, self._nodes, self._text))

    def install(self, packed: Packed) -> int:
        """Copy the model in; returns its slot."""
        row = np.zeros((1, TABLE_COLUMNS), np.int64)
        places = {INTS: self._ints.place(packed.ints), FLOATS: self._floats.place(packed.floats)}
        places |= {NODES: self._nodes.place(packed.nodes), TEXT: self._text.place(packed.text)}
        places |= {KIND: packed.kind, FEATURES: packed.n_features, REGISTERS: packed.registers, FIRST: packed.first}
        places |= {COLUMNS: packed.columns, NUMBERS: packed.numbers, SCORES: packed.scores}
        places[ESTIMATOR_INTS] = places[INTS] + packed.estimator_ints
        places[ESTIMATOR_FLOATS] = places[FLOATS] + packed.estimator_floats
        row[0, list(places)] = list(places.values())
        slot = self._table.place(row)
        if slot >= len(self._lengths):
            self._lengths = np.resize(self._lengths, (len(self._table.array), 4))
        self._lengths[slot] = len(packed.ints), len(packed.floats), len(packed.nodes), len(packed.text)
        self._models += 1
        return slot

    def free(self, slot: int) -> None:
        """The slot's model is gone; the slot and its places may be taken by others."""
        ints, floats, nodes, text = self._lengths[slot].tolist()
        self._models -= 1
        row = self._table.array[slot].tolist()
        self._ints.free(row[INTS], ints)
        self._floats.free(row[FLOATS], floats)
        self._nodes.free(row[NODES], nodes)
        self._text.free(row[TEXT], text)
        self._table.free(slot, 1)
