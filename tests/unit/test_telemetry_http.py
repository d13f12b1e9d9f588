"""What probes and strangers get from the HTTP endpoints."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from typing import Literal

import pytest

from streamproc.batches import PartitionId
from streamproc.errors import ConfigurationError
from streamproc.ports import CommitReport
from streamproc.telemetry.health import Health
from streamproc.telemetry.http import TelemetryServer
from streamproc.telemetry.metrics import Metrics


class Hands:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def verdict(health: Health, probe: Literal["live", "ready"]) -> tuple[bool, tuple[str, ...]]:
    answer = health.live if probe == "live" else health.ready
    return answer.ok, answer.waiting_for


@pytest.fixture
def clock() -> Hands:
    return Hands()


@pytest.fixture
def health(clock: Hands) -> Health:
    return Health(monotonic=clock, stall_seconds=60, dependencies=["model registry", "model store"])


@pytest.fixture
def server(health: Health) -> Iterator[TelemetryServer]:
    metrics = Metrics(version="1", tenant_limit=5, tenants=(), wall=lambda: 0.0)
    server = TelemetryServer(metrics.registry, health, host="127.0.0.1", port=0)
    yield server
    server.close()


def ask(server: TelemetryServer, path: str, method: str = "GET", **headers: str) -> tuple[HTTPResponse, str]:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return response, response.read().decode()
    finally:
        connection.close()


def test_it_becomes_ready_when_it_joined_and_its_dependencies_answered(health: Health) -> None:
    assert verdict(health, "ready") == (
        False,
        ("the consumer group", "the first answer of the model registry", "the first answer of the model store"),
    )
    health.answered("model registry")
    health.rebalanced("assigned", [], 0)
    assert verdict(health, "ready") == (False, ("the first answer of the model store",))
    health.answered("something else")
    assert not verdict(health, "ready")[0]
    health.answered("model store")
    assert verdict(health, "ready") == (True, ())


def test_it_stays_ready_and_says_what_it_waits_for(health: Health) -> None:
    for dependency in ("model registry", "model store"):
        health.answered(dependency)
    health.rebalanced("assigned", [PartitionId("events", 0)], 1)
    health.waiting("topic events does not exist")
    assert verdict(health, "ready") == (True, ("topic events does not exist",))
    health.waiting(None)
    assert verdict(health, "ready") == (True, ())


def test_it_lives_for_as_long_as_the_loop_makes_progress(health: Health, clock: Hands) -> None:
    clock.now = 60
    assert verdict(health, "live")[0]
    clock.now = 61
    assert verdict(health, "live") == (False, ("the loop, which has made no progress for 61 s",))
    health.progressed()
    assert verdict(health, "live")[0]


def test_waiting_for_a_dependency_is_progress(health: Health, clock: Hands) -> None:
    clock.now = 61
    health.waiting("the broker at localhost:9092")
    assert verdict(health, "live") == (True, ("the broker at localhost:9092",))
    clock.now = 120
    health.commit_done(CommitReport(succeeded=False, seconds=1))
    clock.now = 180
    assert verdict(health, "live")[0]


def test_the_probes_answer_with_status_and_reason(server: TelemetryServer, health: Health, clock: Hands) -> None:
    response, body = ask(server, "/readyz")
    assert response.status == 503
    assert json.loads(body) == {
        "ready": False,
        "waiting_for": ["the consumer group", "the first answer of the model registry", "the first answer of the model store"],
    }
    health.rebalanced("assigned", [], 0)
    health.answered("model registry")
    health.answered("model store")
    assert ask(server, "/readyz")[0].status == 200
    assert ask(server, "/livez")[0].status == 200
    clock.now = 100
    assert ask(server, "/livez")[0].status == 503


def test_metrics_are_served_in_the_format_that_is_asked_for(server: TelemetryServer) -> None:
    response, body = ask(server, "/metrics")
    assert response.status == 200
    assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert "streamproc_build_info" in body
    response, body = ask(server, "/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert response.headers["Content-Type"].startswith("application/openmetrics-text")
    assert body.endswith("# EOF\n")


def test_a_query_string_is_ignored(server: TelemetryServer) -> None:
    assert ask(server, "/livez?verbose")[0].status == 200


@pytest.mark.parametrize("path", ["/", "/metrics/", "/../etc/passwd", "/%2e%2e/", "/favicon.ico"])
def test_anything_else_is_not_found(server: TelemetryServer, path: str) -> None:
    response, body = ask(server, path)
    assert (response.status, body) == (404, "404 Not Found\n")


def test_head_has_no_body(server: TelemetryServer) -> None:
    response, body = ask(server, "/livez", "HEAD")
    assert (response.status, body) == (200, "")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "TRACE"])
def test_nothing_can_be_changed(server: TelemetryServer, method: str) -> None:
    assert ask(server, "/metrics", method)[0].status == 501


@pytest.mark.parametrize(("path", "method"), [("/livez", "GET"), ("/nothing", "GET"), ("/metrics", "POST")])
def test_no_answer_tells_what_software_is_behind_it(server: TelemetryServer, path: str, method: str) -> None:
    response, body = ask(server, path, method)
    assert response.headers["Server"] == "streamproc"
    assert "python" not in (str(response.headers) + body).lower()


def test_more_requests_than_the_bound_are_hung_up_on(server: TelemetryServer) -> None:
    held = [socket.create_connection(("127.0.0.1", server.port), 10) for _ in range(16)]
    try:
        late = socket.create_connection(("127.0.0.1", server.port), 10)
        held.append(late)
        assert late.recv(1) == b""
        held.pop(0).close()
        while True:
            try:
                assert ask(server, "/livez")[0].status == 200
                break
            except ConnectionError:  # the thread of the one that went away has not ended yet
                continue
    finally:
        for connection in held:
            connection.close()


def test_a_port_in_use_is_told_with_its_setting(server: TelemetryServer, health: Health) -> None:
    metrics = Metrics(version="1", tenant_limit=5, tenants=(), wall=lambda: 0.0)
    with pytest.raises(ConfigurationError, match=rf"http\.port: {server.port} is in use on 127\.0\.0\.1"):
        TelemetryServer(metrics.registry, health, host="127.0.0.1", port=server.port)


@pytest.mark.parametrize("host", ["host.invalid", "192.0.2.1"])
def test_a_host_that_is_not_ours_is_told_with_its_setting(health: Health, host: str) -> None:
    metrics = Metrics(version="1", tenant_limit=5, tenants=(), wall=lambda: 0.0)
    with pytest.raises(ConfigurationError, match=r"http\.host: expected an address of this machine"):
        TelemetryServer(metrics.registry, health, host=host, port=0)


def test_the_port_that_was_found_is_logged(health: Health, caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics(version="1", tenant_limit=5, tenants=(), wall=lambda: 0.0)
    with caplog.at_level(logging.INFO, "streamproc"):
        server = TelemetryServer(metrics.registry, health, host="127.0.0.1", port=0)
    server.close()
    assert f"http://127.0.0.1:{server.port}" in caplog.text
