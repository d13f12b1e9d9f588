"""What every alert must carry so that whoever is woken by it knows what to do."""

from __future__ import annotations

from typing import Any

import pytest
from support.manifests import RULES, load

ALERTS = [rule for group in load(RULES)["groups"] for rule in group["rules"]]


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_says_how_bad_it_is_what_it_means_and_what_to_do(alert: dict[str, Any]) -> None:
    assert alert["alert"].startswith("Streamproc")
    assert alert["labels"]["severity"] in {"warning", "critical"}
    assert set(alert["annotations"]) == {"summary", "description", "runbook"}


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_waits_before_it_wakes_anybody(alert: dict[str, Any]) -> None:
    assert alert["for"].endswith("m")


def test_alert_names_are_used_once() -> None:
    assert len({alert["alert"] for alert in ALERTS}) == len(ALERTS)
