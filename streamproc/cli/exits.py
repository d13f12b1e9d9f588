"""Exit codes, in one place: which error ends a command with which, and what the user is told."""

from __future__ import annotations

import errno
import logging
import os
import sys
import traceback
from enum import IntEnum

from streamproc.errors import ConfigurationError, FencedError, StreamprocError, TransientError

_FULL = frozenset(getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EFBIG") if hasattr(errno, name))
"""Errors of writing. Files and stores have errors of our own: one of these that names no file is stdout's."""


class ExitCode(IntEnum):
    """What a command's exit means; 64 and above as in sysexits.h."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    FINDINGS = 3
    UNAVAILABLE = 69
    FENCED = 75
    CONFIGURATION = 78
    INTERRUPTED = 130


class OutputClosedError(Exception):
    """Who read our output (`| head`) has seen enough."""


def exit_code(error: BaseException) -> ExitCode:
    """The exit code for what ended a command; anything unknown is a bug of ours."""
    match error:
        case OutputClosedError():
            return ExitCode.OK
        case KeyboardInterrupt():
            return ExitCode.INTERRUPTED
        case FencedError():
            return ExitCode.FENCED
        case TransientError():
            return ExitCode.UNAVAILABLE
        case ConfigurationError():
            return ExitCode.CONFIGURATION
        case _:
            return ExitCode.FAILURE


def report(error: BaseException) -> None:
    """Tell the user why the command ends: our own errors as plain lines, a bug with its traceback; a full disk is neither.

    Where `run` has set up logging it goes there instead, so that stderr holds lines of JSON only.
    """
    if isinstance(error, (OutputClosedError, KeyboardInterrupt)):
        return
    if isinstance(error, OSError) and error.errno in _FULL and error.filename is None:
        _write_no_more()
        remedy = "make room, or redirect it elsewhere"
        sys.stderr.write(f"streamproc: what this command prints can't be written: {error.strerror}; {remedy}\n")
        return
    is_ours = isinstance(error, StreamprocError)
    logger = logging.getLogger("streamproc")
    if any(handler.name == logger.name for handler in logging.getLogger().handlers):
        logger.error("%s", error if is_ours else "A bug: please report it", exc_info=None if is_ours else error)
    elif is_ours:
        sys.stderr.write(f"streamproc: {error}\n")
    else:
        traceback.print_exception(error, file=sys.stderr)


def _write_no_more() -> None:
    """Let the interpreter's own last flush of stdout go nowhere, where it can't fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
