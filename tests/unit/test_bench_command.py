from __future__ import annotations

import pytest
from typer.testing import CliRunner

from streamproc.cli.commands import application
from streamproc.errors import RefusedError, TransientError
from streamproc.kafka.embedded import EmbeddedBroker
from streamproc.kafka.options import ConnectionOptions
from streamproc.kafka.run_topics import RunTopics, refuse_toy

NOBODY = "127.0.0.1:1"


def test_the_toy_broker_is_refused_because_its_figures_mean_nothing() -> None:
    with EmbeddedBroker() as broker:
        options = ConnectionOptions(broker.bootstrap_servers)
        with pytest.raises(RefusedError, match="toy"):
            refuse_toy(options)
        with pytest.raises(RefusedError, match="toy"), RunTopics(options, partitions=1):
            pass
        result = CliRunner().invoke(application, ["bench", "--bootstrap-servers", broker.bootstrap_servers])
        assert isinstance(result.exception, RefusedError)
        assert result.stdout == ""


def test_a_broker_that_does_not_answer_is_said_to_be_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamproc.kafka.run_topics._SECONDS", 0.5)
    with pytest.raises(TransientError, match="--bootstrap-servers"):
        refuse_toy(ConnectionOptions(NOBODY, client={"log_level": 0}))


def test_help_names_the_workloads() -> None:
    result = CliRunner().invoke(application, ["bench", "--help"])
    assert result.exit_code == 0
    assert "linear-1000" in result.stdout
    assert "forest-200" in result.stdout
