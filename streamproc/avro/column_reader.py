"""From captured values to the columns that a model reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamproc import captures
from streamproc.avro.captured import Captured
from streamproc.avro.columns import NUMBERS, SCALARS, Column, Form
from streamproc.avro.kernels import read_elements, spans
from streamproc.batches import FeatureColumns
from streamproc.errors import Reason


def read_columns(columns: Sequence[Column], captured: Captured) -> FeatureColumns:
    """The columns of all captured records."""
    count = len(captured.values)
    if all(column.plain for column in columns):
        return _doubles(columns, captured)
    null = np.zeros((count, len(columns)), np.bool_)
    status = np.zeros(count, np.uint8)
    vectors = _ArrayReader(captured, columns)
    arrays = [_Reader(captured, column, vectors, status).read(null[:, place]) for place, column in enumerate(columns)]
    return FeatureColumns(tuple(column.name for column in columns), tuple(arrays), null, status)


def _doubles(columns: Sequence[Column], captured: Captured) -> FeatureColumns:
    """As `read_columns`, for columns that all are doubles and never null: one copy."""
    slots = [captured.program.slots[column.path] for column in columns]
    block = np.ascontiguousarray(captured.values[:, slots].T).view(np.float64)
    null = np.zeros((len(captured.values), len(columns)), np.bool_)
    return FeatureColumns(tuple(column.name for column in columns), tuple(block), null, np.zeros(len(null), np.uint8))


class _Read(NamedTuple):
    """What was read of one field's arrays."""

    wanted: NDArray[np.int64]
    """(k,): which elements, ascending."""
    kinds: NDArray[np.uint8]
    """(n, k)"""
    values: NDArray[np.int64]
    """(n, k)"""
    lengths: NDArray[np.int64]
    """(n,): how many elements each array has, -1 where there is none."""


class _ArrayReader:
    """Reads arrays of numbers, each once for all columns that take something of it."""

    def __init__(self, captured: Captured, columns: Sequence[Column]) -> None:
        self._captured = captured
        self._columns = [column for column in columns if column.form in (Form.ELEMENT, Form.VECTOR)]
        self._read: dict[str, _Read] = {}

    def read(self, column: Column) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
        """(n, width) kinds and values of the column's elements, and (n,) the arrays' lengths, -1 where there is none."""
        if column.path not in self._read:
            wanted = {one.first + place for one in self._columns if one.path == column.path for place in range(one.width)}
            self._read[column.path] = self._read_once(column.path, np.array(sorted(wanted), np.int64))
        found = self._read[column.path]
        first = int(np.searchsorted(found.wanted, column.first))
        columns = slice(first, first + column.width)
        return found.kinds[:, columns], found.values[:, columns], found.lengths

    def _read_once(self, path: str, wanted: NDArray[np.int64]) -> _Read:
        captured = self._captured
        slot = captured.program.slots[path]
        count = len(captured.values)
        read = _Read(
            wanted,
            np.zeros((count, len(wanted)), np.uint8),
            np.zeros((count, len(wanted)), np.int64),
            np.full(count, -1, np.int64),
        )
        elements = captured.program.elements.get(slot)
        if elements is not None:
            read_elements(
                captured.payload,
                np.where(captured.kinds[:, slot] == captures.IS_ARRAY, captured.values[:, slot], -1),
                int(elements.union),
                np.array(elements.kinds, np.int64),
                wanted,
                read.values,
                read.kinds,
                read.lengths,
            )
        return read


