"""Logging: one stream, stderr; lines of JSON, or a console on a terminal. Everything that logs goes through it."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from typing import Literal, TextIO

import structlog
from structlog.typing import Processor

LOGGER = "streamproc"
"""The root of our own loggers; other libraries say their warnings only, because below that some write requests and secrets."""

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["auto", "console", "json"]


CLIENT_LOGGER = "streamproc.kafka"
"""Where librdkafka's own lines arrive."""

_REPEAT_SECONDS = 30.0
_MOST_KINDS = 256


class FewRepeats(logging.Filter):
    """Lets through a line of the Kafka client once in 30 s, numbers in it aside: it repeats that a broker is away for ever."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        super().__init__()
        self._monotonic = monotonic
        self._shown: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is to be shown."""
        if record.name != CLIENT_LOGGER:
            return True
        kind, now = re.sub(r"\d+", "#", record.getMessage()), self._monotonic()
        if now - self._shown.get(kind, -_REPEAT_SECONDS) < _REPEAT_SECONDS:
            return False
        if len(self._shown) >= _MOST_KINDS:
            self._shown.clear()
        self._shown[kind] = now
        return True


def configure_logging(
    level: Level, log_format: Format, stream: TextIO, *, monotonic: Callable[[], float] = time.monotonic
) -> None:
    """Send the logging of this process to `stream`; a later call replaces an earlier one.

    Timestamps are UTC in ISO 8601. Tracebacks carry no local variables, whose values may be payloads or secrets.
    """
    is_console = log_format == "console" or (log_format == "auto" and stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.set_name(LOGGER)
    handler.addFilter(FewRepeats(monotonic))
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
