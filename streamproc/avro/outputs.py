"""Output records: the input's bytes and the prediction behind them, written for a whole batch at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamproc.avro.decoder import DecodedBatch
from streamproc.avro.encoder import encode_long, encode_string
from streamproc.avro.kernel_outputs import write_outputs
from streamproc.avro.templates import PredictionTemplates
from streamproc.batches import PartitionId, Predictions, RecordBatch, Spans, bounds_of

_LONG_BYTES: Final = 10
_ALL: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class WrittenOutputs:
    """The values of the output records, and the rows that have one."""

    rows: NDArray[np.int64]
    """(m,), ascending."""
    values: Spans
    """(m,)"""
    invalid: NDArray[np.int64]
    """The rows whose prediction holds NaN, infinity or a label that no output can carry."""


class OutputWriter:
    """Writes output records. Used by one thread."""

    def __init__(self, scores: bool | int) -> None:  # noqa: FBT001 - the setting models.scores as it is
        """Write every class's score (True), none (False, 0), or those of the `scores` highest."""
        self._limit = _ALL if scores is True else int(scores) or -1
        self.templates = PredictionTemplates()

    def write(
        self,
        records: RecordBatch,
        decoded: DecodedBatch,
        predictions: Predictions,
        variants: NDArray[np.uint8],
        suffixes: Mapping[int, bytes],
        predicted_at_ms: int,
    ) -> WrittenOutputs:
        """Write the record of each row that has a prediction.

        Args:
            records: the batch.
            decoded: the same, decoded.
            predictions: of kernels; rows with a status have no record.
            variants: (n,): index of the part that the row's model plays for its tenant, in the output schema's enum.
            suffixes: row → the whole encoded prediction, made elsewhere.
            predicted_at_ms: when, in ms since the epoch.

        """
        is_written = (predictions.slots >= 0) & (predictions.status == 0)
        is_written[list(suffixes)] = True
        rows = np.flatnonzero(is_written)
        starts, native = _joined(suffixes, len(records))
        tails = [_tail(partition, predicted_at_ms) for partition in records.partitions]
        buffer = np.empty(self._room(rows, records, predictions, tails) + len(native), np.uint8)
        ends = np.empty(len(rows), np.int64)
        frame = decoded.output_frame()
        write_outputs(
            rows,
            np.frombuffer(records.payload, np.uint8),
            frame.body,
            records.bounds,
            frame.prefix,
            frame.prefixes,
            predictions.slots,
            variants,
            predictions.label,
            predictions.numbers,
            predictions.scores,
            predictions.outputs,
            predictions.outputs.view(np.int64),
            predictions.output_start,
            self._limit,
            self.templates.heads,
            self.templates.classes,
            self.templates.bounds,
            self.templates.text,
            starts,
            np.frombuffer(native or b"\0", np.uint8),
            records.partition,
            bounds_of(tails),
            np.frombuffer(b"".join(tails) or b"\0", np.uint8),
            records.offsets,
            buffer,
            ends,
        )
        return _written(rows, ends, buffer)

    def _room(self, rows: NDArray[np.int64], records: RecordBatch, predictions: Predictions, tails: Sequence[bytes]) -> int:
        each = max(map(len, tails), default=0) + 4 * _LONG_BYTES
        most = self.templates.max_bytes[predictions.slots[rows]].sum()
        return int(len(records.payload) + most + 8 * len(predictions.outputs) + each * len(rows))


def _written(rows: NDArray[np.int64], ends: NDArray[np.int64], buffer: NDArray[np.uint8]) -> WrittenOutputs:
    invalid = ends < 0
    bad = rows[invalid]
    if len(bad):
        rows, ends = rows[~invalid], ends[~invalid]
    return WrittenOutputs(rows, Spans(buffer, ends), bad)


def _joined(suffixes: Mapping[int, bytes], count: int) -> tuple[NDArray[np.int64], bytes]:
    """(count + 1,): where each row's suffix starts among all of them; and all of them."""
    starts = np.zeros(count + 1, np.int64)
    ordered = sorted(suffixes)
    starts[np.array(ordered, np.int64) + 1] = [len(suffixes[row]) for row in ordered]
    return np.cumsum(starts), b"".join(suffixes[row] for row in ordered)


def _tail(partition: PartitionId, predicted_at_ms: int) -> bytes:
    return encode_long(predicted_at_ms) + encode_string(partition.topic) + encode_long(partition.partition)
