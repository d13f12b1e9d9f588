"""`streamproc config`: the configuration, shown."""

from __future__ import annotations

import typer

from streamproc.cli import output
from streamproc.cli.options import Configuration, JsonOption, configured, take_options

group = typer.Typer(name="config", help="Show the configuration.", no_args_is_help=True, callback=take_options)


@group.command("show")
@configured
def show(configuration: Configuration, *, json: JsonOption = False) -> None:
    """Print every setting with its value and where that came from; secrets are masked."""
    from streamproc.config.render import settings_yaml, shown_settings  # noqa: PLC0415 - keeps `--help` fast

    loaded = configuration.load()
    if json:
        output.json_text({"settings": shown_settings(loaded.settings), "origins": dict(loaded.origins)})
    else:
        output.line(settings_yaml(loaded).rstrip("\n"))


@group.command("schema")
@configured
def schema(configuration: Configuration, *, json: JsonOption = False) -> None:
    """Print the JSON Schema of the configuration file (JSON with or without --json)."""
    from streamproc.config.render import settings_schema  # noqa: PLC0415 - keeps `--help` fast

    del configuration, json
    output.json_text(settings_schema())
