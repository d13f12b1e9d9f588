from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass

import pytest

from streamproc.kafka.run_topics import RunTopics
from streamproc.operations.bench.children import Contender, ContenderError, Launch
from streamproc.operations.bench.measure import Measured, Sample, TooFewRecordsError, fixed_points, stage_seconds
from streamproc.operations.bench.rounds import measure_rounds
from streamproc.operations.bench.side_by_side import table
from streamproc.operations.bench.usage import _seconds, usage_of


def samples(*records: int) -> list[Sample]:
    return [Sample(float(number), count, number / 10) for number, count in enumerate(records)]


def test_a_run_is_measured_from_the_first_tenth_s_end_to_the_last_tenth_s_begin() -> None:
    start, end = fixed_points(samples(0, 5, 12, 50, 88, 95, 100), 100)
    assert (start.records, end.records) == (12, 95)


def test_output_in_bursts_is_measured_from_burst_to_burst() -> None:
    start, end = fixed_points(samples(0, 25, 25, 25, 50, 50, 75, 75, 100), 100)
    assert (start.seconds, end.seconds) == (1.0, 8.0)


def test_records_that_are_over_between_two_looks_are_too_few() -> None:
    with pytest.raises(TooFewRecordsError) as raised:
        fixed_points(samples(0, 0, 100), 100)
    assert raised.value.seconds == 2.0


def test_the_seconds_of_each_stage_are_read_from_a_replica_s_metrics() -> None:
    text = (
        "# TYPE streamproc_stage_duration_seconds summary\n"
        'streamproc_stage_duration_seconds_count{stage="poll"} 9.0\n'
        'streamproc_stage_duration_seconds_sum{stage="poll"} 0.25\n'
        'streamproc_stage_duration_seconds_sum{stage="decode"} 1e-05\n'
    )
    assert stage_seconds(text) == {"poll": 0.25, "decode": 1e-05}
    assert stage_seconds("") == {}


@dataclass(frozen=True)
class Named:
    name: str
    reads_committed: bool = True
    members: int = 1

    def launch(self, topics: RunTopics) -> Launch:
        raise AssertionError(topics)  # rounds are tested with a `run` that starts nothing


def measured(rate: float) -> Measured:
    return Measured(100, 1.0, rate, 2e6 / rate, 2**20, 10, {"poll": 1.5})


def test_every_contender_runs_once_in_each_round_in_an_order_that_changes() -> None:
    order: list[str] = []

    def run(contender: Contender) -> Measured:
        order.append(contender.name)
        return measured(100.0)

    session = measure_rounds([Named("a"), Named("b"), Named("pass-through")], run, rounds=6, seed=1)
    rounds = [tuple(order[at : at + 3]) for at in range(0, 18, 3)]
    assert all(sorted(one) == ["a", "b", "pass-through"] for one in rounds)
    assert len(set(rounds)) > 1
    assert {name: len(runs) for name, runs in session.runs.items()} == {"a": 6, "b": 6, "pass-through": 6}


def test_ratios_compare_runs_of_the_same_round() -> None:
    rates = {"pass-through": iter([100.0, 1000.0, 10.0]), "own": iter([50.0, 500.0, 4.0])}
    session = measure_rounds(
        [Named("pass-through"), Named("own")], lambda one: measured(next(rates[one.name])), rounds=3, seed=2
    )
    own = session.summary()["own"]
    assert own["records_per_second_ratio"] == {"median": 0.5, "least": 0.4, "most": 0.5}
    assert own["records_per_second"] == {"median": 50.0, "least": 4.0, "most": 500.0}
    assert own["cpu_microseconds_per_record_ratio"] == {"median": 2.0, "least": 2.0, "most": 2.5}
    assert own["stages"] == {"poll": {"median": 1.5, "least": 1.5, "most": 1.5}}


def test_a_contender_that_fails_gets_no_figure_and_no_further_round_and_the_reason_is_reported() -> None:
    asked: list[str] = []

    def run(contender: Contender) -> Measured:
        asked.append(contender.name)
        if contender.name == "bad":
            raise ContenderError("ended with exit code 1")
        return measured(10.0)

    session = measure_rounds([Named("bad"), Named("pass-through")], run, rounds=3, seed=1)
    assert asked.count("bad") == 1
    assert "bad" not in session.summary()
    assert session.failures == {"bad": "ended with exit code 1"}
    lines = table({"contenders": session.summary(), "failures": session.failures})
    assert lines[0].split("  ")[0] == ""
    assert lines[1].startswith("pass-through  10")
    assert lines[-1] == "bad: ended with exit code 1"


BUSY = "import time\nwhile time.process_time() < {seconds}: pass\nprint('done', flush=True)\ninput()"
PARENT = "import subprocess, sys\nsubprocess.run([sys.executable, '-c', sys.argv[1]])"


def test_cpu_and_memory_of_descendants_count() -> None:
    script = BUSY.format(seconds=0.3)
    child = subprocess.Popen([sys.executable, "-c", PARENT, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    try:
        assert child.stdout.readline() == b"done\n"
        used = usage_of(child.pid)
    finally:
        child.communicate(b"\n", timeout=30)
    assert used.cpu_seconds >= 0.3
    assert used.resident_bytes > 10 * 2**20
    assert usage_of(child.pid).cpu_seconds == 0.0


def test_own_usage_agrees_with_what_the_interpreter_says() -> None:
    before = time.process_time()
    used = usage_of(os.getpid()).cpu_seconds
    assert used >= before - 0.05


@pytest.mark.parametrize(
    ("clock", "seconds"), [("0:01.23", 1.23), ("12:34", 754.0), ("01:02:03", 3723.0), ("2-01:00:00", 176400.0)]
)
def test_the_clocks_of_ps_are_read(clock: str, seconds: float) -> None:
    assert _seconds(clock) == seconds
