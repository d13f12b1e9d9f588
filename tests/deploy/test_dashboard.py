"""The committed Grafana dashboard is what its source builds, and asks for metrics that the processor exposes."""

from __future__ import annotations

import json
import runpy

from grafana_foundation_sdk.models.dashboard import Dashboard
from support.manifests import DASHBOARD, DEPLOY


def test_the_committed_dashboard_is_up_to_date() -> None:
    built = runpy.run_path(str(DEPLOY / "grafana" / "build_dashboard.py"))["build"]()
    assert DASHBOARD.read_text() == built, "run `make dashboard`"


def test_grafanas_own_types_accept_the_dashboard() -> None:
    dashboard = Dashboard.from_json(json.loads(DASHBOARD.read_text()))
    assert dashboard.title == "streamproc"


def test_panels_have_ids_of_their_own_and_do_not_overlap() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert place["x"] + place["w"] <= 24, panel["title"]
        assert not cells & taken, panel["title"]
        taken |= cells


def test_every_panel_says_what_it_shows() -> None:
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        assert panel["type"] == "row" or panel["description"].endswith("."), panel["title"]
