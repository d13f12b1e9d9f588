"""`-c FILE` and `--set SETTING=VALUE`, which every command takes, before or after its name."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Concatenate, ParamSpec

import typer

if TYPE_CHECKING:  # pydantic takes a tenth of a second to import, and `--help` needs none of it
    from streamproc.config import LoadedSettings

P = ParamSpec("P")

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", metavar="FILE", help="The configuration; streamproc.yaml unless given.", show_default=False),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SETTING=VALUE", help="Overrule a setting; may be repeated.", show_default=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@dataclass(frozen=True, slots=True)
class Configuration:
    """Where the settings of this call come from."""

    file: Path | None = None
    overrides: tuple[str, ...] = ()

    def also(self, file: Path | None, overrides: list[str] | None) -> Configuration:
        """With what was given further to the right, which wins."""
        return Configuration(file or self.file, (*self.overrides, *(overrides or ())))

    def load(self) -> LoadedSettings:
        """Read it.

        Raises:
            ConfigurationError: anything in it can't work.

        """
        from streamproc.config import load_settings  # noqa: PLC0415 - see above

        return load_settings(self.file, self.overrides, os.environ)


def take_options(context: typer.Context, config: ConfigOption = None, overrides: SetOption = None) -> None:
    """The callback of a group: what stands before the command's name."""
    context.obj = _so_far(context).also(config, overrides)


def configured(function: Callable[Concatenate[Configuration, P], None]) -> Callable[..., None]:
    """Give a command both options; its first parameter becomes what they, and those before its name, say."""

    def command(context: typer.Context, config: ConfigOption = None, overrides: SetOption = None, **arguments: object) -> None:
        function(_so_far(context).also(config, overrides), **arguments)  # type: ignore[arg-type, call-arg]  # typer passes them by name

    own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
    shared = list(inspect.signature(command, eval_str=True).parameters.values())[:3]
    parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in (*own, *shared)]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what `inspect.signature` looks for
    command.__annotations__ = {}
    command.__name__ = function.__name__
    command.__doc__ = function.__doc__
    return command


def _so_far(context: typer.Context) -> Configuration:
    return context.obj if isinstance(context.obj, Configuration) else Configuration()
