"""The README's section on performance, and a plot for each of its tables, from the results that `benchmarks.run` wrote."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.plots import Bar, bars

HERE = Path(__file__).parent
README = HERE.parent.parent / "README.md"
RESULTS = HERE / "results"
BEGIN, END = "<!-- bench -->", "<!-- /bench -->"
Json = Any  # results are JSON
_BASE, _OWN = "pass-through", "streamproc"


class Table(NamedTuple):
    """One table of the section."""

    name: str
    """Of the plot's file."""
    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    unit: str
    """Of what the plot shows."""
    shown: Sequence[Bar]
    notes: Sequence[str] = ()


def tables(results: Mapping[str, Json]) -> list[Table]:
    """A table for each part of which there is a result."""
    makers: Mapping[str, Callable[[Json], list[Table]]] = {
        "main": _main_tables,
        "peers": _peer_tables,
        "latency": _latency_tables,
        "growth": _growth_tables,
    }
    return [table for part, make in makers.items() if part in results for table in make(results[part])]


def section(results: Mapping[str, Json], plots: str) -> str:
    """The generated lines; `plots` is the folder of the plots as the README names it."""
    lines = []
    for table in tables(results):
        lines += [f"**{table.title}**", "", *markdown(table.headings, table.rows), ""]
        lines += [f"- {note}" for note in table.notes] + ([""] if table.notes else [])
        lines += [f"![{table.title}]({plots}/{table.name}.svg)", ""]
    lines += [_conditions(part, result) for part, result in results.items()]
    return "\n".join(lines)


def markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table in Markdown."""
    lines = [headings, ["---", *("--:" for _ in headings[1:])], *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def spread(figures: Mapping[str, float] | None, form: str = ",.0f", unit: float = 1.0) -> str:
    """`median (least to most)`."""
    if figures is None:
        return "-"
    middle, least, most = (format(figures[name] / unit, form) for name in ("median", "least", "most"))
    return middle if least == most else f"{middle} ({least} to {most})"


def replaced(readme: str, generated: str) -> str:
    """The text with what stands between the marks exchanged.

    Raises:
        ValueError: a mark is missing.

    """
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the README lacks {BEGIN} or {END}")
    return f"{before}{BEGIN}\n{generated}\n{END}{after}"


def _side_by_side(name: str, title: str, measured: Json, notes: Sequence[str] = ()) -> Table:
    contenders = sorted(measured["contenders"].items(), key=lambda one: one[1]["cpu_microseconds_per_record"]["median"])
    rows = [
        [
            contender,
            spread(figures["records_per_second"]),
            spread(figures.get("records_per_second_ratio"), ".3f"),
            spread(figures["cpu_microseconds_per_record"], ".2f"),
            spread(figures.get("cpu_microseconds_per_record_ratio"), ".2f"),
            spread(figures["peak_resident_bytes"], ",.0f", 2**20),
        ]
        for contender, figures in contenders
    ]
    rows += [[name, "failed", "", "", "", ""] for name in measured["failures"] if name not in measured["contenders"]]
    headings = ["", "records/s", "to pass-through", "CPU µs/record", "to pass-through", "peak MiB"]
    shown = [Bar(contender, figures["cpu_microseconds_per_record"]["median"]) for contender, figures in contenders]
    return Table(name, title, headings, rows, "µs of CPU a record", shown, notes)


def _main_tables(result: Json) -> list[Table]:
    found = []
    for workload, measured in result["workloads"].items():
        found.append(_side_by_side(workload, f"{workload}, at least once", measured))
        stages = measured["contenders"].get(_OWN, {}).get("stages", {})
        if stages:
            rows = [[stage, spread(figures, ".3f")] for stage, figures in stages.items()]
            shown = [Bar(stage, figures["median"]) for stage, figures in stages.items()]
            title = f"{workload}: streamproc by stage"
            found.append(Table(f"{workload}-stages", title, ["stage", "µs/record"], rows, "µs a record", shown))
    return found


def _peer_tables(result: Json) -> list[Table]:
    versions = ", ".join(f"{name} {version}" for name, version in result["peers"].items())
    found = []
    for workload, measured in result["workloads"].items():
        notes = [versions] if versions else []
        notes += [f"{name}: {why.splitlines()[0]}" for name, why in {**result["missing"], **measured["failures"]}.items()]
        found.append(_side_by_side(f"{workload}-peers", f"{workload}: the same job in other libraries", measured, notes))
    return found


def _latency_tables(result: Json) -> list[Table]:
    rows, shown = [], []
    for rate, contenders in result["rates"].items():
        for contender, figures in contenders.items():
            label = f"{int(rate):,}/s, {contender}"
            rows.append([label, *(spread(figures[name], ".1f") for name in ("p50", "p99", "max"))])
            shown.append(Bar(label, figures["p99"]["median"]))
    title = f"Latency end to end ({result['workload']})"
    return [Table("latency", title, ["rate, contender", "p50 ms", "p99 ms", "max ms"], rows, "p99, ms", shown)]


def _growth_tables(result: Json) -> list[Table]:
    return [_grown(dimension, sizes) for dimension, sizes in result["growth"].items()]


def _grown(dimension: str, sizes: Json) -> Table:
    rows, shown = [], []
    for size, measured in sizes.items():
        figures = measured["contenders"].get(_OWN)
        if figures is None:
            rows.append([f"{int(size):,}", "failed", "", "", ""])
            continue
        rows.append(
            [
                f"{int(size):,}",
                spread(figures["records_per_second"]),
                spread(figures.get("records_per_second_ratio"), ".2f"),
                spread(figures["cpu_microseconds_per_record"], ".2f"),
                spread(figures["peak_resident_bytes"], ",.0f", 2**20),
            ]
        )
        shown.append(Bar(f"{int(size):,}", figures["records_per_second"]["median"]))
    headings = [dimension, "records/s", "to pass-through", "CPU µs/record", "peak MiB"]
    return Table(f"growth-{dimension}", f"Growth: {dimension}", headings, rows, "records/s", shown)


def _conditions(part: str, result: Json) -> str:
    about = result["conditions"]
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    facts = [
        f"{result['rounds']} rounds of about {result['seconds']:g} s",
        f"{about['cores']} cores of {about['processor']}, shared with the broker",
        about["system"],
        f"Python {about['python']}",
        versions,
        f"load before: {about['load_average']}",
    ]
    return f"- *{part}*: `{about['command']}`; {'; '.join(facts)}"


def main() -> int:
    """Write the README's section and the plots."""
    results = {file.stem: json.loads(file.read_text()) for file in sorted(RESULTS.glob("*.json"))}
    for table in tables(results):
        (RESULTS / f"{table.name}.svg").write_text(bars(table.title, table.unit, table.shown))
    README.write_text(replaced(README.read_text(), section(results, str(RESULTS.relative_to(README.parent)))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
