"""Decode → route → predict → encode of one batch. No Kafka in it, and no waiting."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from streamproc.avro.decoder import Decoder
from streamproc.avro.outputs import OutputWriter
from streamproc.batches import BatchResult, RecordBatch
from streamproc.clock import Clock, StageClock
from streamproc.errors import Reason, RecordError, Stage
from streamproc.models.routes import NO_SLOT
from streamproc.models.serving import Route, Served, Unserved, Waiting
from streamproc.pipeline.faults import UNENCODABLE
from streamproc.pipeline.fused import FusedModels
from streamproc.pipeline.native import NativePath
from streamproc.pipeline.outcome import Outcome, TenantRows, by_tenant

_Natives = list[tuple[TenantRows, Served]]


class Router(Protocol):
    """What the pipeline needs of `TenantModels`."""

    def begin_batch(self, generation: int, tenants: int) -> None:
        """See `TenantModels.begin_batch`."""

    def slots(self, numbers: NDArray[np.int32]) -> NDArray[np.int32]:
        """See `TenantModels.slots`."""

    def variants(self, numbers: NDArray[np.int32]) -> NDArray[np.uint8]:
        """See `TenantModels.variants`."""

    def used(self, slots: NDArray[np.int32], tenants: int) -> None:
        """See `TenantModels.used`."""

    def route(self, tenant: str, number: int) -> Route:
        """See `TenantModels.route`."""


class Pipeline:
    """Turns batches into results. Owns nothing between two batches."""

    def __init__(  # noqa: PLR0913 - its collaborators; each is used by it
        self,
        decoder: Decoder,
        router: Router,
        fused: FusedModels,
        native: NativePath,
        writer: OutputWriter,
        *,
        output_topic: str,
        max_seconds: float,
        stages: StageClock,
        clock: Clock,
    ) -> None:
        self._decoder = decoder
        self._router = router
        self._fused = fused
        self._native = native
        self._writer = writer
        self._output_topic = output_topic
        self._max_seconds = max_seconds
        self._stages = stages
        self._clock = clock

    def process(self, records: RecordBatch) -> BatchResult:
        """Take each record to its end, or to the point where it has to wait.

        Raises:
            TransientError: the source of schemas does not answer; nothing has happened to the batch.

        """
        deadline = self._clock.monotonic() + self._max_seconds
        with self._stages.measure(Stage.DECODE):
            decoded = self._decoder.decode(records)
        outcome = Outcome(records, decoded)
        for row in np.flatnonzero(decoded.status).tolist():
            outcome.kill(row, decoded.error(row), decoded.named_tenant(row))
        with self._stages.measure(Stage.ROUTE):
            slots, natives = self._route(outcome)
        with self._stages.measure(Stage.PREDICT):
            left = self._fused.predict(outcome, slots, lambda: self._clock.monotonic() <= deadline)
        self._predict_natively(outcome, [*natives, *self._unfused(outcome, left)], deadline)
        with self._stages.measure(Stage.ENCODE):
            return self._encode(outcome)

    def _route(self, outcome: Outcome) -> tuple[NDArray[np.int32], _Natives]:
        """(n,): the slot of each sound row's compiled model, NO_SLOT where there is none; and the tenants of native models."""
        decoded, natives = outcome.decoded, []
        self._router.begin_batch(decoded.generation, len(decoded.tenants))
        tenant = np.where(decoded.status == 0, decoded.tenant, np.int32(-1))
        slots = self._router.slots(tenant)
        self._tell_used(slots, tenant)
        unknown = np.flatnonzero((slots == NO_SLOT) & (tenant >= 0))
        for tenant_rows in by_tenant(decoded, unknown):
            match self._router.route(tenant_rows.tenant, int(decoded.tenant[tenant_rows.rows[0]])):
                case Served(slot=slot) as served:
                    slots[tenant_rows.rows] = slot
                    if slot == NO_SLOT:
                        natives.append((tenant_rows, served))
                case Unserved(error):
                    for row in tenant_rows.rows.tolist():
                        outcome.kill(row, error, tenant_rows.tenant)
                case Waiting():
                    outcome.wait(tenant_rows.tenant, int(tenant_rows.rows[0]))
        return slots, natives

    def _tell_used(self, slots: NDArray[np.int32], tenant: NDArray[np.int32]) -> None:
        known = slots >= 0
        if known.any():
            seen = np.zeros(int(tenant.max()) + 1, np.bool_)
            seen[tenant[known]] = True
            self._router.used(slots[known], int(np.count_nonzero(seen)))

    def _unfused(self, outcome: Outcome, rows: NDArray[np.int64]) -> _Natives:
        """Rows of compiled models that kernels can't read: the same models predict them from frames."""
        found: _Natives = []
        for tenant_rows in by_tenant(outcome.decoded, rows):
            number = int(outcome.decoded.tenant[tenant_rows.rows[0]])
            served = self._router.route(tenant_rows.tenant, number)
            if isinstance(served, Served):
                found.append((tenant_rows, served))
            else:
                outcome.wait(tenant_rows.tenant, int(tenant_rows.rows[0]))
        return found

    def _predict_natively(self, outcome: Outcome, natives: _Natives, deadline: float) -> None:
        """Predict tenant by tenant. Those for whom no time is left get their turn, in order, in the next pass."""
        for number, (tenant_rows, served) in enumerate(natives):
            if number and self._clock.monotonic() > deadline:
                outcome.wait(tenant_rows.tenant, int(tenant_rows.rows[0]))
            else:
                self._native.predict(outcome, tenant_rows, served, deadline)

    def _encode(self, outcome: Outcome) -> BatchResult:
        waiting = outcome.settle()
        decoded, predictions = outcome.decoded, outcome.predictions
        variants = self._router.variants(decoded.tenant)
        now = int(self._clock.wall() * 1000)
        written = self._writer.write(outcome.records, decoded, predictions, variants, outcome.suffixes, now)
        for row in written.invalid.tolist():
            model_id, _ = self._fused.model(int(predictions.slots[row]))
            error = RecordError(Reason.PREDICTION_INVALID, Stage.ENCODE, UNENCODABLE, model_id=model_id)
            outcome.kill(row, error, decoded.tenants[decoded.tenant[row]])
        return outcome.result(self._output_topic, written, waiting)
