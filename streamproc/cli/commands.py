"""The commands of `streamproc`, assembled."""

from __future__ import annotations

from typing import Annotated

import typer

from streamproc.cli import bench, check, config, models, output, processing, topics
from streamproc.cli.options import ConfigOption, SetOption, take_options

application = typer.Typer(
    name="streamproc",
    help="Predict with each tenant's own model, from Kafka to Kafka.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain text, and half the time of `--help`
    pretty_exceptions_enable=False,  # they would show local variables: payloads and secrets
    context_settings={"help_option_names": ["-h", "--help"]},
)
processing.add_to(application)
check.add_to(application)
application.add_typer(models.group)
topics.add_to(application)
application.add_typer(config.group)
bench.add_to(application)


def _print_version(asked: bool) -> None:  # noqa: FBT001 - typer calls it so
    if asked:
        from importlib.metadata import version  # noqa: PLC0415 - keeps `--help` fast

        output.line(f"streamproc {version('streamproc')}")
        raise typer.Exit


@application.callback()
def _application(
    context: typer.Context,
    config: ConfigOption = None,
    overrides: SetOption = None,
    version: Annotated[  # noqa: FBT002 - a flag of the command line
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    del version
    take_options(context, config, overrides)
