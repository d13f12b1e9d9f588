"""The entry point of the command `streamproc`. Imports little: `--help` and the first signal shall not wait for libraries."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from streamproc.cli.exits import ExitCode, OutputClosedError, exit_code, report
from streamproc.cli.signals import STOP_SIGNALS


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code of the process."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if command_name(arguments) == "run":
        STOP_SIGNALS.install()
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except SystemExit as exit_:
        return int(exit_.code or 0)
    except BrokenPipeError:
        return _closed(OutputClosedError())
    except OutputClosedError as error:
        return _closed(error)
    except BaseException as error:  # noqa: BLE001 - every error ends here, with its exit code
        report(error)
        return exit_code(error)
    return code


def command_name(arguments: Sequence[str]) -> str | None:
    """The first argument that is neither an option nor an option's value."""
    rest = iter(arguments)
    for argument in rest:
        if argument in {"-c", "--config", "--set"}:
            next(rest, None)
        elif not argument.startswith("-"):
            return argument
    return None


def _run(arguments: Sequence[str]) -> int:
    from streamproc.cli.commands import application  # noqa: PLC0415 - after the signals are heard

    code = application(list(arguments), prog_name="streamproc", standalone_mode=True)
    return int(code or ExitCode.OK)


def _closed(error: OutputClosedError) -> int:
    """Let the interpreter's own last flush of stdout go nowhere, as Python's documentation of SIGPIPE advises."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return exit_code(error)
