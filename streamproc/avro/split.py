"""A batch's values, split into the schema that each names and its body."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamproc.avro import frames
from streamproc.avro import opcodes as op
from streamproc.avro.kernels import CONFLUENT, RAW, SINGLE_OBJECT, read_frames
from streamproc.avro.listed import Framing
from streamproc.avro.schemas import RecordSchema, SchemaSource
from streamproc.batches import RecordBatch
from streamproc.errors import RecordError

_FRAMINGS: Final = {"raw": RAW, "confluent": CONFLUENT, "single_object": SINGLE_OBJECT}
_WHOLE_VALUE_FAULTS: Final = frozenset({op.VALUE_NULL, op.VALUE_EMPTY, op.VALUE_LARGE})


@dataclass(slots=True)
class SplitBatch:
    """Where each record's body is, and what it is written with. Faults are added while the batch is decoded."""

    fault: NDArray[np.uint8]
    """(n,): what is wrong, see `opcodes`; 0: nothing so far."""
    place: NDArray[np.int64]
    """(n, 2): where in the body a fault was met, and at which instruction."""
    body: NDArray[np.int64]
    """(n,): where in the payload the body starts."""
    form: NDArray[np.uint8]
    """(n,): what named the schema, see `frames`."""
    schema: NDArray[np.int32]
    """(n,): index into `schemas`; -1: none."""
    schemas: list[RecordSchema]
    refused: dict[int, RecordError]
    """Row → why its schema can't be had."""

    def assign(self, rows: Sequence[int] | NDArray[np.int64], find: Callable[[], RecordSchema]) -> None:
        """These rows have the schema that `find` returns, or none where it raises RecordError."""
        try:
            schema = find()
        except RecordError as error:
            self.refuse([int(row) for row in rows], error)
            return
        if schema not in self.schemas:
            self.schemas.append(schema)
        self.schema[rows] = self.schemas.index(schema)

    def refuse(self, rows: Sequence[int], error: RecordError) -> None:
        """These rows have no schema."""
        self.fault[rows] = op.REFUSED
        self.refused.update(dict.fromkeys(rows, error))


class Splitter:
    """Splits batches, and finds their schemas."""

    def __init__(self, schemas: SchemaSource, *, framing: Framing, max_record_bytes: int) -> None:
        self._schemas = schemas
        self._framing = framing
        self._max_record_bytes = max_record_bytes

    def split(self, batch: RecordBatch) -> SplitBatch:
        """Split every value; raises TransientError where the source of schemas does not answer."""
        n = len(batch)
        split = SplitBatch(
            fault=np.zeros(n, np.uint8),
            place=np.zeros((n, 2), np.int64),
            body=np.empty(n, np.int64),
            form=np.full(n, frames.BY_PREFIX, np.uint8),
            schema=np.full(n, -1, np.int32),
            schemas=[],
            refused={},
        )
        key = np.zeros(n, np.int64)
        payload = np.frombuffer(batch.payload, np.uint8)
        framing = _FRAMINGS[self._framing]
        read_frames(payload, batch.bounds, batch.null, framing, self._max_record_bytes, split.body, key, split.fault)
        by_header = self._find_by_headers(batch, split) if self._framing == "confluent" else []
        pending = split.fault == 0
        pending[by_header] = False
        self._find_by_prefixes(batch, split, np.flatnonzero(pending), key)
        return split

    def _find_by_prefixes(self, batch: RecordBatch, split: SplitBatch, rows: NDArray[np.int64], key: NDArray[np.int64]) -> None:
        if not len(rows):
            return
        if self._framing == "raw":
            split.assign(rows, self._schemas.only)
        elif self._framing == "single_object":
            for fingerprint, of_it in _groups(key, rows):
                raw = fingerprint.to_bytes(8, "little", signed=True)
                split.assign(of_it, partial(self._schemas.by_fingerprint, raw))
        else:
            topics = _topic_numbers(batch)
            for topic, of_topic in _groups(topics[batch.partition], rows):
                name = batch.partitions[topic].topic
                for number, of_it in _groups(key, of_topic):
                    split.assign(of_it, partial(self._schemas.by_id, number, name))

    def _find_by_headers(self, batch: RecordBatch, split: SplitBatch) -> list[int]:
        """The rows whose schema a header names, all of them found or refused: their value is the body as it is."""
        if not any(batch.headers):
            return []
        groups: dict[tuple[bytes, str], list[int]] = {}
        for row, headers in enumerate(batch.headers):
            value = frames.schema_header(headers) if headers else None
            if value is not None and int(split.fault[row]) not in _WHOLE_VALUE_FAULTS:
                groups.setdefault((value, batch.partition_id(row).topic), []).append(row)
                split.body[row] = batch.bounds[row]
                split.fault[row] = 0
                split.form[row] = frames.BY_ID_HEADER if value[:1] == b"\x00" else frames.BY_GUID_HEADER
        for (value, topic), rows in groups.items():
            split.assign(rows, partial(self._by_header, value, topic))
        return [row for rows in groups.values() for row in rows]

    def _by_header(self, value: bytes, topic: str) -> RecordSchema:
        named = frames.parse_schema_header(value)
        if named.guid is not None:
            return self._schemas.by_guid(named.guid, topic)
        return self._schemas.by_id(named.id or 0, topic)


def _topic_numbers(batch: RecordBatch) -> NDArray[np.int64]:
    """Index of a partition → index of the first partition of its topic."""
    first: dict[str, int] = {}
    return np.array([first.setdefault(partition.topic, number) for number, partition in enumerate(batch.partitions)], np.int64)


def _groups(key: NDArray[np.int64], rows: NDArray[np.int64]) -> list[tuple[int, NDArray[np.int64]]]:
    """The rows of each key, keys ascending, rows in their order; nearly always there is one."""
    keys = key[rows]
    if (keys == keys[0]).all():
        return [(int(keys[0]), rows)]
    order = np.argsort(keys, kind="stable")
    starts = np.flatnonzero(np.diff(keys[order], prepend=keys[order[0]] - 1))
    return [(int(keys[order[start]]), part) for start, part in zip(starts, np.split(rows[order], starts[1:]), strict=True)]
