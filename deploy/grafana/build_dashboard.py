"""Builds streamproc.json, the Grafana dashboard: `python deploy/grafana/build_dashboard.py` (`make dashboard`) writes it anew.

The panels are the table `ROWS`; everything below it turns that table into Grafana's format.
"""  # noqa: INP001 - a script

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as dashboard_models

TARGET = Path(__file__).with_name("streamproc.json")

_SOURCE = dashboard_models.DataSourceRef(type_val="prometheus", uid="${datasource}")
_ON = '{instance=~"$instance"}'


@dataclass(frozen=True)
class Query:
    """A PromQL expression; `legend` names its series, with labels in double braces."""

    expression: str
    legend: str


@dataclass(frozen=True)
class Graph:
    """A panel over time. `unit` is Grafana's name of it; `width` of 24 columns."""

    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    width: int = 8
    stacked: bool = False


@dataclass(frozen=True)
class Figure:
    """A panel with the latest value of one query; it turns orange and red from these values on."""

    title: str
    description: str
    unit: str
    expression: str
    warning: float | None = None
    critical: float | None = None


def _rate(metric: str, by: str, labels: str = "") -> str:
    """Per second, summed by these labels."""
    selector = f'{{instance=~"$instance"{"," if labels else ""}{labels}}}'
    return f"sum by ({by}) (rate({metric}{selector}[$__rate_interval]))"


def _quantile(share: float, metric: str) -> str:
    """A quantile over all replicas."""
    return f"histogram_quantile({share}, {_rate(metric + '_bucket', 'le')})"


def _total(metric: str) -> str:
    """Per second, over all replicas."""
    return f"sum(rate({metric}{_ON}[$__rate_interval]))"


def _quantiles(metric: str) -> tuple[Query, ...]:
    return (Query(_quantile(0.5, metric), "p50"), Query(_quantile(0.99, metric), "p99"))


_DEAD_SHARE = f"{_total('streamproc_dead_letters_total')} / {_total('streamproc_records_consumed_total')}"
_REQUESTS = "streamproc_model_cache_requests_total"
_HIT_SHARE = _rate(_REQUESTS, "instance", 'result="hit"') + " / " + _rate(_REQUESTS, "instance")
_STAGE_SHARE = (
    f"{_rate('streamproc_stage_duration_seconds_sum', 'stage')} / scalar({_total('streamproc_stage_duration_seconds_sum')})"
)

