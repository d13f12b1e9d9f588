"""`run`, `demo` and `predict`: the commands that predict."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from streamproc.cli import output
from streamproc.cli.exits import ExitCode
from streamproc.cli.options import Configuration, JsonOption, configured
from streamproc.cli.signals import STOP_SIGNALS


class DemoData(StrEnum):
    """What `demo` streams."""

    GENERATED = "generated"
    FLIGHTS = "flights"


def add_to(application: typer.Typer) -> None:
    """Add the commands to the application."""
    application.command("demo")(configured(demo))
    application.command("run")(configured(run))
    application.command("predict")(configured(predict))


def run(configuration: Configuration) -> None:
    """Run the processor until SIGTERM or SIGINT: then finish, commit, leave the group."""
    _one_thread_each()
    from streamproc.app.replica import Replica  # noqa: PLC0415 - keeps `--help` fast
    from streamproc.telemetry.logs import configure_logging  # noqa: PLC0415 - as above

    settings = configuration.load().settings
    configure_logging(settings.log.level, settings.log.format, sys.stderr)
    with Replica(settings) as replica:
        STOP_SIGNALS.hand_over(replica.processor.stop)
        replica.run()


def demo(
    configuration: Configuration,
    *,
    data: Annotated[
        DemoData, typer.Option(help="Generated readings, or the flights of 2013 from New York (streamproc[demo]).")
    ] = DemoData.GENERATED,
    records: Annotated[int | None, typer.Option(min=1, help="How many to stream.", show_default=False)] = None,
    tenants: Annotated[int | None, typer.Option(min=1, help="How many tenants.", show_default=False)] = None,
    bootstrap_servers: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="A broker of yours instead of the toy one.", show_default=False)
    ] = None,
) -> None:
    """Show the processor at work: models, events, a live table, and a summary in = out. Needs no set-up."""
    _one_thread_each()
    from streamproc.demo import run_demo  # noqa: PLC0415 - keeps `--help` fast

    del configuration  # the demo has settings of its own, so that it works whatever is configured here
    raise typer.Exit(run_demo(data=data.value, records=records, tenants=tenants, bootstrap_servers=bootstrap_servers))


def predict(
    configuration: Configuration,
    *,
    tenant: Annotated[str, typer.Option(help="Whose records these are.")],
    source: Annotated[Path, typer.Option("--input", metavar="FILE", help="An Avro container or JSON lines; - is stdin.")],
    schema: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The schema of JSON lines; else the last one configured.", show_default=False),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Predict a file's records without Kafka; one JSON line each (with or without --json). 1 if a record can't be predicted."""
    _one_thread_each()
    from streamproc.operations.offline import predicted_file  # noqa: PLC0415 - keeps `--help` fast

    del json
    failed = 0
    for row in predicted_file(configuration.load().settings, source, tenant=tenant, schema_file=schema):
        failed += "error" in row
        output.json_line(row)
    if failed:
        output.message(f"{failed} of the records can't be predicted; each one's line says why")
        raise typer.Exit(ExitCode.FAILURE)


def _one_thread_each() -> None:
    """Keep the numeric libraries from making threads; they read this once, when numpy is imported.

    Replicas are how streamproc uses many cores. A product of a few rows takes longer to divide among threads than to compute,
    and every replica's threads would fight for the same cores.
    """
    for library in ("OPENBLAS", "OMP", "MKL"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
