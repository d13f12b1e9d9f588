from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import pytest
from benchmarks.plots import Bar, bars
from benchmarks.report import markdown, replaced, section, spread, tables

Json = Any  # results are JSON


def figure(median: float) -> dict[str, float]:
    return {"median": median, "least": median / 2, "most": median * 2}


def contender(rate: float, cpu: float, *, stages: bool = False) -> Json:
    return {
        "records_per_second": figure(rate),
        "records_per_second_ratio": figure(rate / 1000),
        "cpu_microseconds_per_record": figure(cpu),
        "cpu_microseconds_per_record_ratio": figure(cpu / 2),
        "peak_resident_bytes": figure(2**26),
        "stages": {"poll": figure(0.5)} if stages else {},
    }


CONDITIONS = {
    "command": "python -m benchmarks.run main",
    "cores": 2,
    "processor": "some",
    "system": "Linux",
    "python": "3.11.7",
    "versions": {"numpy": "2"},
    "load_average": [0.1, 0.1, 0.1],
}
COMMON = {"conditions": CONDITIONS, "rounds": 3, "seconds": 4.0}
SIDE_BY_SIDE = {
    "contenders": {
        "pass-through": contender(1000, 2),
        "hand-written": contender(30, 40),
        "streamproc": contender(800, 2.5, stages=True),
    },
    "failures": {"Faust": "ended with exit code 1: first line\nsecond line"},
}
MAIN = {**COMMON, "workloads": {"linear-1000": SIDE_BY_SIDE}}


def test_a_main_result_makes_a_table_of_contenders_and_one_of_stages() -> None:
    first, stages = tables({"main": MAIN})
    assert [row[0] for row in first.rows] == ["pass-through", "streamproc", "hand-written", "Faust"]
    assert first.rows[1][1:4] == ["800 (400 to 1,600)", "0.800 (0.400 to 1.600)", "2.50 (1.25 to 5.00)"]
    assert first.rows[-1][1] == "failed"
    assert stages.rows == [["poll", "0.500 (0.250 to 1.000)"]]


def test_a_peer_that_failed_or_is_missing_is_reported_with_the_reason_and_without_a_figure() -> None:
    result = {"peers": {"Arroyo": "2"}, "missing": {"PySpark": "not installed"}, **MAIN}
    (table,) = tables({"peers": result})
    assert "PySpark: not installed" in table.notes
    assert "Faust: ended with exit code 1: first line" in table.notes
    assert not any(row[0] == "PySpark" for row in table.rows)


def test_latency_and_growth_have_their_tables() -> None:
    figures = {"streamproc": {"p50": figure(4), "p99": figure(9), "max": figure(30)}}
    latency = {**COMMON, "workload": "linear-1000", "rates": {"2000": figures}}
    failed = {"contenders": {}, "failures": {"streamproc": "x"}}
    growth = {**COMMON, "growth": {"tenants": {"10": SIDE_BY_SIDE, "1000": failed}}}
    found = {table.name: table for table in tables({"latency": latency, "growth": growth})}
    assert found["latency"].rows[0][:2] == ["2,000/s, streamproc", "4.0 (2.0 to 8.0)"]
    assert [row[:2] for row in found["growth-tenants"].rows] == [["10", "800 (400 to 1,600)"], ["1,000", "failed"]]


def test_the_section_names_the_conditions_and_a_plot_for_every_table() -> None:
    text = section({"main": MAIN}, "plots")
    for table in tables({"main": MAIN}):
        assert f"(plots/{table.name}.svg)" in text
    assert "2 cores of some" in text


def test_only_what_stands_between_the_marks_is_exchanged() -> None:
    readme = "before\n<!-- bench -->\nold\n<!-- /bench -->\nafter\n"
    assert replaced(readme, "new") == "before\n<!-- bench -->\nnew\n<!-- /bench -->\nafter\n"
    with pytest.raises(ValueError, match="lacks"):
        replaced("nothing", "new")


def test_a_figure_that_does_not_vary_and_one_that_is_missing_are_written_shortly() -> None:
    assert spread({"median": 1.0, "least": 1.0, "most": 1.0}, ".1f") == "1.0"
    assert spread(None) == "-"
    assert markdown(["a", "b"], [["x", "1"]]) == ["| a | b |", "| --- | --: |", "| x | 1 |"]


def lengths(svg: str) -> list[float]:
    rectangles = ET.fromstring(svg).findall("{http://www.w3.org/2000/svg}rect")  # noqa: S314 - our own text
    return [float(one.attrib["width"]) for one in rectangles[1:]]


def test_a_plot_s_bars_are_as_long_as_their_values_and_texts_are_escaped() -> None:
    svg = bars("a < b", "µs", [Bar("x & y", 1.0), Bar("streamproc", 4.0)])
    short, long = lengths(svg)
    assert long == pytest.approx(4 * short, rel=0.01)
    assert "logarithmic" not in svg


def test_values_of_several_magnitudes_are_plotted_logarithmically_and_the_plot_says_so() -> None:
    svg = bars("t", "µs", [Bar("a", 1.0), Bar("b", 10.0), Bar("c", 100.0)])
    first, second, third = lengths(svg)
    assert second - first == pytest.approx(third - second, rel=0.01)
    assert "logarithmic" in svg
