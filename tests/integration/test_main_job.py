"""The main job, end to end: real processes on a real broker, judged by a reader from outside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.deployment import Deployment, sales_of, wrong_predictions
from support.kafka import Cluster
from support.processes import wait_until
from support.shops import Shop, expectations, make_shops


@pytest.fixture(scope="module")
def shops() -> list[Shop]:
    return make_shops(20)


@pytest.fixture
def deployment(kafka: Cluster, tmp_path: Path, shops: list[Shop]) -> Deployment:
    made = Deployment(kafka.bootstrap_servers, tmp_path)
    made.publish(shops)
    return made


def test_each_of_twenty_tenants_gets_scikit_learns_own_predictions(deployment: Deployment, shops: list[Shop]) -> None:
    deployment.produce(sales_of(shops, 6000))
    with deployment.replica() as replica:
        replica.wait_ready()
        deployment.wait_done()
        assert replica.terminate() == 0
    assert deployment.verdict() == ((), (), {}, ())
    assert wrong_predictions(shops, deployment.predictions()) == []


def test_an_output_record_is_the_input_record_with_one_more_field(deployment: Deployment, shops: list[Shop]) -> None:
    deployment.produce(sales_of(shops, 200))
    with deployment.replica():
        deployment.wait_done()
    inputs = {record.position: record for record in deployment.inputs()}
    predictions = deployment.predictions()
    assert len(predictions) == 200
    for prediction in predictions:
        source, output = inputs[prediction.position], prediction.record
        assert source.value is not None
        assert output.value is not None
        assert output.value[5:].startswith(source.value[5:])
        assert (output.key, output.headers, output.timestamp) == (source.key, source.headers, source.timestamp)
        assert output.partition == source.partition


def test_records_of_one_key_come_out_in_their_order(deployment: Deployment, shops: list[Shop]) -> None:
    deployment.produce(sales_of(shops, 3000))
    with deployment.replica():
        deployment.wait_done()
    last: dict[tuple[bytes | None, int], int] = {}
    for prediction in deployment.predictions():
        topic, partition, offset = prediction.position
        assert last.get((prediction.record.key, partition), -1) < offset, topic
        last[prediction.record.key, partition] = offset


def test_a_record_without_a_key_is_produced_under_its_tenant(deployment: Deployment, shops: list[Shop]) -> None:
    sale = sales_of(shops, 1)[0]
    deployment.produce_events([sale], with_keys=False)
    with deployment.replica():
        deployment.wait_done()
    (prediction,) = deployment.predictions()
    assert prediction.record.key == sale["tenant_id"].encode()


def test_nothing_is_lost_when_a_third_replica_joins_and_one_is_killed(deployment: Deployment, shops: list[Shop]) -> None:
    sales = sales_of(shops, 30_000)
    with deployment.replica("batch.max_records=200") as first, deployment.replica("batch.max_records=200") as second:
        first.wait_ready()
        second.wait_ready()
        deployment.produce(sales[:15_000])
        wait_until(lambda: second.metric("streamproc_records_produced_total") > 1000, "the second replica works")
        with deployment.replica("batch.max_records=200") as third:
            third.wait_ready()
            deployment.produce(sales[15_000:])
            wait_until(lambda: third.metric("streamproc_records_produced_total") > 500, "the third replica works")
            assert second.metric("streamproc_assigned_partitions") > 0
            second.kill()
            deployment.wait_done()
            assert (first.terminate(), third.terminate()) == (0, 0)
    verdict = deployment.verdict()
    assert (verdict.lost, verdict.invented, verdict.both) == ((), (), ())
    assert wrong_predictions(shops, deployment.predictions()) == []


def test_sigterm_under_load_exits_0_and_doubles_nothing(deployment: Deployment, shops: list[Shop]) -> None:
    deployment.produce(sales_of(shops, 20_000))
    for _ in range(3):
        with deployment.replica("batch.max_records=500") as replica:
            wait_until(lambda r=replica: r.metric("streamproc_records_produced_total") > 1000, "under load")  # type: ignore[misc]  # mypy can't infer it
            assert replica.terminate() == 0
    with deployment.replica() as replica:
        deployment.wait_done()
        assert replica.terminate() == 0
    assert deployment.verdict() == ((), (), {}, ())


def test_a_model_is_added_replaced_and_rolled_back_while_the_processor_runs(deployment: Deployment, shops: list[Shop]) -> None:
    shop = shops[0]
    sale = next(sale for sale in sales_of(shops, 500) if sale["tenant_id"] == shop.tenant)
    newcomer = {**sale, "tenant_id": "newcomer"}
    with deployment.replica("models.refresh_seconds=0.2"):
        deployment.produce([sale])
        assert deployment.model_ids() == [f"{shop.tenant}@1"]

        deployment.produce([newcomer])
        wait_until(lambda: len(deployment.dead_letters()) == 1, "a tenant without a model is a dead letter")
        deployment.publish([Shop("newcomer", shop.estimator, shop.features, shop.has_names, shop.tolerance)])
        deployment.wait_served(newcomer, "newcomer@1")

        other = make_shops(1, seed=99)[0]
        deployment.publish([Shop(shop.tenant, other.estimator, shop.features, shop.has_names, shop.tolerance)])
        deployment.wait_served(sale, f"{shop.tenant}@2")
        latest = deployment.predictions_of(shop.tenant)[-1]
        expected = expectations(Shop(shop.tenant, other.estimator, shop.features, shop.has_names, shop.tolerance), [sale])
        assert latest.prediction["value"] == pytest.approx(expected[0].value, abs=1e-9)

        deployment.command("models", "rollback", "--tenant", shop.tenant)
        deployment.wait_served(sale, f"{shop.tenant}@1")


def test_other_tenants_flow_while_one_waits_for_its_model(deployment: Deployment, shops: list[Shop]) -> None:
    """The store's file of one model is a pipe that nobody writes to: its load hangs."""
    stuck = shops[1].tenant
    artifact = deployment.artifact_of(f"{stuck}@1")
    contents = artifact.read_bytes()
    artifact.unlink()
    deployment.make_pipe(artifact)
    sales = sales_of(shops, 2000)
    deployment.produce(sales)
    expected = sum(sale["tenant_id"] != stuck for sale in sales)
    with deployment.replica() as replica:
        wait_until(lambda: replica.metric("streamproc_records_produced_total") == expected, "all others are served")
        assert replica.metric("streamproc_parked_tenants") == 1
        deployment.feed_pipe(artifact, contents)
        deployment.wait_done()
    assert deployment.verdict() == ((), (), {}, ())
    assert wrong_predictions(shops, deployment.predictions()) == []


def test_the_metrics_account_for_every_record(deployment: Deployment, shops: list[Shop]) -> None:
    deployment.produce(sales_of(shops, 1000))
    deployment.produce_bytes(b"rubbish")
    deployment.flush()
    with deployment.replica() as replica:
        deployment.wait_done()
        wait_until(lambda: replica.metric("streamproc_consumer_lag_records") == 0, "the lag is gone")
        assert replica.metric("streamproc_records_consumed_total") == 1001
        assert replica.metric(f'streamproc_records_produced_total{{topic="{deployment.output}"}}') == 1000
        assert replica.metric(f'streamproc_records_produced_total{{topic="{deployment.dead}"}}') == 1
        assert replica.metric('streamproc_dead_letters_total{reason="bad_framing"}') == 1
        assert replica.metric("streamproc_end_to_end_latency_seconds_count") == 1000
        assert replica.metric("streamproc_model_cache_models") == 20
        assert replica.metric("streamproc_assigned_partitions") == 4
        assert replica.get("/livez")[0] == 200
        lines = replica.log_lines()
    assert all({"timestamp", "level", "message"} <= line.keys() for line in lines)
    assert "rubbish" not in json.dumps(lines)
