"""What /metrics says, read as Prometheus reads it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from support.records import tenant_counts

from streamproc.batches import PartitionId, TenantCounts
from streamproc.errors import Reason, Stage
from streamproc.models.observer import KindObserver, ModelObserver
from streamproc.ports import BatchReport, CommitReport, PartitionLag, ProcessorObserver
from streamproc.telemetry.histogram import ArrayHistogram
from streamproc.telemetry.metrics import Metrics
from streamproc.telemetry.tenants import TenantLabels

CONTRACT = {
    "build_info": set(),
    "records_consumed_total": {"topic", "partition"},
    "records_produced_total": {"topic"},
    "dead_letters_total": {"reason"},
    "consumer_lag_records": {"topic", "partition"},
    "backlog_records": {"topic", "partition"},
    "consumer_lag_seconds": {"topic", "partition"},
    "end_to_end_latency_seconds": set(),
    "stage_duration_seconds": {"stage"},
    "batch_records": set(),
    "tenant_batch_records": set(),
    "tenant_records_total": {"tenant"},
    "model_cache_requests_total": {"result"},
    "model_cache_bytes": set(),
    "model_cache_models": set(),
    "model_cache_evictions_total": set(),
    "model_load_duration_seconds": set(),
    "models_loaded_total": {"kind"},
    "model_load_failures_total": {"reason"},
    "parked_records": set(),
    "parked_tenants": set(),
    "commits_total": {"result"},
    "rebalances_total": {"event"},
    "assigned_partitions": set(),
    "delivery_failures_total": set(),
    "last_poll_timestamp_seconds": set(),
    "last_commit_timestamp_seconds": set(),
}

P0, P1 = PartitionId("events", 0), PartitionId("events", 1)


def metrics(*, tenant_limit: int = 50, tenants: tuple[str, ...] = (), now: float = 1000.0) -> Metrics:
    return Metrics(version="1.2.3", tenant_limit=tenant_limit, tenants=tenants, wall=lambda: now)


def report(**values: object) -> BatchReport:
    empty: dict[str, object] = {
        "consumed": {},
        "produced": {},
        "dead_letters": {},
        "tenants": tenant_counts({}),
        "latencies": np.zeros(0),
        "stage_seconds": {},
        "parked_records": 0,
        "parked_tenants": 0,
        "lags": {},
    }
    return BatchReport(**{**empty, **values})  # type: ignore[arg-type]  # a builder of test values


def scraped(registry: CollectorRegistry) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        for sample in family.samples
    }


def value(shown: Metrics, name: str, labels: Mapping[str, str] | None = None) -> float:
    return scraped(shown.registry)[f"streamproc_{name}", frozenset((labels or {}).items())]


def series(shown: Metrics, name: str) -> set[frozenset[tuple[str, str]]]:
    return {labels for sample, labels in scraped(shown.registry) if sample == f"streamproc_{name}"}


def busy() -> Metrics:
    shown = metrics()
    shown.rebalanced("assigned", [P0, P1], 2)
    shown.batch_done(
        report(
            consumed={P0: 3, P1: 2},
            produced={"predictions": 4},
            dead_letters={Reason.BAD_FRAMING: 1},
            tenants=tenant_counts({"a": 3, "b": 1}),
            latencies=np.array([0.001, 0.0011, 0.2, 5000.0]),
            stage_seconds={Stage.POLL: 0.02, Stage.COMMIT: 0.3},
            parked_records=7,
            parked_tenants=2,
            lags={P0: PartitionLag(5, 4, 1.5), P1: PartitionLag(None, None, 0.0)},
        )
    )
    shown.commit_done(CommitReport(succeeded=True, seconds=0.1))
    return shown


def test_every_metric_of_the_contract_is_there_with_its_labels() -> None:
    shown = busy()
    families = {family.name: family for family in text_string_to_metric_families(generate_latest(shown.registry).decode())}
    ours = {name.removeprefix("streamproc_"): family for name, family in families.items() if name.startswith("streamproc_")}
    assert set(ours) == {name.removesuffix("_total") for name in CONTRACT}
    for name, labels in CONTRACT.items():
        family = ours[name.removesuffix("_total")]
        assert family.samples, name
        if name != "build_info":
            assert {label for sample in family.samples for label in sample.labels} - {"le"} == labels, name
        assert (family.type == "counter") == name.endswith("_total"), name
        assert family.documentation


def test_the_metrics_are_observers_of_the_processor_and_of_models() -> None:
    shown = metrics()
    processor: ProcessorObserver = shown  # mypy checks it
    models: ModelObserver = shown
    kinds: KindObserver = shown
    assert id(processor) == id(models) == id(kinds)


def test_build_info_carries_the_version() -> None:
    (labels,) = series(metrics(), "build_info")
    assert dict(labels)["version"] == "1.2.3"


def test_a_pass_of_the_loop_is_counted() -> None:
    shown = busy()
    assert value(shown, "records_consumed_total", {"topic": "events", "partition": "0"}) == 3
    assert value(shown, "records_produced_total", {"topic": "predictions"}) == 4
    assert value(shown, "dead_letters_total", {"reason": "bad_framing"}) == 1
    assert value(shown, "dead_letters_total", {"reason": "crashed_process"}) == 0
    assert value(shown, "tenant_records_total", {"tenant": "a"}) == 3
    assert value(shown, "batch_records_sum") == 5
    assert value(shown, "tenant_batch_records_count") == 2
    assert value(shown, "parked_records") == 7
    assert value(shown, "parked_tenants") == 2
    assert value(shown, "stage_duration_seconds_sum", {"stage": "commit"}) == 0.3
    assert value(shown, "stage_duration_seconds_count", {"stage": "decode"}) == 0
    assert value(shown, "last_poll_timestamp_seconds") == 1000.0
    assert value(shown, "last_commit_timestamp_seconds") == 1000.0
    assert value(shown, "commits_total", {"result": "success"}) == 1


def test_lag_is_shown_only_where_it_is_known() -> None:
    shown = busy()
    assert value(shown, "consumer_lag_records", {"topic": "events", "partition": "0"}) == 5
    assert value(shown, "backlog_records", {"topic": "events", "partition": "0"}) == 4
    assert value(shown, "consumer_lag_seconds", {"topic": "events", "partition": "0"}) == 1.5
    assert len(series(shown, "consumer_lag_records")) == 1
    assert len(series(shown, "consumer_lag_seconds")) == 2


@pytest.mark.parametrize("event", ["revoked", "lost"])
def test_the_series_of_a_partition_that_went_away_are_removed(event: str) -> None:
    shown = busy()
    shown.rebalanced(event, [P0], 1)
    for name in ("records_consumed_total", "consumer_lag_records", "backlog_records", "consumer_lag_seconds"):
        assert frozenset({("topic", "events"), ("partition", "0")}) not in series(shown, name)
    assert frozenset({("topic", "events"), ("partition", "1")}) in series(shown, "records_consumed_total")
    assert value(shown, "assigned_partitions") == 1
    assert value(shown, "rebalances_total", {"event": event}) == 1


def test_removing_a_partition_without_series_is_no_error() -> None:
    metrics().rebalanced("revoked", [P0], 0)


def test_a_failed_commit_moves_no_timestamp() -> None:
    shown = metrics()
    shown.commit_done(CommitReport(succeeded=False, seconds=0.1))
    shown.delivery_failed()
    assert value(shown, "commits_total", {"result": "failure"}) == 1
    assert value(shown, "last_commit_timestamp_seconds") == 0
    assert value(shown, "delivery_failures_total") == 1


def test_a_pass_without_records_leaves_the_batch_histogram_alone() -> None:
    shown = metrics()
    shown.batch_done(report())
    assert value(shown, "batch_records_count") == 0
    assert value(shown, "last_poll_timestamp_seconds") == 1000.0


def test_what_happens_to_models_is_counted() -> None:
    shown = metrics()
    shown.model_requested("hit")
    shown.model_loaded(0.2)
    shown.model_load_failed("model_rejected")
    shown.cache_changed(3, 4096)
    shown.model_evicted()
    shown.model_compiled("trees")
    shown.waiting("anything")
    assert value(shown, "model_cache_requests_total", {"result": "hit"}) == 1
    assert value(shown, "model_cache_requests_total", {"result": "negative"}) == 0
    assert value(shown, "model_load_duration_seconds_sum") == 0.2
    assert value(shown, "model_load_failures_total", {"reason": "model_rejected"}) == 1
    assert value(shown, "models_loaded_total", {"kind": "trees"}) == 1
    assert value(shown, "models_loaded_total", {"kind": "native"}) == 0
    assert value(shown, "model_cache_models") == 3
    assert value(shown, "model_cache_bytes") == 4096
    assert value(shown, "model_cache_evictions_total") == 1


def test_tenants_beyond_the_limit_share_one_series() -> None:
    shown = metrics(tenant_limit=2, tenants=("named",))
    shown.batch_done(report(tenants=tenant_counts({"first": 1, "second": 2, "third": 4, "named": 8})))
    shown.batch_done(report(tenants=tenant_counts({"second": 16, "first": 32})))
    tenants = {dict(labels)["tenant"] for labels in series(shown, "tenant_records_total")}
    assert tenants == {"named", "first", "__other__"}
    assert value(shown, "tenant_records_total", {"tenant": "__other__"}) == 22
    assert value(shown, "tenant_records_total", {"tenant": "first"}) == 33


def test_a_tenant_named_like_the_rest_takes_no_place() -> None:
    labels = TenantLabels(["__other__"], 1)
    assert labels.tally(tenant_counts({"__other__": 2, "first": 1})) == [("__other__", 2), ("first", 1)]


def test_a_limit_of_zero_gives_no_tenant_a_series() -> None:
    assert TenantLabels([], 0).tally(tenant_counts({"a": 1, "b": 4})) == [("__other__", 5)]


def test_a_tenant_keeps_its_series_when_its_number_changes() -> None:
    labels = TenantLabels([], 2)
    assert labels.tally(TenantCounts(["a", "b"], 0, np.array([0, 1], np.int32), np.array([1, 2]))) == [("a", 1), ("b", 2)]
    assert labels.tally(TenantCounts(["a", "b", "c"], 0, np.array([2], np.int32), np.array([9]))) == [("__other__", 9)]
    assert labels.tally(TenantCounts(["b", "c"], 1, np.array([0, 1], np.int32), np.array([3, 4]))) == [
        ("__other__", 4),
        ("b", 3),
    ]


def test_a_hostile_tenant_name_survives_the_exposition() -> None:
    shown = metrics()
    shown.batch_done(report(tenants=tenant_counts({'q"uo\\te\nline{}': 1})))
    assert value(shown, "tenant_records_total", {"tenant": 'q"uo\\te\nline{}'}) == 1


def test_an_array_is_counted_into_the_buckets_that_one_by_one_would_give() -> None:
    registry = CollectorRegistry()
    histogram = ArrayHistogram("h", "test", (1, 2.5, 10), registry=registry)
    values = np.random.default_rng(0).uniform(0, 12, 500)
    values[:4] = (1, 2.5, 10, 0)
    histogram.observe(values)
    shown = scraped(registry)
    for bound, name in ((1, "1.0"), (2.5, "2.5"), (10, "10.0"), (np.inf, "+Inf")):
        assert shown["h_bucket", frozenset({("le", name)})] == np.count_nonzero(values <= bound)
    assert shown["h_count", frozenset()] == 500
    assert shown["h_sum", frozenset()] == pytest.approx(values.sum())


def test_what_is_no_number_is_not_counted() -> None:
    registry = CollectorRegistry()
    histogram = ArrayHistogram("h", "test", (1,), registry=registry)
    histogram.observe(np.array([np.nan, np.inf]))
    assert scraped(registry)["h_count", frozenset()] == 0