ROWS: tuple[tuple[str, tuple[Figure | Graph, ...]], ...] = (
    (
        "At a glance",
        (
            Figure("Replicas", "Replicas that answer Prometheus.", "none", 'sum(up{job="streamproc",instance=~"$instance"})'),
            Figure("Consumed", "Records read a second.", "reqps", _total("streamproc_records_consumed_total")),
            Figure(
                "Lag", "Age of the oldest record not yet committed.", "s", f"max(streamproc_consumer_lag_seconds{_ON})", 60, 900
            ),
            Figure(
                "Backlog", "Records not yet finished: scale on this.", "short", f"sum(streamproc_backlog_records{_ON})", 10_000
            ),
            Figure("Latency p99", "Record's time to hand-over.", "s", _quantile(0.99, "streamproc_end_to_end_latency_seconds")),
            Figure("Dead letters", "Share of the records that become dead letters.", "percentunit", _DEAD_SHARE, 0.02, 0.25),
        ),
    ),
    (
        "Throughput and lag",
        (
            Graph(
                "Records a second",
                "Read, and handed to the producer by topic (predictions and dead letters).",
                "reqps",
                (
                    Query(_total("streamproc_records_consumed_total"), "consumed"),
                    Query(_rate("streamproc_records_produced_total", "topic"), "produced to {{topic}}"),
                ),
                width=12,
            ),
            Graph(
                "Consumed by replica",
                "Replicas whose partitions carry more than the others'.",
                "reqps",
                (Query(_rate("streamproc_records_consumed_total", "instance"), "{{instance}}"),),
                width=12,
            ),
            Graph(
                "Lag in seconds",
                "Age of the oldest record not yet committed, by partition.",
                "s",
                (Query(f"max by (topic, partition) (streamproc_consumer_lag_seconds{_ON})", "{{topic}} {{partition}}"),),
            ),
            Graph(
                "Lag in records",
                "End offset minus committed offset, by partition.",
                "short",
                (Query(f"max by (topic, partition) (streamproc_consumer_lag_records{_ON})", "{{topic}} {{partition}}"),),
            ),
            Graph(
                "Backlog",
                "Records not yet finished, by partition; add replicas when it grows.",
                "short",
                (Query(f"max by (topic, partition) (streamproc_backlog_records{_ON})", "{{topic}} {{partition}}"),),
                stacked=True,
            ),
        ),
    ),
    (
        "Latency and stages",
        (
            Graph(
                "End-to-end latency",
                "From the record's timestamp to its hand-over to the producer (exactly once: to the commit).",
                "s",
                _quantiles("streamproc_end_to_end_latency_seconds"),
            ),
            Graph(
                "Share of time by stage",
                "Where a pass of the loop spends its time; poll includes waiting for records.",
                "percentunit",
                (Query(_STAGE_SHARE, "{{stage}}"),),
                stacked=True,
            ),
            Graph(
                "Batch size",
                "Records a pass of the loop, and of one tenant in it.",
                "short",
                (
                    *(Query(query.expression, f"batch {query.legend}") for query in _quantiles("streamproc_batch_records")),
                    *(
                        Query(query.expression, f"tenant {query.legend}")
                        for query in _quantiles("streamproc_tenant_batch_records")
                    ),
                ),
            ),
        ),
    ),
    (
        "Records and tenants",
        (
            Graph(
                "Dead letters by reason",
                "A bad record, or a tenant without a usable model; the reason says which.",
                "reqps",
                (Query(_rate("streamproc_dead_letters_total", "reason"), "{{reason}}"),),
                stacked=True,
            ),
            Graph(
                "Top tenants",
                "Predictions a second; tenants beyond metrics.tenant_limit are __other__.",
                "reqps",
                (Query(f"topk(10, {_rate('streamproc_tenant_records_total', 'tenant')})", "{{tenant}}"),),
            ),
            Graph(
                "Parked",
                "Records that wait for their tenant's model or result, and their tenants.",
                "short",
                (
                    Query(f"sum by (instance) (streamproc_parked_records{_ON})", "records {{instance}}"),
                    Query(f"sum by (instance) (streamproc_parked_tenants{_ON})", "tenants {{instance}}"),
                ),
            ),
        ),
    ),
    (
        "Models",
        (
            Graph(
                "Cache hits",
                "Share of the look-ups that found their model in memory.",
                "percentunit",
                (Query(_HIT_SHARE, "{{instance}}"),),
            ),
            Graph(
                "Cache size",
                "Bounded by models.cache_bytes.",
                "bytes",
                (Query(f"sum by (instance) (streamproc_model_cache_bytes{_ON})", "{{instance}}"),),
            ),
            Graph(
                "Models in memory, evictions",
                "Evictions that go on mean a cache too small for the replica's tenants.",
                "short",
                (
                    Query(f"sum by (instance) (streamproc_model_cache_models{_ON})", "models {{instance}}"),
                    Query(_rate("streamproc_model_cache_evictions_total", "instance"), "evictions/s {{instance}}"),
                ),
            ),
            Graph(
                "Time to load a model",
                "Fetch, verify, deserialize and check.",
                "s",
                _quantiles("streamproc_model_load_duration_seconds"),
                width=12,
            ),
            Graph(
                "Failures to load a model",
                "A second, by reason. The tenant keeps its former model where it has one.",
                "ops",
                (Query(_rate("streamproc_model_load_failures_total", "reason"), "{{reason}}"),),
                width=12,
            ),
            Graph(
                "Models loaded, by kind",
                "What predicts with them: a compiled kernel, or (native) the model's own library. `models show` says why.",
                "ops",
                (Query(_rate("streamproc_models_loaded_total", "kind"), "{{kind}}"),),
                width=12,
            ),
        ),
    ),
    (
        "Group and delivery",
        (
            Graph(
                "Assigned partitions",
                "By replica.",
                "none",
                (Query(f"sum by (instance) (streamproc_assigned_partitions{_ON})", "{{instance}}"),),
                width=6,
                stacked=True,
            ),
            Graph(
                "Rebalances",
                "Events in five minutes.",
                "short",
                (Query(f"sum by (event) (increase(streamproc_rebalances_total{_ON}[5m]))", "{{event}}"),),
                width=6,
            ),
            Graph(
                "Commits and delivery failures",
                "A second, by result. A delivery failure rewinds to the last commit.",
                "ops",
                (
                    Query(_rate("streamproc_commits_total", "result"), "commit {{result}}"),
                    Query(_total("streamproc_delivery_failures_total"), "delivery failure"),
                ),
                width=6,
            ),
            Graph(
                "Since last poll and commit",
                "Poll: the loop's heartbeat.",
                "s",
                (
                    Query(f"time() - streamproc_last_poll_timestamp_seconds{_ON}", "poll {{instance}}"),
                    Query(f"time() - streamproc_last_commit_timestamp_seconds{_ON}", "commit {{instance}}"),
                ),
                width=6,
            ),
        ),
    ),
)


