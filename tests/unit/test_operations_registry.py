"""`models show`: an artifact, and what would predict with it here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from support.publishing import publish_estimator

from streamproc.cli.main import main

FRAME = pd.DataFrame(np.random.default_rng(2).normal(size=(60, 2)), columns=["x", "y"])
LABEL = (FRAME["x"] > FRAME["y"]).astype(int)
EVENT = {
    "type": "record",
    "name": "Event",
    "fields": [{"name": "tenant_id", "type": "string"}, {"name": "x", "type": "double"}, {"name": "y", "type": "double"}],
}


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installation")
    (folder / "event.avsc").write_text(json.dumps(EVENT))
    file = folder / "streamproc.yaml"
    file.write_text("avro: {schemas: [{id: 1, file: event.avsc, output_id: 2}]}\n")
    publish_estimator(file, LogisticRegression().fit(FRAME, LABEL), "compiled", tenants=["acme"])
    publish_estimator(file, KNeighborsClassifier(3, algorithm="brute").fit(FRAME, LABEL), "native")
    publish_estimator(file, LogisticRegression(C=0.5).fit(FRAME, LABEL), "lost")
    lost = shown(file, "lost@1")["store_key"]
    (folder / "models" / lost).unlink()
    return file


def shown(config: Path, model_id: str) -> Mapping[str, Any]:  # the command's own JSON
    with redirect_stdout(StringIO()) as printed:
        assert main(["models", "show", model_id, "--json", "-c", str(config)]) == 0
    described: Mapping[str, Any] = json.loads(printed.getvalue())
    return described


def test_a_compiled_model_is_shown_with_its_kind_and_memory(config: Path) -> None:
    described = shown(config, "compiled@1")
    assert described["kind"] == "linear"
    assert 200 < described["memory_bytes"] < 1000
    assert described["not_compiled"] is None
    assert described["serves"] == ["acme"]


def test_a_native_model_is_shown_with_the_reason(config: Path) -> None:
    described = shown(config, "native@1")
    assert described["kind"] == "native"
    assert "KNeighborsClassifier" in described["not_compiled"]


def test_an_artifact_that_can_not_be_loaded_is_still_described(config: Path) -> None:
    described = shown(config, "lost@1")
    assert described["features"] == ["x", "y"]
    assert described["kind"] is None
    assert "can't be loaded here" in described["not_compiled"]


def test_people_read_the_same_fields(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "show", "native@1", "-c", str(config)]) == 0
    printed = capsys.readouterr().out
    assert "kind:  native\n" in printed
    assert "not_compiled:  " in printed
