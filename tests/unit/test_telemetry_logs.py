"""What lands on stderr."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from streamproc.telemetry.logs import Format, Level, configure_logging


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("streamproc")
    before = (list(root.handlers), root.level, ours.level)
    yield
    logging.captureWarnings(capture=False)
    root.handlers[:], root.level, ours.level = before


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_of_json_says_when_where_how_grave_and_what() -> None:
    stream = io.StringIO()
    configure_logging("info", "json", stream)
    logging.getLogger("streamproc.kafka").warning("Waiting for %s", "tøpic", extra={"partition": 3})
    (line,) = lines(stream)
    stamp = str(line.pop("timestamp"))
    assert line == {"message": "Waiting for tøpic", "level": "warning", "logger": "streamproc.kafka", "partition": 3}
    assert stamp.endswith("Z")
    assert abs((datetime.now(UTC) - datetime.fromisoformat(stamp)).total_seconds()) < 60


def test_auto_is_json_where_there_is_no_terminal_and_a_console_where_there_is() -> None:
    pipe, terminal = io.StringIO(), Terminal()
    configure_logging("info", "auto", pipe)
    logging.getLogger("streamproc").info("hello")
    configure_logging("info", "auto", terminal)
    logging.getLogger("streamproc").info("hello")
    assert lines(pipe)[0]["message"] == "hello"
    assert "hello" in terminal.getvalue()
    assert not terminal.getvalue().startswith("{")


def test_a_console_that_is_no_terminal_gets_no_colours() -> None:
    stream = io.StringIO()
    configure_logging("info", "console", stream)
    logging.getLogger("streamproc").error("hello")
    assert "\x1b" not in stream.getvalue()
    assert "hello" in stream.getvalue()


def test_configuring_again_replaces_the_stream() -> None:
    first, second = io.StringIO(), io.StringIO()
    configure_logging("info", "json", first)
    configure_logging("info", "json", second)
    logging.getLogger("streamproc").info("once")
    assert first.getvalue() == ""
    assert len(lines(second)) == 1


@pytest.mark.parametrize(("level", "shown"), [("debug", "diwe"), ("info", "iwe"), ("warning", "we"), ("error", "e")])
def test_the_level_holds_for_our_own_loggers(level: Level, shown: str) -> None:
    stream = io.StringIO()
    configure_logging(level, "json", stream)
    logger = logging.getLogger("streamproc.processor")
    logger.debug("d")
    logger.info("i")
    logger.warning("w")
    logger.error("e")
    assert "".join(str(line["message"]) for line in lines(stream)) == shown


@pytest.mark.parametrize(
    "name", ["botocore.auth", "alembic.runtime.migration", "urllib3.connectionpool", "httpx", "sqlalchemy.engine"]
)
def test_other_libraries_say_their_warnings_only_even_at_debug(name: str) -> None:
    stream = io.StringIO()
    configure_logging("debug", "json", stream)
    logging.getLogger(name).debug("Authorization: hunter2")
    logging.getLogger(name).info("https://u:hunter2@h")
    logging.getLogger(name).warning("slow")
    assert [line["message"] for line in lines(stream)] == ["slow"]


def failing(payload: str) -> None:
    raise ValueError(len(payload))


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_traceback_shows_no_values(log_format: Format) -> None:
    stream = Terminal()
    configure_logging("info", log_format, stream)
    secret = str(2**40)
    try:
        failing(secret)
    except ValueError:
        logging.getLogger("streamproc").exception("failed")
    assert "ValueError" in stream.getvalue()
    assert "in failing" in stream.getvalue()
    assert secret not in stream.getvalue()


def test_a_message_with_line_breaks_stays_one_line() -> None:
    stream = io.StringIO()
    configure_logging("info", "json", stream)
    logging.getLogger("streamproc").info("two\nlines")
    assert len(lines(stream)) == 1


def test_warnings_of_python_become_lines_too() -> None:
    stream = io.StringIO()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        configure_logging("info", "json", stream)
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        logging.captureWarnings(capture=False)
    assert lines(stream)[0]["logger"] == "py.warnings"


def test_the_kafka_client_repeats_itself_at_most_every_30_seconds() -> None:
    stream, now = io.StringIO(), [0.0]
    configure_logging("info", "json", stream, monotonic=lambda: now[0])
    client, ours = logging.getLogger("streamproc.kafka"), logging.getLogger("streamproc.processor")
    for second in range(61):
        now[0] = float(second)
        client.error("connect failed after %d ms", second)
        ours.error("ours")
    client.error("something else")
    said = [str(line["message"]) for line in lines(stream)]
    assert [line for line in said if line != "ours"] == [
        "connect failed after 0 ms",
        "connect failed after 30 ms",
        "connect failed after 60 ms",
        "something else",
    ]
    assert said.count("ours") == 61
