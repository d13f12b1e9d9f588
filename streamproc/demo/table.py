"""Shows how a demonstration goes: a live table on a terminal, a line every other second elsewhere."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from rich.console import Console
from rich.live import Live
from rich.table import Table

from streamproc.demo.exposition import Exposition, quantile

HEADING: Final = "toy broker, not a measurement"
LINE_SECONDS: Final = 2.0
TOP: Final = 5
RATE_STATUSES: Final = 4
"""How many statuses ago a rate begins: the processor works in batches, and between two looks it may finish none, or two."""
_LATENCY: Final = "streamproc_end_to_end_latency_seconds"


@dataclass(frozen=True, slots=True)
class Status:
    """The state at one moment; rates and latencies over the last moments."""

    seconds: float
    """Since the first event was sent."""
    events: int
    """Events that there are to send."""
    answered: int
    """Events that have come back, as predictions or dead letters."""
    per_second: float
    lag: int
    """Records in the input topic that are not committed."""
    p50: float
    """Seconds from a record's time stamp to the hand-over of its prediction; NaN: none was made."""
    p99: float
    dead_letters: int
    cache_hits: float
    """The share of look-ups that found the tenant's model in the cache; NaN: there was none."""
    models: int
    top: tuple[tuple[str, int], ...]
    """The tenants with the most predictions."""


class StatusReader:
    """Makes a status of each exposition, with rates over the last few. Passive."""

    def __init__(self, *, events: int) -> None:
        self._events = events
        self._past: deque[tuple[float, int, dict[float, float]]] = deque([(0.0, 0, {})], maxlen=RATE_STATUSES)

    def status(self, exposition: Exposition, *, seconds: float, answered: int) -> Status:
        """The status at `seconds`, which only grow."""
        buckets = exposition.buckets(_LATENCY)
        then_seconds, then_answered, then_buckets = self._past[0]
        self._past.append((seconds, answered, buckets))
        recent = {bound: count - then_buckets.get(bound, 0.0) for bound, count in buckets.items()}
        passed = seconds - then_seconds
        requests = exposition.total("streamproc_model_cache_requests_total")
        hits = exposition.total("streamproc_model_cache_requests_total", result="hit")
        tenants = exposition.by("tenant", "streamproc_tenant_records_total")
        return Status(
            seconds=seconds,
            events=self._events,
            answered=answered,
            per_second=(answered - then_answered) / passed if passed > 0 else 0.0,
            lag=int(exposition.total("streamproc_consumer_lag_records")),
            p50=quantile(0.5, recent),
            p99=quantile(0.99, recent),
            dead_letters=int(exposition.total("streamproc_dead_letters_total")),
            cache_hits=hits / requests if requests else math.nan,
            models=int(exposition.total("streamproc_model_cache_models")),
            top=tuple((name, int(count)) for name, count in sorted(tenants.items(), key=lambda item: -item[1])[:TOP]),
        )


class Display(Protocol):
    """Shows the latest status."""

    def show(self, status: Status) -> None:
        """Replace what is shown, or add to it."""


@contextmanager
def display(console: Console) -> Iterator[Display]:
    """The display that suits the console, until the end of the block."""
    if not console.is_terminal:
        console.out(f"({HEADING})")
        yield _Lines(console)
        return
    with Live(console=console, refresh_per_second=4, transient=False) as live:
        yield _LiveTable(live)


class _LiveTable:
    def __init__(self, live: Live) -> None:
        self._live = live

    def show(self, status: Status) -> None:
        self._live.update(table(status))


class _Lines:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._next = 0.0

    def show(self, status: Status) -> None:
        if status.seconds >= self._next or status.answered == status.events:
            self._next = status.seconds + LINE_SECONDS
            self._console.out(line(status), highlight=False)


def rows(status: Status) -> Iterator[tuple[str, str]]:
    """What a table says, name and value."""
    yield "records back", f"{status.answered:,} of {status.events:,}"
    yield "records/s", f"{status.per_second:,.0f}"
    yield "lag", f"{status.lag:,} records"
    yield "latency p50 / p99", f"{_duration(status.p50)} / {_duration(status.p99)}"
    yield "dead letters", f"{status.dead_letters:,}"
    yield "models in the cache", f"{status.models:,}, {_share(status.cache_hits)} of look-ups hit"
    yield "top tenants", ", ".join(f"{name} {count:,}" for name, count in status.top) or "none yet"


def table(status: Status) -> Table:
    """The status as a table for terminals."""
    shown = Table(title=f"streamproc after {status.seconds:.0f} s ({HEADING})", show_header=False, title_justify="left")
    shown.add_column(style="bold", min_width=20)
    shown.add_column(min_width=50)
    for name, value in rows(status):
        shown.add_row(name, value)
    return shown


def line(status: Status) -> str:
    """The status in one line."""
    return f"{status.seconds:5.1f} s  " + "  ".join(f"{name}: {value}" for name, value in rows(status))


def _duration(seconds: float) -> str:
    if math.isnan(seconds):
        return "none"
    return f"{seconds * 1000:,.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _share(share: float) -> str:
    return "none" if math.isnan(share) else f"{share:.0%}"
