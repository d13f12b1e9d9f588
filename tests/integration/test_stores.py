"""The main job with its artifacts in S3 and its registry in PostgreSQL, also while one of them is away."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import skops.io
from support.deployment import Deployment, sales_of, wrong_predictions
from support.kafka import Cluster
from support.postgres import Postgres, postgres_server
from support.processes import Replica, wait_until
from support.s3 import S3Server, s3_server
from support.shops import Sale, Shop, make_shops, sale


@dataclass(frozen=True)
class Backends:
    """The servers, and the settings under which models were published there."""

    s3: S3Server
    postgres: Postgres
    settings: dict[str, str]


@pytest.fixture(scope="module")
def shops() -> list[Shop]:
    return make_shops(3)


@pytest.fixture(scope="module")
def backends(kafka: Cluster, tmp_path_factory: pytest.TempPathFactory, shops: Sequence[Shop]) -> Iterator[Backends]:
    """Models that the command published, one call each."""
    folder = tmp_path_factory.mktemp("stores")
    with s3_server() as s3, postgres_server(folder) as postgres:
        settings = {
            "database_url": postgres.new_database(),
            "store": f"s3://{s3.new_bucket()}/fleet/models",
            "s3_endpoint_url": s3.endpoint_url,
        }
        backends = Backends(s3, postgres, settings)
        publisher = deployed(kafka, folder, backends)
        for shop in shops:
            assert publish(publisher, folder, shop) == f"{shop.tenant}@1"
        yield backends


def publish(deployment: Deployment, folder: Path, shop: Shop) -> str:
    """`streamproc models publish`; what it prints."""
    artifact = folder / f"{shop.tenant}.skops"
    skops.io.dump(shop.estimator, artifact)
    arguments = ["models", "publish", str(artifact), "--name", shop.tenant, "--tenant", shop.tenant]
    if not shop.has_names:
        arguments += ["--features", ",".join(shop.features)]
    return deployment.command(*arguments).strip()


def deployed(kafka: Cluster, folder: Path, backends: Backends) -> Deployment:
    return Deployment(kafka.bootstrap_servers, folder, models=backends.settings)


def test_two_replicas_predict_with_models_out_of_s3_as_postgresql_assigns_them(
    kafka: Cluster, tmp_path: Path, backends: Backends, shops: Sequence[Shop]
) -> None:
    deployment = deployed(kafka, tmp_path, backends)
    with deployment.replica("batch.max_records=200") as first, deployment.replica("batch.max_records=200") as second:
        first.wait_ready()
        second.wait_ready()
        deployment.produce(sales_of(shops, 4000))
        deployment.wait_done()
        assert min(one.metric("streamproc_records_produced_total") for one in (first, second)) > 0, "both work"
        assert (first.terminate(), second.terminate()) == (0, 0)
    assert deployment.verdict() == ((), (), {}, ())
    assert wrong_predictions(shops, deployment.predictions()) == []


@pytest.mark.parametrize(
    ("name", "place"), [("s3", "the artifact store s3://"), ("postgres", "the model registry postgresql:")]
)
def test_while_store_or_registry_is_away_cold_tenants_wait_and_warm_ones_flow(
    kafka: Cluster, tmp_path: Path, backends: Backends, shops: Sequence[Shop], name: str, place: str
) -> None:
    server: S3Server | Postgres = getattr(backends, name)
    deployment = deployed(kafka, tmp_path, backends)
    warm, *cold = shops
    with deployment.replica() as replica:
        deployment.produce(sales_to([warm], 100))
        wait_until(lambda: produced(replica) == 100, "one tenant is warm")
        with server.away():
            deployment.produce(sales_to(shops, 300))
            wait_until(lambda: produced(replica) == 200, "the warm tenant's records flow")
            wait_until(lambda: replica.metric("streamproc_parked_tenants") == len(cold), "the others wait")
            wait_until(lambda: place in replica.get("/readyz")[1], "what it waits for is named")
        deployment.wait_done()
        wait_until(lambda: "artifact store" not in replica.get("/readyz")[1], "it waits no longer")
        assert any(place in str(line["message"]) and line["level"] == "warning" for line in replica.log_lines())
        assert replica.terminate() == 0
    assert deployment.dead_letters() == []
    assert deployment.verdict() == ((), (), {}, ())
    assert wrong_predictions(shops, deployment.predictions()) == []


def sales_to(shops: Sequence[Shop], count: int) -> list[Sale]:
    """As many for each."""
    rng = random.Random(11)  # noqa: S311 - test data
    return [sale(shops[number % len(shops)].tenant, rng) for number in range(count)]


def produced(replica: Replica) -> float:
    return replica.metric("streamproc_records_produced_total")
