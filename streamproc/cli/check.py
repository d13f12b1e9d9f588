"""`streamproc check`."""

from __future__ import annotations

import typer

from streamproc.cli import output
from streamproc.cli.exits import ExitCode
from streamproc.cli.options import Configuration, JsonOption, configured


def add_to(application: typer.Typer) -> None:
    """Add the command to the application."""
    application.command("check")(configured(check))


def check(configuration: Configuration, *, json: JsonOption = False) -> None:
    """Look for whatever would keep `run` from working, and name each remedy. 3 if there is something."""
    from dataclasses import asdict  # noqa: PLC0415 - keeps `--help` fast

    from streamproc.operations.inspection import findings  # noqa: PLC0415 - as above

    found = list(findings(configuration.load().settings))
    if json:
        output.json_text({"findings": [asdict(finding) for finding in found]})
    for finding in () if json else found:
        output.line(f"{finding.subject}: {finding.problem}\n  fix: {finding.fix}")
    if found:
        raise typer.Exit(ExitCode.FINDINGS)
    output.message("nothing found: broker, topics, schemas, registry, store and models are as `run` needs them")
