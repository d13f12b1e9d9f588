"""The command `bench`: this machine's replica and its pass-through, side by side on the configured cluster."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from threadpoolctl import threadpool_limits

from streamproc.app.brokers import connection_options
from streamproc.config import Settings
from streamproc.errors import StreamprocError
from streamproc.kafka.options import ConnectionOptions
from streamproc.kafka.run_topics import refuse_toy
from streamproc.operations.bench.children import Contender, PassThroughContender, ReplicaContender
from streamproc.operations.bench.estimators import artifact, fitted
from streamproc.operations.bench.installation import publish, write_configuration
from streamproc.operations.bench.machine import conditions
from streamproc.operations.bench.measure import Load, Measured, Run
from streamproc.operations.bench.rounds import Session, measure_rounds
from streamproc.operations.bench.workload import WORKLOADS, Workload

DISTINCT_RECORDS: Final = 200_000
WARM_UP_RECORDS: Final = 20_000
PARTITIONS: Final = 4
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be measured."""

    workload: str
    records: int
    rounds: int
    bootstrap_servers: str | None = None


def run_bench(settings: Settings, wish: Wish, say: Say) -> dict[str, object]:
    """Measure; the result is JSON. Makes topics of its own and deletes them.

    Raises:
        RefusedError: the cluster is a toy, or gives no right to make topics.
        TransientError: no broker answers.
        StreamprocError: neither contender could be measured.

    """
    options = connection_options(settings)
    if wish.bootstrap_servers is not None:
        options = replace(options, bootstrap_servers=wish.bootstrap_servers)
    refuse_toy(options)
    found = conditions(sys.argv)
    with TemporaryDirectory(prefix="streamproc-bench-") as folder:
        session = _measured(WORKLOADS[wish.workload], options, Path(folder), wish, say)
    if not session.runs:
        raise StreamprocError(f"nothing could be measured: {'; '.join(session.failures.values())}")
    return {"conditions": found, "workload": wish.workload, "contenders": session.summary(), "failures": session.failures}


def _measured(workload: Workload, options: ConnectionOptions, folder: Path, wish: Wish, say: Say) -> Session:
    say(f"training and publishing {workload.tenants} models …")
    config = write_configuration(folder, workload, options)
    with threadpool_limits(1):
        artifacts = {workload.tenant_name(number): artifact(fitted(workload, number)) for number in range(workload.tenants)}
    publish(config, workload, artifacts, lambda _: None)
    load = load_of(workload, wish.records)
    run = Run(options, folder, partitions=PARTITIONS)
    contenders: list[Contender] = [PassThroughContender(options), ReplicaContender(config)]

    def one(contender: Contender) -> Measured:
        return run.measure(contender, load)

    say(f"{wish.rounds} rounds of {wish.records:,} records each, in random order …")
    return measure_rounds(contenders, one, rounds=wish.rounds, seed=workload.seed, say=say)


def load_of(workload: Workload, records: int) -> Load:
    """The workload's records, again and again, behind a warm-up that has some of every tenant."""
    distinct = max(min(records, DISTINCT_RECORDS), workload.active_tenants)
    made = workload.records(distinct)
    return Load(made.values(), made.keys(workload), max(WARM_UP_RECORDS, workload.active_tenants), records)


def table(result: Mapping[str, object]) -> list[str]:
    """The result as aligned lines, for people."""
    contenders = result["contenders"]
    failures = result["failures"]
    assert isinstance(contenders, dict)  # noqa: S101 - made above
    assert isinstance(failures, dict)  # noqa: S101 - made above
    rows = [_HEADINGS, *([name, *(_cell(figures, *column) for column in _COLUMNS)] for name, figures in contenders.items())]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    aligned = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [*aligned, *(f"{name}: {why}" for name, why in failures.items())]


_HEADINGS: Final = ["", "records/s", "ratio", "CPU µs/record", "ratio", "peak MiB"]
_COLUMNS: Final = (
    ("records_per_second", 1.0, ",.0f"),
    ("records_per_second_ratio", 1.0, ".2f"),
    ("cpu_microseconds_per_record", 1.0, ".2f"),
    ("cpu_microseconds_per_record_ratio", 1.0, ".2f"),
    ("peak_resident_bytes", 2.0**20, ",.0f"),
)


def _cell(figures: Mapping[str, Mapping[str, float]], name: str, unit: float, form: str) -> str:
    """`median [least-most]`; a dash where there was nothing to compare with."""
    spread = figures.get(name)
    if spread is None:
        return "-"
    middle, least, most = (format(spread[part] / unit, form) for part in ("median", "least", "most"))
    return middle if least == most else f"{middle} [{least}-{most}]"
