from __future__ import annotations

import io
import math

from prometheus_client import generate_latest
from rich.console import Console
from support.exposition import exercised

from streamproc.demo.exposition import Exposition, quantile
from streamproc.demo.table import HEADING, RATE_STATUSES, StatusReader, display
from streamproc.telemetry.metrics import Metrics


def exposed(times: int = 1) -> Exposition:
    """What a replica exposes after so many passes."""
    metrics = Metrics(version="1", tenant_limit=10, tenants=(), wall=lambda: 0.0)
    for _ in range(times):
        exercised(metrics)
    return Exposition(generate_latest(metrics.registry).decode())


def test_the_status_is_what_the_processor_exposes() -> None:
    status = StatusReader(events=2000).status(exposed(), seconds=2.0, answered=1000)
    assert (status.answered, status.per_second, status.lag, status.dead_letters) == (1000, 500.0, 40, 100)
    assert status.top[:2] == (("acme", 600), ("globex", 300))
    assert status.cache_hits == 0.5
    assert status.models == 2
    assert 0.01 < status.p50 <= 0.025


def test_rates_and_latencies_are_those_of_the_last_moments() -> None:
    reader = StatusReader(events=2000)
    for _ in range(RATE_STATUSES):
        reader.status(exposed(), seconds=2.0, answered=1000)
    status = reader.status(exposed(), seconds=3.0, answered=1100)
    assert status.per_second == 100.0
    assert math.isnan(status.p50), "nothing was predicted in between"


def test_a_processor_that_exposes_nothing_yet_has_a_status() -> None:
    status = StatusReader(events=10).status(Exposition(""), seconds=0.0, answered=0)
    assert (status.per_second, status.lag, status.top) == (0.0, 0, ())


def test_elsewhere_than_on_a_terminal_lines_are_plain_and_seldom() -> None:
    stream = io.StringIO()
    reader = StatusReader(events=3)
    with display(Console(file=stream, width=300)) as shown:
        for tenths in range(50):
            shown.show(reader.status(exposed(), seconds=tenths / 10, answered=1))
        shown.show(reader.status(exposed(), seconds=5.0, answered=3))
    lines = stream.getvalue().splitlines()
    assert HEADING in lines[0]
    assert len(lines) == 5
    assert "3 of 3" in lines[-1]
    assert "\x1b" not in stream.getvalue()


def test_the_table_on_a_terminal_is_headed_as_no_measurement() -> None:
    stream = io.StringIO()
    with display(Console(file=stream, width=120, force_terminal=True)) as shown:
        shown.show(StatusReader(events=2000).status(exposed(), seconds=1.0, answered=5))
    assert HEADING in stream.getvalue()
    assert "acme 600" in stream.getvalue()


def test_a_quantile_lies_inside_the_bucket_that_holds_it() -> None:
    buckets = {1.0: 10.0, 2.0: 30.0, math.inf: 40.0}
    assert quantile(0.5, buckets) == 1.5
    assert quantile(0.99, buckets) == 2.0, "nothing is known above the last finite bound"
    assert math.isnan(quantile(0.5, {1.0: 0.0, math.inf: 0.0}))
    assert math.isnan(quantile(0.5, {}))


def test_labels_with_quotes_and_commas_are_read() -> None:
    exposition = Exposition('x_total{tenant="a\\",b",topic="t"} 3\n# HELP x_total nothing\nx_total{tenant="c",topic="u"} 4.0\n')
    assert exposition.total("x_total") == 7
    assert exposition.total("x_total", topic="u") == 4
