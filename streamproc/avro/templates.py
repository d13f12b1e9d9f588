"""What the predictions of each compiled model have in common, encoded once: its id, its labels, its classes' names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamproc.avro.encoder import encode_scalar, encode_string
from streamproc.avro.kernel_outputs import CLASS_TEXT, CLASSES, LABEL_TEXT, LABELS
from streamproc.spaces import Space

_FRAMES: Final = 40
"""Bytes of branches, variant, counts and ends."""
_ClassKey = tuple[tuple[bytes, ...], tuple[bytes, ...]]


class PredictionTemplates:
    """Templates by slot of the model table. Models with the same labels and classes share them. Passive."""

    def __init__(self) -> None:
        self._text = Space(np.uint8)
        self._bounds = Space(np.int64)
        self._classes = Space(np.int64, 4)
        self.heads = np.zeros((256, 3), np.int64)
        """(slots, 3): where the model's id starts and ends in `text`, and its row of `classes`."""
        self.max_bytes = np.zeros(256, np.int64)
        """(slots,): no prediction of the model takes more, but for its numbers and what follows its scores."""
        self._tables: dict[_ClassKey, int] = {}
        self._keys: dict[int, _ClassKey] = {}
        self._users: dict[int, int] = {}

    @property
    def text(self) -> NDArray[np.uint8]:
        """Every encoded piece."""
        return self._text.array

    @property
    def bounds(self) -> NDArray[np.int64]:
        """Where in `text` the labels and names start and end."""
        return self._bounds.array

    @property
    def classes(self) -> NDArray[np.int64]:
        """(tables, 4), see `kernel_outputs`."""
        return self._classes.array

    @property
    def used_bytes(self) -> int:
        """What the templates take."""
        spaces = (self._text, self._bounds, self._classes)
        return sum(space.used_bytes for space in spaces) + 32 * len(self._users)

    def install(self, slot: int, model_id: str, labels: Sequence[Any], classes: Sequence[str]) -> None:
        """Encode what the model's predictions share.

        Args:
            slot: of the model.
            model_id: the artifact.
            labels: what `predict` may return, by the index that kernels give; empty where it returns numbers.
            classes: the names of its scores; empty where it has none.

        """
        if slot >= len(self.heads):
            self.heads, self.max_bytes = np.resize(self.heads, (2 * slot, 3)), np.resize(self.max_bytes, 2 * slot)
        head = encode_string(model_id)
        key = (tuple(encode_scalar(label) or b"" for label in labels), tuple(map(encode_string, classes)))
        start = self._text.place(np.frombuffer(head, np.uint8))
        self.heads[slot] = start, start + len(head), self._table(key)
        longest = max(map(len, key[0]), default=0)
        self.max_bytes[slot] = len(head) + longest + sum(8 + len(name) for name in key[1]) + _FRAMES

    def free(self, slot: int) -> None:
        """The slot's model is gone."""
        start, end, table = self.heads[slot].tolist()
        self._text.free(start, end - start)
        self._users[table] -= 1
        if self._users[table]:
            return
        key = self._keys.pop(table)
        del self._users[table], self._tables[key]
        labels, first_label, classes, first_class = self._classes.array[table].tolist()
        text_start = int(self._bounds.array[first_label])
        text_end = int(self._bounds.array[first_class + classes])
        self._text.free(text_start, text_end - text_start)
        self._bounds.free(first_label, labels + classes + 2)
        self._classes.free(table, 1)

    def _table(self, key: _ClassKey) -> int:
        table = self._tables.get(key)
        if table is None:
            labels, classes = key
            pieces = [*labels, *classes]
            ends = np.cumsum([0, *map(len, pieces)])
            ends += self._text.place(np.frombuffer(b"".join(pieces), np.uint8))
            bounds = np.concatenate([ends[: len(labels) + 1], ends[len(labels) :]])
            first = self._bounds.place(bounds)
            row = np.zeros((1, 4), np.int64)
            row[0, [LABELS, LABEL_TEXT, CLASSES, CLASS_TEXT]] = len(labels), first, len(classes), first + len(labels) + 1
            table = self._classes.place(row)
            self._tables[key], self._keys[table] = table, key
        self._users[table] = self._users.get(table, 0) + 1
        return table
