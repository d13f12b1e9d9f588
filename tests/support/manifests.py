"""The files of the installation, parsed, for the tests that hold them together."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
DEPLOY = ROOT / "deploy"
COMPOSE = ROOT / "docker-compose.yml"
DASHBOARD = DEPLOY / "grafana" / "streamproc.json"
RULES = DEPLOY / "prometheus" / "rules.yml"

_INTERVALS = re.compile(r"\$__(rate_interval|interval|range)\b")


def load(path: Path) -> Any:  # noqa: ANN401 - YAML's own types
    """One YAML document."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def services() -> dict[str, Any]:
    """The services of docker-compose.yml."""
    return dict(load(COMPOSE)["services"])


def dashboard_expressions() -> Iterator[tuple[str, str]]:
    """(panel title, PromQL) of each query of the dashboard, with Grafana's variables replaced by values."""
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        for target in panel.get("targets", []):
            expression = _INTERVALS.sub("5m", target["expr"]).replace("$instance", ".*")
            yield panel["title"], expression


def alert_expressions() -> Iterator[tuple[str, str]]:
    """(alert, PromQL) of each alert rule."""
    for group in load(RULES)["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
