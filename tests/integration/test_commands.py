"""The commands beside `run`, as an operator calls them, on a real broker; and how `run` hears signals."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import fastavro
import pytest
from support.deployment import Deployment
from support.kafka import Cluster
from support.processes import streamproc, wait_until
from support.shops import SCHEMA, SCHEMA_ID, Sale, Shop, differs, expectations, make_shops, sale

Json = Any  # what a command prints


@pytest.fixture(scope="module")
def shops() -> list[Shop]:
    return make_shops(6)


@pytest.fixture
def deployment(kafka: Cluster, tmp_path: Path, shops: list[Shop]) -> Deployment:
    made = Deployment(kafka.bootstrap_servers, tmp_path)
    made.publish(shops)
    return made


def sales(shops: list[Shop], count: int) -> list[Sale]:
    rng = random.Random(3)  # noqa: S311 - test data
    return [sale(shops[number % len(shops)].tenant, rng) for number in range(count)]


def own_environment() -> dict[str, str]:
    """Ours without settings: the address of a broker that the tests were given is none of the command's."""
    return {name: value for name, value in os.environ.items() if not name.startswith("STREAMPROC_")}


def lines(text: str) -> list[Json]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="module")
def processed(kafka: Cluster, tmp_path_factory: pytest.TempPathFactory, shops: list[Shop]) -> Deployment:
    """24 sales predicted, two records dead; for tests that change nothing."""
    deployment = Deployment(kafka.bootstrap_servers, tmp_path_factory.mktemp("processed"))
    deployment.publish(shops)
    deployment.produce(sales(shops, 24))
    deployment.produce_bytes(b"\1 no frame", key=b"k")
    deployment.produce_bytes(None, key=b"k")
    deployment.flush()
    with deployment.replica() as replica:
        replica.wait_ready()
        deployment.wait_done()
        assert replica.terminate() == 0
    return deployment


def test_check_finds_nothing_where_everything_is_there(deployment: Deployment) -> None:
    done = streamproc("check", "--json", "-c", str(deployment.config))
    assert json.loads(done.stdout) == {"findings": []}
    assert done.returncode == 0


def test_check_names_each_finding_with_its_fix_and_ends_with_3(deployment: Deployment) -> None:
    deployment.create_topics({"short-lived": {"retention.ms": "1000", "cleanup.policy": "compact,delete"}})
    arguments = ["check", "--json", "-c", str(deployment.config)]
    arguments += ["--set", "kafka.input_topics=short-lived,absent", "--set", "records.tenant_field=nobody"]
    arguments += ["--set", "models.default_model_id=none@1"]
    done = streamproc(*arguments)
    findings = json.loads(done.stdout)["findings"]
    problems = {(finding["subject"], finding["problem"]) for finding in findings}
    assert done.returncode == 3
    assert all(finding["fix"] for finding in findings)
    assert ("topic absent", "does not exist") in problems
    text = done.stdout
    for expected in (
        "retention.ms",
        "is compacted",
        "'nobody' is absent from schema",
        "model none@1 (the default)",
    ):
        assert expected in text


def test_check_finds_a_store_that_is_not_there(deployment: Deployment) -> None:
    done = streamproc("check", "-c", str(deployment.config), "--set", f"models.store=file:{deployment.folder}/elsewhere")
    assert done.returncode == 3
    assert "artifact store: the artifact store" in done.stdout


def test_check_without_a_broker_still_looks_at_the_rest(deployment: Deployment) -> None:
    done = streamproc("check", "-c", str(deployment.config), "--set", "kafka.bootstrap_servers=127.0.0.1:1")
    assert done.returncode == 3
    assert done.stdout.startswith("broker: no broker answers")
    assert "Traceback" not in done.stderr


def test_a_one_shot_command_without_a_broker_gives_up_with_69(deployment: Deployment) -> None:
    done = streamproc("lag", "-c", str(deployment.config), "--set", "kafka.bootstrap_servers=127.0.0.1:1")
    assert (done.returncode, done.stdout) == (69, "")
    assert done.stderr.count("\n") == 1


def test_lag_tells_what_is_left_in_records_and_seconds(
    processed: Deployment, deployment: Deployment, shops: list[Shop]
) -> None:
    rows = json.loads(processed.command("lag", "--json"))
    assert [(row["lag_records"], row["lag_seconds"]) for row in rows] == [(0, 0)] * 4
    assert sum(row["committed"] for row in rows) == 26
    deployment.produce(sales(shops, 12))
    rows = json.loads(deployment.command("lag", "--json"))
    assert sum(row["lag_records"] for row in rows) == 12
    assert all((row["lag_seconds"] > 0) == (row["lag_records"] > 0) for row in rows)
    assert deployment.command("lag").splitlines()[0].split()[:2] == ["topic", "partition"]


