"""Logging: one stream, stderr; lines of JSON, or a console on a terminal. Everything that logs goes through it."""

from __future__ import annotations

import logging
from typing import Literal, TextIO

import structlog
from structlog.typing import Processor

LOGGER = "streamproc"
"""The root of our own loggers; other libraries say their warnings only, because below that some write requests and secrets."""

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["auto", "console", "json"]


def configure_logging(level: Level, log_format: Format, stream: TextIO) -> None:
    """Send the logging of this process to `stream`; a later call replaces an earlier one.

    Timestamps are UTC in ISO 8601. Tracebacks carry no local variables, whose values may be payloads or secrets.
    """
    is_console = log_format == "console" or (log_format == "auto" and stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.set_name(LOGGER)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *(_console(colors=stream.isatty()) if is_console else _json()),
            ],
            foreign_pre_chain=_described(),
        )
    )
    root = logging.getLogger()
    for old in [old for old in root.handlers if old.name == LOGGER]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(max(logging.WARNING, _number(level)))
    logging.getLogger(LOGGER).setLevel(_number(level))
    logging.captureWarnings(capture=True)


def _described() -> list[Processor]:
    """What every line says beside its text."""
    return [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _console(*, colors: bool) -> list[Processor]:
    return [structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)]


def _json() -> list[Processor]:
    return [
        structlog.processors.format_exc_info,
        structlog.processors.EventRenamer("message"),
        structlog.processors.JSONRenderer(ensure_ascii=False),
    ]


def _number(level: Level) -> int:
    return logging.getLevelNamesMapping()[level.upper()]
