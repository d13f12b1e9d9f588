"""The command line: where options may stand, what errors end with, how fast help is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from streamproc.cli.exits import ExitCode, OutputClosedError, exit_code
from streamproc.cli.main import command_name, main
from streamproc.errors import (
    ConfigurationError,
    FencedError,
    Reason,
    RecordError,
    RefusedError,
    Stage,
    TransientError,
)

HELP_SECONDS = 0.5


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("STREAMPROC_")]:
        monkeypatch.delenv(name)


def process(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "streamproc", *arguments], capture_output=True, text=True, check=False, timeout=60
    )


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, dict[str, Any]]:  # JSON
    assert main([*arguments, "--json"]) == 0
    loaded: dict[str, dict[str, Any]] = json.loads(capsys.readouterr().out)
    return loaded


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RefusedError("no"), 1),
        (RecordError(Reason.MODEL_MISSING, Stage.ROUTE, "no"), 1),
        (ValueError("a bug"), 1),
        (TransientError("away"), 69),
        (FencedError("lost"), 75),
        (ConfigurationError("wrong"), 78),
        (KeyboardInterrupt(), 130),
        (OutputClosedError(), 0),
    ],
)
def test_each_error_has_its_exit_code(error: BaseException, code: int) -> None:
    assert exit_code(error) == code


def test_the_exit_codes_are_those_of_the_contract() -> None:
    assert sorted(ExitCode) == [0, 1, 2, 3, 69, 75, 78, 130]


@pytest.mark.parametrize(
    "arguments",
    [
        ("-c", "FILE", "--set", "http.port=1", "config", "show"),
        ("config", "-c", "FILE", "--set", "http.port=1", "show"),
        ("config", "show", "-c", "FILE", "--set", "http.port=1"),
        ("--set", "http.port=1", "config", "show", "--config", "FILE"),
        ("--set", "http.port=9", "config", "--set", "http.port=8", "show", "--set", "http.port=1", "-c", "FILE"),
        ("-c", "absent.yaml", "config", "show", "-c", "FILE", "--set", "http.port=1"),
    ],
)
def test_file_and_settings_are_taken_before_and_after_the_command_and_the_later_wins(
    arguments: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "f.yaml"
    file.write_text("http: {port: 7, host: 127.0.0.2}")
    loaded = shown(capsys, *[argument.replace("FILE", str(file)) for argument in arguments])
    assert loaded["settings"]["http"] == {"host": "127.0.0.2", "port": 1}
    assert loaded["origins"]["http.port"] == "--set"
    assert loaded["origins"]["http.host"] == f"{file}:1"


def test_the_environment_is_read(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMPROC_HTTP__PORT", "5")
    assert shown(capsys, "config", "show")["settings"]["http"]["port"] == 5


def test_a_configuration_error_is_a_few_plain_lines_and_78(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "show", "--set", "http.prt=x", "--set", "log.level=loud"]) == 78
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "http.prt (--set): no such setting; did you mean http.port?" in captured.err
    assert "log.level (--set)" in captured.err
    assert "Traceback" not in captured.err


def test_a_missing_file_is_78(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "show", "-c", "absent.yaml"]) == 78
    assert "absent.yaml: no such configuration file" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["nothing"], ["config", "shwo"], ["config", "show", "--nothing"], ["config", "show", "-c"]]
)
def test_wrong_usage_is_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().out == ""


def test_secrets_are_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    secret = ["--set", "models.database_url=postgresql+psycopg://u:hunter2@h/d"]
    assert main(["config", "show", *secret]) == 0
    assert "hunter2" not in capsys.readouterr().out


def test_the_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "schema"]) == 0
    assert json.loads(capsys.readouterr().out)["properties"]["kafka"]


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("streamproc ")


def test_help_comes_fast_because_nothing_heavy_is_imported() -> None:
    heavy = ["numpy", "pandas", "sklearn", "confluent_kafka", "sqlalchemy", "boto3", "pydantic", "yaml", "rich", "structlog"]
    code = (
        f"import sys; from streamproc.cli.main import main; main(['--help']); print([m for m in {heavy!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]"
    times = []
    for _ in range(3):
        started = time.perf_counter()
        assert process("--help").returncode == 0
        times.append(time.perf_counter() - started)
    assert min(times) < HELP_SECONDS


def test_a_reader_that_has_seen_enough_ends_the_command_quietly() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "streamproc", "config", "schema"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        assert running.wait(30) == 0
        assert running.stderr.read() == b""


def test_a_bug_shows_a_traceback_and_ends_with_1() -> None:
    code = (
        "import sys; import streamproc.config as c; from streamproc.cli.main import main\n"
        "def broken(*_): raise ZeroDivisionError\n"
        "c.load_settings = broken; sys.exit(main(['config', 'show']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "ZeroDivisionError" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["run"], "run"),
        (["-c", "run", "config", "show"], "config"),
        (["--set", "a=b", "-c", "x", "run"], "run"),
        (["--config=x", "run", "-c", "y"], "run"),
        (["models", "publish", "run"], "models"),
        (["--help"], None),
    ],
)
def test_the_command_is_found_behind_the_options(arguments: list[str], name: str | None) -> None:
    assert command_name(arguments) == name


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [("--reason", "bad-framing", "bad_framing"), ("--since", "yesterday", "2h"), ("--until", "5", "1d")],
)
def test_a_filter_that_can_match_nothing_is_a_usage_error(
    option: str, value: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["dead-letters", "list", option, value]) == ExitCode.USAGE
    assert said in capsys.readouterr().err
