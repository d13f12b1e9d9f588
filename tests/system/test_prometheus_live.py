"""A real Prometheus scrapes a real endpoint of ours, and every query of the dashboard has an answer there."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.exposition import exercised
from support.manifests import RULES, alert_expressions, dashboard_expressions
from support.processes import free_port, wait_until
from support.tools import find_tool

from streamproc.telemetry.health import Health
from streamproc.telemetry.http import TelemetryServer
from streamproc.telemetry.metrics import Metrics


class Prometheus:
    """One that runs, and its HTTP API."""

    def __init__(self, url: str) -> None:
        self._url = url

    def get(self, path: str, **parameters: str) -> Any:  # noqa: ANN401 - JSON
        """The `data` of an answer."""
        with urllib.request.urlopen(f"{self._url}{path}?{urllib.parse.urlencode(parameters)}", timeout=5) as answer:  # noqa: S310 - ours
            return json.load(answer)["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that `expression` gives now."""
        return list(self.get("/api/v1/query", query=expression)["result"])

    def is_ready(self) -> bool:
        """Whether it has loaded its configuration."""
        try:
            with urllib.request.urlopen(f"{self._url}/-/ready", timeout=1) as answer:  # noqa: S310 - ours
                return bool(answer.status == 200)
        except OSError:
            return False


@pytest.fixture(scope="module")
def metrics() -> Iterator[tuple[Metrics, int]]:
    """The metrics of a busy replica, and the port where they are exposed."""
    busy = exercised(Metrics(version="1", tenant_limit=5, tenants=[], wall=time.time))
    health = Health(monotonic=time.monotonic, stall_seconds=60, dependencies=[])
    server = TelemetryServer(busy.registry, health, host="127.0.0.1", port=0)
    try:
        yield busy, int(server.port)
    finally:
        server.close()


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory, metrics: tuple[Metrics, int]) -> Iterator[Prometheus]:
    """One with our rules that scrapes those metrics, and has seen them grow."""
    folder = tmp_path_factory.mktemp("prometheus")
    busy, target = metrics
    port = free_port()
    _write_configuration(folder / "prometheus.yml", target)
    command = [str(find_tool("prometheus")), f"--config.file={folder / 'prometheus.yml'}"]
    command += [f"--storage.tsdb.path={folder / 'series'}", f"--web.listen-address=127.0.0.1:{port}"]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        running = Prometheus(f"http://127.0.0.1:{port}")
        wait_until(running.is_ready, "Prometheus is ready", 30)
        wait_until(lambda: bool(running.query("streamproc_build_info")), "a first scrape", 30)
        exercised(busy)
        wait_until(
            lambda: bool(running.query("rate(streamproc_records_consumed_total[1m]) > 0")), "a scrape that saw growth", 30
        )
        yield running
    finally:
        process.kill()
        process.wait(10)


def _write_configuration(path: Path, target: int) -> None:
    job = {"job_name": "streamproc", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}
    configuration = {
        "global": {"scrape_interval": "200ms", "scrape_timeout": "200ms", "evaluation_interval": "200ms"},
        "rule_files": [str(RULES)],
        "scrape_configs": [job],
    }
    path.write_text(yaml.safe_dump(configuration))


QUERIES = list(dashboard_expressions())


@pytest.mark.parametrize(("panel", "expression"), QUERIES, ids=[panel for panel, _ in QUERIES])
def test_a_query_of_the_dashboard_has_an_answer(prometheus: Prometheus, panel: str, expression: str) -> None:
    assert prometheus.query(expression), panel


def test_every_alert_rule_is_evaluated_without_an_error(prometheus: Prometheus) -> None:
    expected = {alert for alert, _ in alert_expressions()}

    def healthy() -> set[str]:
        groups = prometheus.get("/api/v1/rules")["groups"]
        return {rule["name"] for group in groups for rule in group["rules"] if rule["health"] == "ok"}

    wait_until(lambda: healthy() == expected, "each rule was evaluated", 30)


def test_an_alert_is_raised_by_what_the_processor_exposes(prometheus: Prometheus) -> None:
    """`pending`: it waits out its `for` before it fires."""
    pending = 'ALERTS{alertname="StreamprocParkedRecords", alertstate="pending"}'
    wait_until(lambda: bool(prometheus.query(pending)), "parked records raise their alert", 30)
