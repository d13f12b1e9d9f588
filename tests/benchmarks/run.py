"""The benchmarks, on a real broker that they start: `make bench`, `make bench-peers`, `make bench-growth`. They write JSON."""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.growth import measure_growth
from benchmarks.latency import LatencyRun, percentiles, summary
from benchmarks.others import HAND_WRITTEN, PEERS, Script
from benchmarks.sessions import WorkloadSession
from support.kafka import session_broker

from streamproc.kafka.options import ConnectionOptions
from streamproc.operations.bench.children import ContenderError
from streamproc.operations.bench.machine import conditions
from streamproc.operations.bench.workload import WORKLOADS

RESULTS = Path(__file__).parent / "results"
RATES = (2_000, 20_000)
LATENCY_WORKLOAD = "linear-1000"
Say = Callable[[str], None]


def arguments_of(given: Sequence[str]) -> argparse.Namespace:
    """What is wanted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=list(PARTS), help="what to measure; also the name of the result")
    parser.add_argument("--workload", choices=list(WORKLOADS), action="append", help="which; all unless given")
    parser.add_argument("--only", metavar="NAME", action="append", help="of the peers; all unless given")
    parser.add_argument("--rate", type=int, action="append", help="records a second, for latency")
    parser.add_argument("--rounds", type=int, default=3, help="how often each contender runs")
    parser.add_argument("--seconds", type=float, default=4.0, help="how long each run works, about")
    parser.add_argument("--seed", type=int, default=1, help="of the order of runs")
    parser.add_argument("--output", type=Path, default=RESULTS, help="a folder for the result")
    return parser.parse_args(given)


def main(given: Sequence[str]) -> int:
    """Measure one part, on one broker, in one session."""
    wanted = arguments_of(given)
    started = time.monotonic()

    def say(line: str) -> None:
        sys.stderr.write(f"[{time.monotonic() - started:4.0f} s] {line}\n")
        sys.stderr.flush()

    about = conditions(["python", "-m", "benchmarks.run", *given])
    with TemporaryDirectory(prefix="bench-") as folder, session_broker(Path(folder, "broker")) as cluster:
        measured = PARTS[wanted.part](ConnectionOptions(cluster.bootstrap_servers), Path(folder), wanted, say)
    wanted.output.mkdir(parents=True, exist_ok=True)
    file = wanted.output / f"{wanted.part}.json"
    result = {"conditions": about, "rounds": wanted.rounds, "seconds": wanted.seconds, **measured}
    file.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    say(f"wrote {file}")
    return 0


def measure_main(options: ConnectionOptions, folder: Path, wanted: argparse.Namespace, say: Say) -> dict[str, Any]:
    """The pass-through, streamproc and the hand-written loop."""
    return _side_by_side([HAND_WRITTEN], options, folder, wanted, say)


def measure_peers(options: ConnectionOptions, folder: Path, wanted: argparse.Namespace, say: Say) -> dict[str, Any]:
    """These and the peers that are installed; of the others it is said that they aren't."""
    chosen = [peer for peer in PEERS if not wanted.only or peer.name in wanted.only]
    present = [peer for peer in chosen if peer.python.exists()]
    measured = _side_by_side([HAND_WRITTEN, *present], options, folder, wanted, say)
    versions = {peer.name: peer.version() for peer in present}
    missing = {peer.name: "not installed: make bench-peers installs it" for peer in chosen if peer not in present}
    return {"peers": versions, "missing": missing, **measured}


def measure_latency(options: ConnectionOptions, folder: Path, wanted: argparse.Namespace, say: Say) -> dict[str, Any]:
    """The pass-through and streamproc at fixed rates."""
    workload = WORKLOADS[LATENCY_WORKLOAD]
    contenders = WorkloadSession(workload, options, folder, say).contenders([])
    run = LatencyRun(workload, options, folder)
    order = random.Random(wanted.seed)  # noqa: S311 - an order, no secret
    rates = {}
    for rate in wanted.rate or RATES:
        runs: dict[str, list[Any]] = {contender.name: [] for contender in contenders}
        for contender in (one for _ in range(wanted.rounds) for one in order.sample(contenders, len(contenders))):
            try:
                found = percentiles(run.measure(contender, rate, max(wanted.seconds, 10.0)))
            except ContenderError as error:
                say(f"{contender.name} at {rate}/s failed: {error}")
                continue
            runs[contender.name].append(found)
            say(f"{rate}/s: {contender.name} p50 {found['p50']:.1f} ms, p99 {found['p99']:.1f} ms")
        rates[str(rate)] = {name: summary(some) for name, some in runs.items() if some}
    return {"workload": LATENCY_WORKLOAD, "rates": rates}


def measure_growing(options: ConnectionOptions, folder: Path, wanted: argparse.Namespace, say: Say) -> dict[str, Any]:
    """The pass-through and streamproc as things grow."""
    return {"growth": measure_growth(options, folder, say, rounds=wanted.rounds, seconds=wanted.seconds, seed=wanted.seed)}


def _side_by_side(
    scripts: Sequence[Script], options: ConnectionOptions, folder: Path, wanted: argparse.Namespace, say: Say
) -> dict[str, Any]:
    workloads = {}
    for name in wanted.workload or WORKLOADS:
        say(f"{name} …")
        session = WorkloadSession(WORKLOADS[name], options, folder, say)
        workloads[name] = session.measure(
            session.contenders(scripts), rounds=wanted.rounds, seconds=wanted.seconds, seed=wanted.seed
        )
    return {"workloads": workloads}


PARTS = {"main": measure_main, "peers": measure_peers, "latency": measure_latency, "growth": measure_growing}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
