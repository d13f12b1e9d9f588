"""Prometheus' own tools accept the configurations, the alert rules and every query of the dashboard."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml
from support.manifests import DEPLOY, RULES, alert_expressions, dashboard_expressions
from support.tools import find_tool


def _promtool(*arguments: str | Path) -> None:
    answer = subprocess.run([find_tool("promtool"), *arguments], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.parametrize("path", [DEPLOY / "prometheus" / "prometheus.yml", DEPLOY / "compose" / "prometheus.yml"])
def test_a_configuration_is_valid_and_finds_the_rules(path: Path) -> None:
    assert [(path.parent / rules).resolve() for rules in yaml.safe_load(path.read_text())["rule_files"]] == [RULES]
    _promtool("check", "config", path)


def test_the_alert_rules_are_valid() -> None:
    _promtool("check", "rules", RULES)


def test_each_alert_fires_when_it_should_and_only_then() -> None:
    _promtool("test", "rules", DEPLOY / "prometheus" / "rules_test.yml")


def test_each_alert_has_a_rule_test_that_makes_it_fire_and_one_that_does_not() -> None:
    tests = yaml.safe_load((DEPLOY / "prometheus" / "rules_test.yml").read_text())["tests"]
    silent = {case["alertname"] for case in tests[0]["alert_rule_test"]}
    text = yaml.safe_dump(tests[1:])
    for alert, _ in alert_expressions():
        assert alert in silent
        assert alert in text


def test_every_query_of_the_dashboard_is_valid_promql(tmp_path: Path) -> None:
    recorded = [{"record": f"panel:q{number}", "expr": query} for number, (_, query) in enumerate(dashboard_expressions())]
    rules = tmp_path / "dashboard.yml"
    rules.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": recorded}]}))
    _promtool("check", "rules", rules)