def _target(query: Query, number: int) -> prometheus.Dataquery:
    return (
        prometheus.Dataquery()
        .datasource(_SOURCE)
        .expr(query.expression)
        .legend_format(query.legend)
        .ref_id(chr(ord("A") + number))
        .range()
    )


def _graph_panel(graph: Graph, number: int) -> timeseries.Panel:
    panel = (
        timeseries.Panel()
        .id(number)
        .title(graph.title)
        .description(graph.description)
        .datasource(_SOURCE)
        .unit(graph.unit)
        .min(0)
        .height(8)
        .span(graph.width)
        .line_width(1)
        .fill_opacity(30 if graph.stacked else 5)
        .show_points(common_models.VisibilityMode.NEVER)
        .legend(
            common.VizLegendOptions()
            .display_mode(common_models.LegendDisplayMode.LIST)
            .placement(common_models.LegendPlacement.BOTTOM)
            .show_legend(show_legend=True)
        )
        .tooltip(common.VizTooltipOptions().mode(common_models.TooltipDisplayMode.MULTI))
    )
    if graph.stacked:
        panel = panel.stacking(common.StackingConfig().mode(common_models.StackingMode.NORMAL).group("A"))
    for index, query in enumerate(graph.queries):
        panel = panel.with_target(_target(query, index))
    return panel


def _figure_panel(figure: Figure, number: int) -> stat.Panel:
    steps = [dashboard_models.Threshold(value=None, color="green")]
    if figure.warning is not None:
        steps.append(dashboard_models.Threshold(value=figure.warning, color="orange"))
    if figure.critical is not None:
        steps.append(dashboard_models.Threshold(value=figure.critical, color="red"))
    return (
        stat.Panel()
        .id(number)
        .title(figure.title)
        .description(figure.description)
        .datasource(_SOURCE)
        .unit(figure.unit)
        .height(4)
        .span(4)
        .color_mode(common_models.BigValueColorMode.VALUE)
        .graph_mode(common_models.BigValueGraphMode.AREA)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(values=False))
        .thresholds(dashboard.ThresholdsConfig().mode(dashboard_models.ThresholdsMode.ABSOLUTE).steps(steps))
        .with_target(_target(Query(figure.expression, figure.title), 0))
    )


def _frame() -> dashboard.Dashboard:
    """The dashboard without its panels: title, time range, the choice of data source and replicas."""
    return (
        dashboard.Dashboard("streamproc")
        .uid("streamproc")
        .description("One model per tenant: throughput, lag, latency, models and dead letters.")
        .tags(["streamproc", "kafka"])
        .time("now-1h", "now")
        .refresh("10s")
        .timezone("browser")
        .tooltip(dashboard_models.DashboardCursorSync.CROSSHAIR)
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(
            dashboard.QueryVariable("instance")
            .label("Replica")
            .datasource(_SOURCE)
            .query("label_values(streamproc_build_info, instance)")
            .refresh(dashboard_models.VariableRefresh.ON_TIME_RANGE_CHANGED)
            .sort(dashboard_models.VariableSort.ALPHABETICAL_ASC)
            .multi(multi=True)
            .include_all(include_all=True)
            .all_value(".*")
        )
    )


def build() -> str:
    """The dashboard as JSON text, the same on each call."""
    frame = _frame()
    number = 0
    for title, panels in ROWS:
        number += 1
        frame = frame.with_row(dashboard.Row(title).id(number))
        for panel in panels:
            number += 1
            frame = frame.with_panel(_figure_panel(panel, number) if isinstance(panel, Figure) else _graph_panel(panel, number))
    return json.dumps(frame.build(), cls=JSONEncoder, indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    TARGET.write_text(build())