def test_tail_prints_decoded_records_of_any_topic(processed: Deployment) -> None:
    outputs = lines(processed.command("tail"))
    assert len(outputs) == 24
    assert {record["topic"] for record in outputs} == {processed.output}
    assert all("prediction" in record["value"] for record in outputs)
    inputs = lines(processed.command("tail", "--topic", processed.input))
    assert len(inputs) == 26
    by_place = {(record["partition"], record["offset"]): record for record in inputs}
    for record in outputs:
        prediction = record["value"].pop("prediction")
        source = by_place[prediction["source_partition"], prediction["source_offset"]]
        assert source["value"] == record["value"]
    assert sum("error" in record for record in inputs) == 1
    assert len(lines(processed.command("tail", "--newest", "1"))) <= 4


def test_tail_follows(deployment: Deployment, shops: list[Shop], tmp_path: Path) -> None:
    shown = tmp_path / "followed"
    with shown.open("wb") as stdout:
        arguments = [sys.executable, "-m", "streamproc", "tail", "-f", "--newest", "0", "--topic", deployment.input]
        command = [*arguments, "-c", str(deployment.config)]
        running = subprocess.Popen(command, stdout=stdout, stderr=subprocess.DEVNULL, env=own_environment())
    try:
        # It reads from the end that it finds; so go on until something comes.
        def came() -> bool:
            deployment.produce(sales(shops, 1))
            return bool(shown.read_text())

        wait_until(came, "a record that came later")
        assert json.loads(shown.read_text().splitlines()[0])["value"]["tenant_id"] == shops[0].tenant
        running.send_signal(signal.SIGINT)
        assert running.wait(20) == 130
    finally:
        running.kill()
        running.wait()


def test_a_topic_that_does_not_exist_is_69(deployment: Deployment) -> None:
    done = streamproc("tail", "--topic", "absent", "-c", str(deployment.config))
    assert done.returncode == 69
    assert "topic 'absent' does not exist" in done.stderr


def test_dead_letters_are_listed_by_reason_tenant_and_time(processed: Deployment) -> None:
    found = lines(processed.command("dead-letters", "list", "--json"))
    assert sorted(letter["reason"] for letter in found) == ["bad_framing", "empty_value"]
    assert {letter["source_topic"] for letter in found} == {processed.input}
    (letter,) = lines(processed.command("dead-letters", "list", "--json", "--reason", "empty_value", "--since", "1h"))
    assert letter["attempt"] == 1
    assert processed.command("dead-letters", "list", "--until", "1h") == ""
    for reason in ("empty_value", "bad_framing"):  # one of the two is the newest of all
        (letter,) = lines(processed.command("dead-letters", "list", "--json", "--reason", reason, "--newest", "1"))
        assert letter["reason"] == reason
    assert processed.command("dead-letters", "list", "--tenant", "nobody") == ""
    text = processed.command("dead-letters", "list", "--reason", "bad_framing")
    assert "bad_framing" in text
    assert "no frame" not in text


def test_predict_equals_the_stream_and_scikit_learn(processed: Deployment, shops: list[Shop], tmp_path: Path) -> None:
    shop = shops[0]
    theirs = [one for one in sales(shops, 24) if one["tenant_id"] == shop.tenant]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(one) + "\n" for one in theirs))
    with (tmp_path / "in.avro").open("wb") as file:
        fastavro.writer(file, dict(SCHEMA), theirs, codec="deflate")
    found = []
    for name in ("in.jsonl", "in.avro"):
        found.append(lines(processed.command("predict", "--tenant", shop.tenant, "--input", str(tmp_path / name))))
        for row, expected in zip(found[-1], expectations(shop, theirs), strict=True):
            assert differs(shop, expected, row["prediction"]) == ""
    streamed = {
        one["a"]: one["prediction"]["value"] for one in (record["value"] for record in lines(processed.command("tail")))
    }
    assert [row["prediction"]["value"] for row in found[0]] == [streamed[row["a"]] for row in found[0]]


