"""Every metric that streamproc exposes, in one place."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, get_args

import numpy as np
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    ProcessCollector,
    disable_created_metrics,
)

from streamproc.batches import PartitionId, TenantCounts
from streamproc.errors import Reason, Stage
from streamproc.models.observer import ServedBy
from streamproc.ports import BatchReport, CommitReport, PartitionLag
from streamproc.telemetry.histogram import ArrayHistogram
from streamproc.telemetry.tenants import TenantLabels

PREFIX = "streamproc"

_LATENCY_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600)
_STAGE_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_LOAD_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_BATCH_RECORDS = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000)

_PARTITION = ("topic", "partition")


class Metrics:
    """What Prometheus is told: a `ProcessorObserver` on the loop, a `ModelObserver` and a `KindObserver` on any thread."""

    def __init__(
        self,
        *,
        version: str,
        tenant_limit: int,
        tenants: Sequence[str],
        wall: Callable[[], float],
    ) -> None:
        # They would double the series; Prometheus finds a restart by the reset.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the package leaves it untyped
        self.registry = CollectorRegistry()
        self._wall = wall
        self._tenants = TenantLabels(tenants, tenant_limit)
        ProcessCollector(registry=self.registry)
        self._define_records()
        self._define_partitions()
        self._define_loop()
        self._define_models()
        build = self._gauge("build_info", "1, with what is running as labels.", "version", "python_version")
        build.labels(version, platform.python_version()).set(1)

    def _define_records(self) -> None:
        self._consumed = self._counter("records_consumed", "Records received from the input topics.", *_PARTITION)
        self._produced = self._counter("records_produced", "Records handed to the producer.", "topic")
        self._dead_letters = self._counter("dead_letters", "Records that became dead letters.", "reason")
        for reason in Reason:
            self._dead_letters.labels(reason.value)
        self._tenant_records = self._counter("tenant_records", "Records predicted, by tenant.", "tenant")
        self._latency = self._histogram(
            "end_to_end_latency_seconds", "From a record's time to its output's hand-over to the producer.", _LATENCY_SECONDS
        )
        self._batch = self._histogram("batch_records", "Records in a batch.", _BATCH_RECORDS)
        self._tenant_batch = self._histogram("tenant_batch_records", "Records of one tenant in a batch.", _BATCH_RECORDS)

    def _define_partitions(self) -> None:
        self._lag_records = self._gauge("consumer_lag_records", "End offset minus committed offset.", *_PARTITION)
        self._backlog = self._gauge("backlog_records", "Records not yet finished, whether committed or not.", *_PARTITION)
        self._lag_seconds = self._gauge("consumer_lag_seconds", "Age of the oldest record not yet committed.", *_PARTITION)
        self._assigned = self._gauge("assigned_partitions", "Partitions that this replica holds.")
        self._rebalances = self._counter("rebalances", "Rebalances that this replica took part in.", "event")
        for event in ("assigned", "revoked", "lost"):
            self._rebalances.labels(event)

    def _define_loop(self) -> None:
        self._stages = ArrayHistogram(
            f"{PREFIX}_stage_duration_seconds",
            "Time that a pass of the loop spent in a stage.",
            _STAGE_SECONDS,
            registry=self.registry,
            label="stage",
            label_values=[stage.value for stage in Stage],
        )
        self._commits = self._counter("commits", "Commits tried.", "result")
        for result in ("success", "failure"):
            self._commits.labels(result)
        self._delivery_failures = self._counter("delivery_failures", "Deliveries that failed and were begun again.")
        self._last_poll = self._gauge("last_poll_timestamp_seconds", "When the loop last finished a pass.")
        self._last_commit = self._gauge("last_commit_timestamp_seconds", "When a commit last succeeded.")
        self._parked_records = self._gauge("parked_records", "Records that wait for their tenant's model.")
        self._parked_tenants = self._gauge("parked_tenants", "Tenants that wait for their model.")

    def _define_models(self) -> None:
        self._requests = self._counter("model_cache_requests", "Look-ups of a tenant's model, one a batch.", "result")
        for result in ("hit", "miss", "negative"):
            self._requests.labels(result)
        self._cache_bytes = self._gauge("model_cache_bytes", "Memory held by cached models.")
        self._cache_models = self._gauge("model_cache_models", "Models in the cache.")
        self._evictions = self._counter("model_cache_evictions", "Models dropped to make room.")
        self._load = self._histogram("model_load_duration_seconds", "From asking for a model to having it.", _LOAD_SECONDS)
        self._load_failures = self._counter("model_load_failures", "Models that could not be loaded.", "reason")
        for reason in (Reason.MODEL_MISSING.value, Reason.MODEL_REJECTED.value, "unavailable"):
            self._load_failures.labels(reason)
        self._loaded = self._counter("models_loaded", "Models loaded, by what predicts with them.", "kind")
        for kind in get_args(ServedBy):
            self._loaded.labels(kind)

    # ProcessorObserver

    def batch_done(self, report: BatchReport) -> None:
        """A pass of the loop is over."""
        self._last_poll.set(self._wall())
        for partition, records in report.consumed.items():
            self._consumed.labels(*_labels(partition)).inc(records)
        for topic, records in report.produced.items():
            self._produced.labels(topic).inc(records)
        for reason, records in report.dead_letters.items():
            self._dead_letters.labels(reason.value).inc(records)
        self._count_tenants(report.tenants)
        self._latency.observe(report.latencies)
        if consumed := sum(report.consumed.values()):
            self._batch.observe(np.array([consumed], np.float64))
        for stage, seconds in report.stage_seconds.items():
            self._stages.observe(np.array([seconds], np.float64), stage.value)
        self._parked_records.set(report.parked_records)
        self._parked_tenants.set(report.parked_tenants)
        self._show_lags(report.lags)

    def commit_done(self, report: CommitReport) -> None:
        """A commit was tried; its duration is among the stages'."""
        self._commits.labels("success" if report.succeeded else "failure").inc()
        if report.succeeded:
            self._last_commit.set(self._wall())

    def delivery_failed(self) -> None:
        """A flush raised."""
        self._delivery_failures.inc()

    def rebalanced(self, event: str, partitions: Sequence[PartitionId], assigned: int) -> None:
        """The series of partitions that went to another replica go too: that replica shows them now."""
        self._rebalances.labels(event).inc()
        self._assigned.set(assigned)
        if event != "assigned":
            self._remove_partitions(partitions)

    def waiting(self, what: str | None) -> None:
        """Told by /readyz and the log, not by a metric: the text may be anything."""

    # ModelObserver

    def model_requested(self, result: Literal["hit", "miss", "negative"], tenants: int = 1) -> None:
        """So many tenants' models were looked up, once for one batch."""
        self._requests.labels(result).inc(tenants)

    def model_loaded(self, seconds: float) -> None:
        """An artifact became a model."""
        self._load.observe(np.array([seconds], np.float64))

    def model_load_failed(self, reason: str) -> None:
        """It did not."""
        self._load_failures.labels(reason).inc()

    def model_compiled(self, kind: ServedBy) -> None:
        """A model was loaded, and this is how it will predict."""
        self._loaded.labels(kind).inc()

    def cache_changed(self, models: int, nbytes: int) -> None:
        """The cache now holds so much."""
        self._cache_models.set(models)
        self._cache_bytes.set(nbytes)

    def model_evicted(self) -> None:
        """The cache dropped a model to make room."""
        self._evictions.inc()

    def _count_tenants(self, tenants: TenantCounts) -> None:
        for label, records in self._tenants.tally(tenants):
            self._tenant_records.labels(label).inc(records)
        self._tenant_batch.observe(tenants.counts.astype(np.float64))

    def _show_lags(self, lags: Mapping[PartitionId, PartitionLag]) -> None:
        for partition, lag in lags.items():
            labels = _labels(partition)
            self._lag_seconds.labels(*labels).set(lag.seconds)
            if lag.records is not None:
                self._lag_records.labels(*labels).set(lag.records)
            if lag.backlog is not None:
                self._backlog.labels(*labels).set(lag.backlog)

    def _remove_partitions(self, partitions: Iterable[PartitionId]) -> None:
        for metric in (self._consumed, self._lag_records, self._backlog, self._lag_seconds):
            for partition in partitions:
                metric.remove_by_labels(dict(zip(_PARTITION, _labels(partition), strict=True)))

    def _counter(self, name: str, documentation: str, *labels: str) -> Counter:
        return Counter(f"{PREFIX}_{name}", documentation, labels, registry=self.registry)

    def _gauge(self, name: str, documentation: str, *labels: str) -> Gauge:
        return Gauge(f"{PREFIX}_{name}", documentation, labels, registry=self.registry)

    def _histogram(self, name: str, documentation: str, bounds: Sequence[float]) -> ArrayHistogram:
        return ArrayHistogram(f"{PREFIX}_{name}", documentation, bounds, registry=self.registry)


def _labels(partition: PartitionId) -> tuple[str, str]:
    return partition.topic, str(partition.partition)
