"""What has become of a batch's rows so far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamproc.avro.decoder import DecodedBatch
from streamproc.avro.outputs import WrittenOutputs
from streamproc.batches import (
    BatchResult,
    DeadLetter,
    OutgoingRecords,
    Predictions,
    RecordBatch,
    TenantCounts,
)
from streamproc.errors import RecordError


class TenantRows(NamedTuple):
    """Some sound records of one tenant."""

    tenant: str
    rows: NDArray[np.int64]
    """Ascending."""


class Outcome:
    """Each row ends as a prediction, a dead letter, or waits; a tenant's rows behind one that waits wait too."""

    def __init__(self, records: RecordBatch, decoded: DecodedBatch) -> None:
        self.records = records
        self.decoded = decoded
        self.predictions = Predictions.none(len(records))
        self.suffixes: dict[int, bytes] = {}
        """Row → its encoded prediction, where no compiled model made it."""
        self._dead: dict[int, DeadLetter] = {}
        self._waits_from: dict[str, int] = {}

    def kill(self, row: int, error: RecordError, tenant: str | None, exception: str | None = None) -> None:
        """The record becomes a dead letter."""
        name = exception or type(error).__name__
        self._dead[row] = DeadLetter(row, error.reason, error.stage, name, error.message, tenant, error.model_id)

    def wait(self, tenant: str, row: int) -> None:
        """The tenant's records from this row on have to wait, but for those that are dead."""
        self._waits_from[tenant] = min(row, self._waits_from.get(tenant, row))

    def settle(self) -> dict[str, NDArray[np.int64]]:
        """Tenant → its rows that wait. What was predicted of them is forgotten."""
        waiting: dict[str, NDArray[np.int64]] = {}
        if not self._waits_from:
            return waiting
        dead = np.zeros(len(self.records), np.bool_)
        dead[list(self._dead)] = True
        for tenant_rows in by_tenant(self.decoded, np.flatnonzero(~dead)):
            first = self._waits_from.get(tenant_rows.tenant)
            if first is None:
                continue
            rows = waiting[tenant_rows.tenant] = tenant_rows.rows[tenant_rows.rows >= first]
            self.predictions.slots[rows] = -1
            for row in rows.tolist():
                self.suffixes.pop(row, None)
        return waiting

    def result(self, topic: str, written: WrittenOutputs, waiting: dict[str, NDArray[np.int64]]) -> BatchResult:
        """The batch's end."""
        records, decoded, rows = self.records, self.decoded, written.rows
        event_times = decoded.event_time[rows]
        return BatchResult(
            records=records,
            outputs=OutgoingRecords(
                topic=topic,
                values=written.values,
                keys=_keys(records, decoded, rows),
                headers=decoded.output_headers(rows),
                timestamps=records.timestamps[rows],
            ),
            predicted=rows,
            event_times=np.where(event_times >= 0, event_times, records.timestamps[rows]),
            dead=tuple(self._dead[row] for row in sorted(self._dead)),
            parked={tenant: records.take(rows) for tenant, rows in waiting.items()},
            tenants=TenantCounts.of(decoded.tenants, decoded.generation, decoded.tenant[rows]),
        )


def _keys(records: RecordBatch, decoded: DecodedBatch, rows: NDArray[np.int64]) -> list[bytes | None]:
    keys = records.keys if len(rows) == len(records) else [records.keys[row] for row in rows.tolist()]
    if all(keys) or None not in keys:  # the first is quicker, and nearly always enough
        return keys
    tenants = decoded.tenant[rows].tolist()
    return [decoded.tenants[tenant].encode() if key is None else key for tenant, key in zip(tenants, keys, strict=True)]


def by_tenant(decoded: DecodedBatch, rows: NDArray[np.int64]) -> Sequence[TenantRows]:
    """The rows (ascending, each with a tenant or left out) of each tenant, in the order of their numbers."""
    rows = rows[decoded.tenant[rows] >= 0]
    if not len(rows):
        return []
    order = rows[np.argsort(decoded.tenant[rows], kind="stable")]
    tenants = decoded.tenant[order]
    starts = np.flatnonzero(np.r_[True, tenants[1:] != tenants[:-1]])
    parts = np.split(order, starts[1:])
    return [TenantRows(decoded.tenants[int(tenants[start])], part) for start, part in zip(starts, parts, strict=True)]
