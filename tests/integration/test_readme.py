"""The README's first steps, as it writes them: its commands, then its two snippets, on a real broker."""

from __future__ import annotations

import ast
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from threading import Timer

import pandas as pd
import pytest
import skops.io
import yaml
from sklearn.linear_model import LinearRegression
from support.kafka import Cluster, unique_name
from support.processes import Replica, streamproc

ROOT = Path(__file__).resolve().parents[2]
CHAPTER = (ROOT / "README.md").read_text("utf-8").partition("## Ten lines in, ten lines out\n")[2].partition("\n## ")[0]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", CHAPTER, re.MULTILINE | re.DOTALL)


@pytest.fixture
def model() -> LinearRegression:
    return LinearRegression().fit(pd.DataFrame({"amount": [1.0, 2.0, 4.0], "items": [1, 5, 2]}), [3.0, 1.0, 4.0])


@pytest.fixture
def names(kafka: Cluster) -> dict[str, str]:
    """What stands in the README → what this test has instead."""
    topics = {topic: kafka.create_topic(topic) for topic in ("events", "predictions", "events.dead-letters")}
    return {"localhost:9092": kafka.bootstrap_servers, **topics}


@pytest.fixture
def folder(tmp_path: Path, names: dict[str, str], model: LinearRegression) -> Path:
    """A user's folder: the example schema, a model, and a configuration that only says where Kafka is."""
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas")
    skops.io.dump(model, tmp_path / "sales.skops")
    settings = {
        "bootstrap_servers": names["localhost:9092"],
        "group_id": unique_name("readme"),
        "input_topics": [names["events"]],
        "output_topic": names["predictions"],
        "dead_letter_topic": names["events.dead-letters"],
    }
    (tmp_path / "streamproc.yaml").write_text(yaml.safe_dump({"kafka": settings}))
    return tmp_path


def test_an_event_that_the_readme_produces_comes_out_where_the_readme_consumes(
    folder: Path, names: dict[str, str], model: LinearRegression, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    (shell,) = blocks("sh")
    commands = [shlex.split(line, comments=True)[1:] for line in shell.splitlines() if line.startswith("streamproc ")]
    assert [command[0] for command in commands] == ["models", "check", "run"]
    produce, consume = (adapted(block, names) for block in blocks("python"))

    assert succeeded(commands[0]) == "sales@1\n"
    succeeded(commands[1])
    Path("output.avsc").write_text(succeeded(["schema", "show", "--output"]))
    with Replica(folder / "streamproc.yaml") as replica:
        subprocess.run([sys.executable, "-c", produce], check=True, timeout=60)
        prediction = first_line_of(consume)
        assert replica.terminate() == 0

    shown = ast.literal_eval(re.sub(r"datetime\.datetime\([^)]*\)", "None", prediction))
    assert shown["model_id"] == "sales@1"
    assert shown["value"] == pytest.approx(model.predict(pd.DataFrame({"amount": [12.5], "items": [3]}))[0], abs=1e-9)
    assert (shown["source_topic"], shown["source_partition"], shown["source_offset"]) == (names["events"], 0, 0)


def adapted(snippet: str, names: dict[str, str]) -> str:
    for written, own in names.items():
        snippet = snippet.replace(f'"{written}"', f'"{own}"')
    assert names["localhost:9092"] in snippet
    return snippet


def succeeded(arguments: list[str]) -> str:
    done = streamproc(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def first_line_of(program: str) -> str:
    """It runs for ever; so this ends it after its first line, or when none comes."""
    with subprocess.Popen([sys.executable, "-u", "-c", program], stdout=subprocess.PIPE, text=True) as process:
        patience = Timer(60, process.kill)
        patience.start()
        assert process.stdout is not None
        try:
            return process.stdout.readline()
        finally:
            patience.cancel()
            process.kill()
