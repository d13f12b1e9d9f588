"""Alerts and dashboard ask only for metrics and labels that the processor exposes."""

from __future__ import annotations

import re

import pytest
from support.exposition import exercised
from support.manifests import alert_expressions, dashboard_expressions

from streamproc.telemetry.metrics import Metrics

# Prometheus writes these itself.
_OWN_METRICS = {"up"}
_OWN_LABELS = {"job", "instance"}

_GROUPING = re.compile(r"\b(?:by|on)\s*\(([^)]*)\)")
_SELECTOR = re.compile(r"\{([^}]*)\}")
_NAME = re.compile(r"[a-zA-Z_]\w*\b(?!\s*\()")


def _series() -> dict[str, set[str]]:
    """Each exposed series' name → its labels."""
    found: dict[str, set[str]] = {}
    for family in exercised(Metrics(version="1", tenant_limit=5, tenants=[], wall=lambda: 1.0)).registry.collect():
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def _labels_of(expression: str) -> set[str]:
    grouped = [label.strip() for labels in _GROUPING.findall(expression) for label in labels.split(",")]
    selected = [label for selector in _SELECTOR.findall(expression) for label in re.findall(r"(\w+)\s*[=!]", selector)]
    return {*grouped, *selected}


def _metrics_of(expression: str) -> set[str]:
    bare = _SELECTOR.sub(" ", _GROUPING.sub(" ", re.sub(r"\[[^\]]*\]", " ", expression)))
    return set(_NAME.findall(bare)) - {"and", "or", "unless"}


EXPRESSIONS = [*alert_expressions(), *dashboard_expressions()]


@pytest.mark.parametrize(("name", "expression"), EXPRESSIONS, ids=[name for name, _ in EXPRESSIONS])
def test_an_expression_asks_for_exposed_metrics_and_their_labels(name: str, expression: str) -> None:
    series = _series()
    metrics = _metrics_of(expression)
    assert metrics, name
    assert metrics <= series.keys() | _OWN_METRICS, name
    labels = set().union(*(series.get(metric, set()) for metric in metrics))
    assert _labels_of(expression) <= labels | _OWN_LABELS, name


def test_every_metric_of_the_processor_is_on_the_dashboard() -> None:
    shown = {metric for _, expression in dashboard_expressions() for metric in _metrics_of(expression)}
    exposed = {
        name for name in _series() if name.startswith("streamproc_") and not name.endswith(("_sum", "_count", "_created"))
    }
    assert exposed - shown == {"streamproc_build_info", "streamproc_stage_duration_seconds_bucket"}
