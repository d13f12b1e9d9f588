"""Record batches for tests."""

from __future__ import annotations

import numpy as np

from streamproc.batches import PartitionId, RecordBatch, bounds_of


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
