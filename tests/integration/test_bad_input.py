"""Bad input on a real broker: each record ends as the dead letter that the contract promises, and costs nobody else."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from support.bad_records import BadRecord, by_value, wrong_bytes, wrong_features, wrong_tenants
from support.deployment import Deployment, sales_of, wrong_predictions
from support.kafka import Cluster
from support.processes import wait_until
from support.shops import Shop, encode, make_shops, sale
from support.verifier import reason_of, source_of


@pytest.fixture
def shops() -> list[Shop]:
    return make_shops(3)


@pytest.fixture
def deployment(kafka: Cluster, tmp_path: Path, shops: list[Shop]) -> Deployment:
    made = Deployment(kafka.bootstrap_servers, tmp_path, dead_letters={"stop_share": None})
    made.publish(shops)
    return made


def needs_maybe() -> Shop:
    return Shop(
        "needs-maybe", LinearRegression().fit(np.array([[1.0], [2.0]]), [1.0, 2.0]), ("maybe",), has_names=False, tolerance=0
    )


def test_every_kind_of_bad_record_is_a_dead_letter_and_its_neighbours_are_predicted(
    deployment: Deployment, shops: list[Shop]
) -> None:
    deployment.publish([needs_maybe()])
    tenant = shops[0].tenant
    bad = [*wrong_bytes(tenant), *wrong_tenants(), *wrong_features(tenant, "needs-maybe")]
    assert len(bad) >= 25
    good = sales_of(shops, 10 * len(bad))
    for number, record in enumerate(bad):
        deployment.produce(good[10 * number : 10 * number + 10])
        deployment.produce_bytes(record.value, key=record.kind.encode(), headers=[("trace", b"1"), *record.headers])
    deployment.flush()
    with deployment.replica() as replica:
        deployment.wait_done()
        assert replica.terminate() == 0
    assert deployment.verdict() == ((), (), {}, ())
    assert len(deployment.predictions()) == len(good)
    assert wrong_predictions(shops, deployment.predictions()) == []
    assert _differences(deployment, bad) == []


def _differences(deployment: Deployment, bad: list[BadRecord]) -> list[str]:
    """How the dead letters are not what they should be: reason, original key, value and headers, our own headers."""
    expected = by_value(bad)
    inputs = {record.position: record for record in deployment.inputs()}
    found = []
    for dead in deployment.dead_letters():
        original = inputs[source_of(dead)]
        if (dead.key, dead.value) != (original.key, original.value) or dead.headers[
            : len(original.headers)
        ] != original.headers:
            found.append(f"{original.key!r} was changed")
        record = expected.pop((original.value, original.headers[1:]))
        if reason_of(dead) != record.reason:
            found.append(f"{record.kind}: {reason_of(dead)} instead of {record.reason}")
    return found + [f"{record.kind} has no dead letter" for record in expected.values()]


def test_a_model_that_is_missing_tampered_with_or_returns_nonsense_costs_its_own_tenant_only(
    deployment: Deployment, shops: list[Shop]
) -> None:
    infinite = LinearRegression().fit(np.array([[1.0], [2.0]]), [1.0, 2.0])
    infinite.coef_ = np.array([1e308])
    broken = [replace(make_shops(1, seed=50 + number)[0], tenant=f"broken-{number}") for number in (1, 2)]
    deployment.publish([*broken, Shop("broken-3", infinite, ("b",), has_names=False, tolerance=0)])
    deployment.artifact_of("broken-1@1").unlink()
    artifact = deployment.artifact_of("broken-2@1")
    damaged = bytearray(artifact.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    artifact.write_bytes(damaged)

    good = sales_of(shops, 100)
    rng = random.Random(1)  # noqa: S311 - test data
    for number in (1, 2, 3):
        deployment.produce([{**sale(f"broken-{number}", rng), "b": 1000.0}])
    deployment.produce(good)
    with deployment.replica():
        deployment.wait_done()
    reasons = {dict(dead.headers)["__streamproc.errors.tenant"]: reason_of(dead) for dead in deployment.dead_letters()}
    assert reasons == {b"broken-1": "model_missing", b"broken-2": "model_rejected", b"broken-3": "prediction_invalid"}
    assert len(deployment.predictions()) == len(good)


def test_an_output_too_large_for_its_topic_is_a_dead_letter_and_its_neighbours_are_delivered(
    kafka: Cluster, tmp_path: Path, shops: list[Shop]
) -> None:
    deployment = Deployment(kafka.bootstrap_servers, tmp_path, output_config={"max.message.bytes": "2000"})
    deployment.publish(shops)
    good = sales_of(shops, 300)
    deployment.produce(good[:150])
    large = {**good[0], "notes": {"x": "y" * 3000}}
    deployment.produce_bytes(encode(large), key=b"large")
    deployment.produce(good[150:])
    with deployment.replica():
        deployment.wait_done()
    assert [(dead.key, reason_of(dead)) for dead in deployment.dead_letters()] == [(b"large", "output_refused")]
    verdict = deployment.verdict()
    assert (verdict.lost, verdict.invented, verdict.both) == ((), (), ())


def test_too_many_failures_stop_the_process_with_a_message_and_without_a_commit(
    kafka: Cluster, tmp_path: Path, shops: list[Shop]
) -> None:
    deployment = Deployment(kafka.bootstrap_servers, tmp_path, dead_letters={"stop_share": 0.5, "over_records": 100})
    deployment.publish(shops)
    for _ in range(500):
        deployment.produce_bytes(b"rubbish")
    deployment.flush()
    with deployment.replica() as replica:
        wait_until(lambda: not replica.is_alive(), "it stops")
        assert replica.process.returncode == 1
        assert "dead_letters.stop_share" in replica.log.read_text()
