"""The demonstration, as a newcomer starts it: one command, nothing set up."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest
from support.kafka import Cluster
from support.processes import streamproc

from streamproc.demo.replica import Replica, ReplicaError
from streamproc.demo.table import HEADING


@pytest.mark.parametrize("data", ["generated", "flights"])
def test_every_event_of_the_demo_comes_out_once(data: str) -> None:
    done = streamproc("demo", "--data", data, "--records", "3000", "--tenants", "7")
    assert done.returncode == 0, done.stderr
    summary = done.stdout.splitlines()[-1]
    assert "in 3,000 = out" in summary
    assert "nothing lost, nothing twice" in summary
    assert "equals scikit-learn's own" in done.stdout
    whole = next(line for line in done.stdout.splitlines() if "one of them whole: " in line)
    record = json.loads(whole.partition("whole: ")[2])
    assert record["prediction"]["source_topic"].startswith("demo-")
    assert HEADING in done.stderr
    assert "\x1b" not in done.stdout + done.stderr


def test_an_interrupted_demo_leaves_no_process_behind() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STREAMPROC_")}
    command = [sys.executable, "-m", "streamproc", "demo", "--records", "200000", "--tenants", "3"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment) as demo:
        assert demo.stderr is not None
        for line in demo.stderr:
            if "records back" in line:
                break
        children = psutil.Process(demo.pid).children(recursive=True)
        assert len(children) >= 2, "a broker and a processor"
        demo.send_signal(signal.SIGINT)
        rest = threading.Thread(target=demo.stderr.read)  # a full pipe would hold it up
        rest.start()
        assert demo.wait(30) == 130
        rest.join()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive


def test_a_killed_demo_leaves_no_process_behind() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STREAMPROC_")}
    command = [sys.executable, "-m", "streamproc", "demo", "--records", "200000", "--tenants", "3"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment) as demo:
        assert demo.stderr is not None
        for line in demo.stderr:
            if "records back" in line:
                break
        children = psutil.Process(demo.pid).children(recursive=True)
        assert len(children) >= 2, "a broker and a processor"
        demo.kill()
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive


def test_the_demo_runs_on_a_cluster_that_is_given(kafka: Cluster) -> None:
    done = streamproc("demo", "--records", "2000", "--tenants", "4", "--bootstrap-servers", kafka.bootstrap_servers)
    assert done.returncode == 0, done.stderr
    assert "in 2,000 = out" in done.stdout


def test_a_processor_that_ends_is_reported_with_its_last_words(tmp_path: Path) -> None:
    config = tmp_path / "streamproc.yaml"
    config.write_text("kafka: {group: typo}")
    with Replica(config) as replica, pytest.raises(ReplicaError, match=r"(?s)exit code 78.*kafka\.group"):
        replica.wait_until_ready()
    assert replica.stop() == 78


def test_flights_of_an_unknown_kind_are_a_usage_error() -> None:
    assert streamproc("demo", "--data", "trains").returncode == 2
