"""From the bytes of a batch to its tenants, times and feature columns, and from a suffix back to a whole output value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamproc import captures
from streamproc.avro import frames
from streamproc.avro.captured import Captured, capture
from streamproc.avro.column_reader import read_columns
from streamproc.avro.columns import NUMBERS, SCALARS, Column, Form
from streamproc.avro.faults import FaultText, status_of
from streamproc.avro.listed import Framing
from streamproc.avro.plans import SchemaPlans
from streamproc.avro.schemas import RecordSchema, SchemaSource
from streamproc.avro.split import SplitBatch, Splitter
from streamproc.avro.tenants import TenantDirectory, refused_text
from streamproc.batches import FeatureColumns, Headers, RecordBatch
from streamproc.captures import Captures
from streamproc.errors import RecordError


@dataclass(frozen=True, slots=True)
class Walk:
    """All rows of one schema, captured; what kernels predict from."""

    plans: SchemaPlans
    captured: Captured
    rows: NDArray[np.int64]
    """Ascending."""

    @property
    def captures(self) -> Captures:
        """One row for each of `rows`."""
        captured = self.captured
        return Captures(captured.buffer, captured.values, captured.kinds, captured.program.symbol_text)

    @property
    def version(self) -> object:
        """The same object for as long as `sources` answers the same."""
        return self.captured.program

    def sources(self, names: tuple[str, ...], n_columns: int | None, reads: tuple[int, ...]) -> NDArray[np.int32] | None:
        """(columns,): the capture slot of each column of a model that reads these features, -1: always null.

        None where a column can't be read from a slot as it is: vectors, texts where the model reads numbers, numbers where it
        knows texts, features that weren't captured.

        Args:
            names: the features.
            n_columns: how many columns they make; None: one each.
            reads: of each column 0: a number, 1: a text, 2: nothing.

        """
        columns = self.plans.columns(names, n_columns)
        slots = self.captured.program.slots
        if len(columns) != len(reads) or not all(map(_is_plain, columns, reads)):
            return None
        is_null = [column.form is Form.ABSENT or read == _NOTHING for column, read in zip(columns, reads, strict=True)]
        if not all(null or column.path in slots for column, null in zip(columns, is_null, strict=True)):
            return None
        return np.array([-1 if null else slots[column.path] for column, null in zip(columns, is_null, strict=True)], np.int32)


_TEXT: Final = 1
_NOTHING: Final = 2


def _is_plain(column: Column, read: int) -> bool:
    if column.form is Form.ABSENT or read == _NOTHING:
        return column.width == 1
    if read == _TEXT:
        return column.form is Form.OBJECT and column.types.kinds <= SCALARS
    return column.form in (Form.INTEGER, Form.BOOLEAN, Form.FLOAT) and column.types.kinds <= NUMBERS


class OutputFrame(NamedTuple):
    """The first part of each output record; what comes second is the prediction."""

    body: NDArray[np.int64]
    """(n,): where in the payload the input's body starts."""
    prefix: NDArray[np.int32]
    """(n,): which of `prefixes` stands before it; -1: none."""
    prefixes: NDArray[np.uint8]
    """(schemas, bytes)"""


