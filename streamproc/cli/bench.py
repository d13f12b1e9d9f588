"""`bench`: what this machine can do."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from streamproc.cli import output
from streamproc.cli.options import Configuration, JsonOption, configured


class BenchWorkload(StrEnum):
    """What `bench` measures."""

    LINEAR = "linear-1000"
    FOREST = "forest-200"


def add_to(application: typer.Typer) -> None:
    """Add the command to the application."""
    application.command("bench")(configured(bench))


def bench(
    configuration: Configuration,
    *,
    bootstrap_servers: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="A broker other than the configured one.", show_default=False)
    ] = None,
    workload: Annotated[
        BenchWorkload, typer.Option(help="1,000 tenants' logistic regressions, or 200 tenants' random forests.")
    ] = BenchWorkload.LINEAR,
    records: Annotated[int, typer.Option(min=1000, help="How many to measure in each run.")] = 1_000_000,
    rounds: Annotated[int, typer.Option(min=1, help="How often to measure each.")] = 3,
    json: JsonOption = False,
) -> None:
    """Measure a replica on this machine against a plain pass-through of the same records, in topics of its own."""
    from streamproc.operations.bench.side_by_side import Wish, run_bench, table  # noqa: PLC0415 - keeps `--help` fast

    wish = Wish(workload.value, records, rounds, bootstrap_servers)
    result = run_bench(configuration.load().settings, wish, output.message)
    for line in table(result):
        (output.message if json else output.line)(line)
    if json:
        output.json_text(result)