class _Reader:
    """Reads one column; writes its faults to `status`."""

    def __init__(self, captured: Captured, column: Column, vectors: _ArrayReader, status: NDArray[np.uint8]) -> None:
        slot = captured.program.slots[column.path]
        self._captured = captured
        self._column = column
        self._vectors = vectors
        self._values = captured.values[:, slot]
        self._kinds = captured.kinds[:, slot]
        self._status = status

    def read(self, null: NDArray[np.bool_]) -> NDArray[Any]:  # the dtype follows the form
        """The column; sets `null` where the feature is null or absent."""
        form = self._column.form
        if form is Form.INTEGER:
            return self._values.copy()
        if form is Form.BOOLEAN:
            return self._values.astype(np.bool_)
        if form in (Form.ELEMENT, Form.VECTOR):
            return self._from_arrays(null)
        null[:] = self._kinds == captures.NULL
        if form is Form.FLOAT:
            return self._numbers()
        if form is Form.OBJECT:
            return self._objects()
        if form is Form.UNUSABLE:
            self._status[:] = Reason.FEATURE_INVALID.code
        null[:] = True
        width = self._column.width
        return np.full(len(null) if width == 1 else (len(null), width), np.nan)

    def _numbers(self) -> NDArray[np.float64]:
        if self._column.plain:
            return self._values.copy().view(np.float64)
        self._refuse(~np.isin(self._kinds, (captures.NULL, *NUMBERS)))
        return as_floats(self._values, self._kinds)

    def _objects(self) -> NDArray[np.object_]:
        column = np.full(len(self._kinds), np.nan, np.object_)
        self._refuse(~np.isin(self._kinds, (captures.NULL, *SCALARS)))
        enums = self._kinds == captures.IS_ENUM
        if enums.any():
            column[enums] = np.array(self._captured.program.symbols, np.object_)[self._values[enums]]
        for kind, dtype in ((captures.IS_INTEGER, np.int64), (captures.IS_BOOLEAN, np.bool_)):
            column[self._kinds == kind] = self._values[self._kinds == kind].astype(dtype).astype(np.object_)
        floats = (self._kinds == captures.IS_DOUBLE) | (self._kinds == captures.IS_FLOAT)
        column[floats] = as_floats(self._values[floats], self._kinds[floats]).astype(np.object_)
        self._put_strings(column)
        return column

    def _put_strings(self, column: NDArray[np.object_]) -> None:
        rows = np.flatnonzero(self._kinds == captures.IS_STRING)
        starts, ends = np.empty(len(rows), np.int64), np.empty(len(rows), np.int64)
        payload = self._captured.payload
        spans(payload, self._values[rows], starts, ends)
        for row, start, end in zip(rows.tolist(), starts.tolist(), ends.tolist(), strict=True):
            try:
                column[row] = payload[start:end].tobytes().decode()
            except UnicodeDecodeError:
                self._status[row] = Reason.UNDECODABLE.code

    def _from_arrays(self, null: NDArray[np.bool_]) -> NDArray[np.float64]:
        kinds, values, lengths = self._vectors.read(self._column)
        floats = as_floats(values, kinds)
        self._refuse(~np.isin(self._kinds, (captures.NULL, captures.IS_ARRAY)))
        if self._column.form is Form.ELEMENT:
            null[:] = kinds[:, 0] == captures.NULL
            return floats[:, 0]
        self._refuse((lengths >= 0) & (lengths != self._column.width))
        null[:] = (kinds == captures.NULL).any(axis=1)
        return floats

    def _refuse(self, rows: NDArray[np.bool_]) -> None:
        self._status[rows] = Reason.FEATURE_INVALID.code


def as_floats(values: NDArray[np.int64], kinds: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The captured numbers as float64; NaN where there is none."""
    values = np.ascontiguousarray(values)
    floats = np.full(values.shape, np.nan)
    doubles = kinds == captures.IS_DOUBLE
    floats[doubles] = values.view(np.float64)[doubles]
    integers = (kinds == captures.IS_INTEGER) | (kinds == captures.IS_BOOLEAN)
    floats[integers] = values[integers]
    singles = kinds == captures.IS_FLOAT
    with np.errstate(invalid="ignore"):  # a signalling NaN is a NaN like any other
        floats[singles] = values[singles].astype(np.uint32).view(np.float32)
    return floats