@dataclass(frozen=True, slots=True)
class DecodedBatch:
    """What a batch's records say, row by row as in the `RecordBatch`. Used by the thread of its decoder."""

    status: NDArray[np.uint8]
    """(n,): 0, or the code of the reason why the record can't be used."""
    tenants: Sequence[str]
    """The tenants that are known by now: those of these records, and more."""
    generation: int
    """Of the tenants' numbers: they mean the same within one."""
    tenant: NDArray[np.int32]
    """(n,): index into `tenants`; -1: none."""
    event_time: NDArray[np.int64]
    """(n,): ms since the epoch; -1: none, or before it."""
    schemas: tuple[RecordSchema, ...]
    schema: NDArray[np.int32]
    """(n,): index into `schemas`; -1: unknown."""
    _decoder: Decoder
    _batch: RecordBatch
    _split: SplitBatch
    walks: tuple[Walk, ...]
    """One a schema."""

    def error(self, row: int) -> RecordError:
        """Why the record can't be used: what was expected and found, in our own words. `status[row]` is not 0."""
        if row in self._split.refused:
            return self._split.refused[row]
        schema = int(self.schema[row])
        position, instruction = self._split.place[row].tolist()
        field = self.walks[schema].captured.program.trail[instruction] if schema >= 0 else ""
        return self._decoder.fault_text.error(int(self._split.fault[row]), position, field)

    def named_tenant(self, row: int) -> str | None:
        """Whom the record names, also where that is no valid name (then at most 255 bytes of it); None: nobody."""
        index, schema = int(self.tenant[row]), int(self.schema[row])
        if index >= 0 or schema < 0:
            return self.tenants[index] if index >= 0 else None
        walked, field = self.walks[schema], self._decoder.fault_text.tenant_field
        position = int(np.searchsorted(walked.rows, row))
        return refused_text(walked.captured, field, position, int(self._split.fault[row]))

    def features(
        self, schema: int, rows: NDArray[np.int64], names: tuple[str, ...], n_columns: int | None = None
    ) -> FeatureColumns:
        """The columns of a model's features for `rows`, each of them sound and of the schema `schemas[schema]`.

        Args:
            schema: index into `schemas`.
            rows: (m,), in any order.
            names: dotted paths, `name[i]`, or the name of one array of numbers, which takes the columns that are left.
            n_columns: how many columns the names make; None: one each.

        """
        walked = self.walks[schema]
        columns = walked.plans.columns(names, n_columns)
        if all(column.path in walked.captured.program.slots for column in columns):
            return read_columns(columns, walked.captured.take(np.searchsorted(walked.rows, rows)))
        program = walked.plans.program_of(columns)
        return read_columns(columns, capture(self._batch, self._split, program, rows, self._decoder.max_record_bytes))

    def output_frame(self) -> OutputFrame:
        """What stands before each prediction: a frame that names the output schema, and the input's body."""
        prefix = np.where(self._split.form == frames.BY_PREFIX, self.schema, np.int32(-1))
        used = {number: self.schemas[number].output_ref for number in _distinct(prefix, len(self.schemas))}
        raw = {number: frames.frame_prefix(self._decoder.framing, ref) for number, ref in used.items()}
        prefixes = np.zeros((len(self.schemas), max(map(len, raw.values()), default=0)), np.uint8)
        for number, frame in raw.items():
            prefixes[number] = np.frombuffer(frame, np.uint8)
        return OutputFrame(self._split.body, prefix, prefixes)

    def output_headers(self, rows: NDArray[np.int64]) -> list[Headers | None]:
        """The records' headers; one that names the schema names the output schema where it was used, and is gone elsewhere."""
        headers, form = self._batch.headers, self._split.form
        if not any(headers):
            return [None] * len(rows)
        return [
            frames.framed_headers(headers[row], int(form[row]), self.schemas[self.schema[row]].output_ref)
            if headers[row]
            else None
            for row in rows.tolist()
        ]


def _distinct(numbers: NDArray[np.int32], end: int) -> list[int]:
    """Those of 0 to `end` - 1 that occur."""
    return np.flatnonzero(np.bincount(numbers + 1, minlength=end + 1)[1:]).tolist()


class Decoder:
    """Decodes batches; keeps what it learnt of schemas and wanted fields. Used by one thread."""

    def __init__(
        self,
        schemas: SchemaSource,
        *,
        framing: Framing,
        tenant_field: str,
        event_time_field: str | None,
        max_record_bytes: int,
    ) -> None:
        self.framing: Framing = framing
        self.max_record_bytes = max_record_bytes
        self.fault_text = FaultText(framing=framing, tenant_field=tenant_field, max_record_bytes=max_record_bytes)
        self.tenants = TenantDirectory()
        self._splitter = Splitter(schemas, framing=framing, max_record_bytes=max_record_bytes)
        self._tenant_field = tenant_field
        self._event_time_field = event_time_field
        self._plans: dict[RecordSchema, SchemaPlans] = {}

    def decode(self, batch: RecordBatch) -> DecodedBatch:
        """Decode every record; a bad one costs only itself.

        Raises:
            TransientError: the source of schemas does not answer; nothing has happened to the batch.

        """
        split = self._splitter.split(batch)
        self.tenants.begin_batch()
        tenant = np.full(len(batch), -1, np.int32)
        event_time = np.full(len(batch), -1, np.int64)
        walks = tuple(self._walk(batch, split, number) for number in range(len(split.schemas)))
        for walked in walks:
            tenant[walked.rows] = self.tenants.numbers(walked.captured, self._tenant_field, walked.rows, split.fault)
            event_time[walked.rows] = self._times(walked)
        return DecodedBatch(
            status=status_of(split.fault, split.refused),
            tenants=self.tenants.names,
            generation=self.tenants.generation,
            tenant=tenant,
            event_time=event_time,
            schemas=tuple(split.schemas),
            schema=split.schema,
            _decoder=self,
            _batch=batch,
            _split=split,
            walks=walks,
        )

    def _walk(self, batch: RecordBatch, split: SplitBatch, number: int) -> Walk:
        schema = split.schemas[number]
        if schema not in self._plans:
            self._plans[schema] = SchemaPlans(schema, tenant_field=self._tenant_field, event_time_field=self._event_time_field)
        plans = self._plans[schema]
        rows = np.flatnonzero(split.schema == number)
        return Walk(plans, capture(batch, split, plans.program, rows, self.max_record_bytes), rows)

    def _times(self, walked: Walk) -> NDArray[np.int64]:
        """(m,): the event times of all rows of a schema in ms, -1 where there is none."""
        if self._event_time_field is None or walked.plans.time_divisor is None:
            return np.full(len(walked.rows), -1, np.int64)
        captured = walked.captured
        slot = captured.program.slots[self._event_time_field]
        sound = captured.kinds[:, slot] == captures.IS_INTEGER
        times: NDArray[np.int64] = np.where(sound, captured.values[:, slot], -1) // walked.plans.time_divisor
        return np.maximum(times, -1)
