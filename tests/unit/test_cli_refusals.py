"""What commands do with files, names and outputs that can't be used: one line, and the exit code that the contract states."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from streamproc.cli.exits import ExitCode
from streamproc.cli.main import main

SCHEMA = {"type": "record", "name": "Event", "fields": [{"name": "tenant_id", "type": "string"}]}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a configuration; nobody listens at the broker's address."""
    for name in [name for name in os.environ if name.startswith("STREAMPROC_")]:
        monkeypatch.delenv(name)
    (tmp_path / "event.avsc").write_text(json.dumps(SCHEMA))
    (tmp_path / "streamproc.yaml").write_text(
        "kafka: {bootstrap_servers: '127.0.0.1:1'}\navro: {framing: raw, schemas: [{file: event.avsc}]}\n"
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "arguments",
    [
        ["models", "publish", "absent.skops", "--name", "m"],
        ["predict", "--tenant", "t", "--input", "absent.jsonl"],
        ["predict", "--tenant", "t", "--input", "given.jsonl", "--schema", "absent.avsc"],
    ],
    ids=["artifact", "records", "schema"],
)
def test_a_file_that_is_not_there_is_a_configuration_error(
    folder: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "given.jsonl").write_text("{}\n")
    assert main(arguments) == ExitCode.CONFIGURATION
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "can't be read (No such file or directory)" in captured.err


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("topic", ["a b", "", "..", "x" * 250, "a/b"])
def test_a_name_that_no_topic_can_have_is_a_usage_error(topic: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tail", "--topic", topic]) == ExitCode.USAGE
    assert "expected a topic name" in capsys.readouterr().err


@pytest.mark.usefixtures("folder")
def test_a_wrong_entry_of_a_list_is_one_problem(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "show", "--set", "models.formats=xyz"]) == ExitCode.CONFIGURATION
    said = capsys.readouterr().err
    assert said.startswith("streamproc: models.formats[0] (--set): expected 'skops', 'onnx', 'joblib' or 'pickle', found 'xyz'")
    assert said.count("\n") == 1


@pytest.mark.usefixtures("folder")
def test_an_empty_list_still_lacks_an_entry(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "show", "--set", "models.formats=[]"]) == ExitCode.CONFIGURATION
    assert "models.formats (--set): expected at least one entry, found an empty list" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["config", "show"], ["--help"]])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_behind_stdout_is_said_in_one_line(folder: Path, arguments: list[str], unbuffered: str) -> None:
    with Path("/dev/full").open("w") as full:  # a device of Linux
        done = subprocess.run(
            [sys.executable, "-m", "streamproc", *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            cwd=folder,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        )
    assert done.returncode == ExitCode.FAILURE
    assert done.stderr == (
        "streamproc: what this command prints can't be written: No space left on device; make room, or redirect it elsewhere\n"
    )


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["models", "list"], ExitCode.OK),
        (["models", "history", "--tenant", "t"], ExitCode.OK),
        (["models", "show", "m@1"], ExitCode.FAILURE),
        (["predict", "--tenant", "t", "--input", "-"], ExitCode.FAILURE),
        (["config", "show"], ExitCode.OK),
        (["check"], ExitCode.FINDINGS),
    ],
    ids=["list", "history", "show", "predict", "config", "check"],
)
@pytest.mark.usefixtures("capsys")
def test_commands_that_read_make_no_database(folder: Path, arguments: list[str], code: ExitCode) -> None:
    assert main(arguments) == code
    assert sorted(path.name for path in folder.iterdir()) == ["event.avsc", "streamproc.yaml"]
