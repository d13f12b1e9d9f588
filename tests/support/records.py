"""Record batches for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count

import numpy as np

from streamproc.avro.decoder import DecodedBatch
from streamproc.avro.outputs import OutputWriter
from streamproc.batches import PartitionId, Predictions, RecordBatch, TenantCounts, bounds_of

_generations = count(1)


def record_batch(
    values: list[bytes | None], *, topic: str = "events", partition: int = 0, first_offset: int = 0, timestamp: int = 7
) -> RecordBatch:
    """Consecutive records of one partition, keyed `k0`, `k1` and so on."""
    spans = [value or b"" for value in values]
    n = len(values)
    return RecordBatch(
        payload=b"".join(spans),
        bounds=bounds_of(spans),
        null=np.array([value is None for value in values], np.bool_),
        keys=[f"k{row}".encode() for row in range(n)],
        headers=[None] * n,
        timestamps=np.full(n, timestamp, np.int64),
        partitions=(PartitionId(topic, partition),),
        partition=np.zeros(n, np.int32),
        offsets=np.arange(first_offset, first_offset + n, dtype=np.int64),
    )


def tenant_counts(counts: Mapping[str, int]) -> TenantCounts:
    """So many records of each tenant, their numbers of no other batch's meaning."""
    numbers = np.arange(len(counts), dtype=np.int32)
    return TenantCounts(list(counts), next(_generations), numbers, np.array(list(counts.values()), np.int64))


def output_values(batch: RecordBatch, decoded: DecodedBatch, suffixes: Sequence[bytes]) -> list[bytes]:
    """The output records of the batch's first rows, whose predictions are encoded already."""
    rows = dict(enumerate(suffixes))
    none = np.zeros(len(batch), np.uint8)
    return list(OutputWriter(scores=True).write(batch, decoded, Predictions.none(len(batch)), none, rows, 0).values)