def test_predict_for_a_tenant_without_a_model_is_refused(deployment: Deployment, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text("{}\n")
    done = streamproc("predict", "--tenant", "nobody", "--input", str(tmp_path / "in.jsonl"), "-c", str(deployment.config))
    assert (done.returncode, done.stdout) == (1, "")
    assert "models assign" in done.stderr


def test_predict_reads_stdin_and_ends_with_1_where_a_record_fails(deployment: Deployment, shops: list[Shop]) -> None:
    one = {**sales(shops, 1)[0], "tenant_id": shops[1].tenant}
    done = streamproc(
        "predict", "--tenant", shops[0].tenant, "--input", "-", "-c", str(deployment.config), stdin=json.dumps(one)
    )
    assert json.loads(done.stdout)["error"]["reason"] == "tenant_not_allowed"
    assert done.returncode == 1


def test_the_schemas_are_shown(deployment: Deployment) -> None:
    written = json.loads(deployment.command("schema", "show", "--output"))
    assert written["fields"][-1]["name"] == "prediction"
    (described,) = json.loads(deployment.command("schema", "show", "--json"))
    assert (described["id"], described["schema"]) == (SCHEMA_ID, SCHEMA)


def test_models_are_listed_shown_assigned_and_rolled_back(deployment: Deployment, shops: list[Shop]) -> None:
    tenant = shops[0].tenant
    listed = json.loads(deployment.command("models", "list", "--json"))
    assert {model["model_id"] for model in listed} == {f"{shop.tenant}@1" for shop in shops}
    assert next(model for model in listed if model["model_id"] == f"{tenant}@1")["serves"] == [tenant]
    assert json.loads(deployment.command("models", "show", f"{tenant}@1", "--json"))["tenants"] == [tenant]
    assert f"{tenant}@1" in deployment.command("models", "history", "--tenant", tenant)
    other = streamproc("models", "assign", "--tenant", tenant, "--model", f"{shops[1].tenant}@1", "-c", str(deployment.config))
    assert other.returncode == 1
    nothing = streamproc("models", "rollback", "--tenant", tenant, "-c", str(deployment.config))
    assert (nothing.returncode, nothing.stdout) == (1, "")
    described = json.loads(deployment.command("models", "formats", "--json"))
    assert [one["name"] for one in described["formats"] if one["allowed"]] == ["skops"]


def start(deployment: Deployment, *settings: str) -> subprocess.Popen[bytes]:
    arguments = [sys.executable, "-m", "streamproc", "run", "-c", str(deployment.config), "--set", "http.port=0", *settings]
    return subprocess.Popen(arguments, stderr=subprocess.PIPE, env=own_environment())


def until_it_says(process: subprocess.Popen[bytes], text: str) -> list[Json]:
    said = []
    assert process.stderr is not None
    for line in process.stderr:
        said.append(json.loads(line))
        if text in said[-1]["message"]:
            return said
    raise AssertionError(f"ended with {process.wait()} without saying {text!r}: {said}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_run_with_0_also_while_the_broker_is_away(deployment: Deployment, number: signal.Signals) -> None:
    with start(deployment, "--set", "kafka.bootstrap_servers=127.0.0.1:1") as process:
        said = until_it_says(process, "Waiting")
        assert any("no broker answers" in line["message"] for line in said)
        process.send_signal(number)
        assert process.wait(20) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_during_start_up_ends_run_with_0(deployment: Deployment, number: signal.Signals) -> None:
    code = (
        "import os, signal, sys; from streamproc.cli import signals; from streamproc.cli.main import main\n"
        "heard = signals.STOP_SIGNALS.install\n"
        f"signals.STOP_SIGNALS.install = lambda: (heard(), os.kill(os.getpid(), {int(number)}))\n"
        f"sys.exit(main(['run', '-c', {str(deployment.config)!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_port_in_use_ends_run_with_78_and_one_line_of_json(deployment: Deployment) -> None:
    with deployment.replica() as replica:
        wait_until(lambda: replica.get("/livez")[0] == 200, "the first replica's port")
        with start(deployment, "--set", f"http.port={replica.port}") as process:
            said = until_it_says(process, "http.port")
            assert process.wait(20) == 78
    assert said[-1]["level"] == "error"


def test_a_file_that_can_not_be_published_is_refused_with_1(deployment: Deployment) -> None:
    (deployment.folder / "model.bin").write_bytes(b"x")
    done = streamproc("models", "publish", str(deployment.folder / "model.bin"), "--name", "m", "-c", str(deployment.config))
    assert (done.returncode, done.stdout) == (1, "")
    assert "model.bin" in done.stderr
