"""Metrics as a busy replica exposes them: every series there is, with some value."""

from __future__ import annotations

import numpy as np
from support.records import tenant_counts

from streamproc.batches import PartitionId
from streamproc.errors import Reason, Stage
from streamproc.ports import BatchReport, CommitReport, PartitionLag
from streamproc.telemetry.metrics import Metrics

EVENTS = PartitionId("events", 0)


def exercised(metrics: Metrics) -> Metrics:
    """Tells `metrics` of a pass of the loop in which everything happened; may be called again and again."""
    metrics.rebalanced("assigned", [EVENTS], 1)
    metrics.batch_done(
        BatchReport(
            consumed={EVENTS: 1000},
            produced={"predictions": 900, "events.dead-letters": 100},
            dead_letters={Reason.UNDECODABLE: 100},
            tenants=tenant_counts({"acme": 600, "globex": 300}),
            latencies=np.full(900, 0.02),
            stage_seconds=dict.fromkeys(Stage, 0.001),
            parked_records=5,
            parked_tenants=1,
            lags={EVENTS: PartitionLag(records=40, backlog=20, seconds=0.5)},
        )
    )
    metrics.commit_done(CommitReport(succeeded=True, seconds=0.01))
    metrics.delivery_failed()
    metrics.model_requested("hit")
    metrics.model_requested("miss")
    metrics.model_loaded(0.1)
    metrics.model_compiled("linear")
    metrics.model_load_failed("unavailable")
    metrics.cache_changed(2, 4096)
    metrics.model_evicted()
    return metrics
