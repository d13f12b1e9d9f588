"""The main job in a group of the consumer protocol (KIP-848), in which the broker assigns."""

from __future__ import annotations

from pathlib import Path

from confluent_kafka.admin import AdminClient
from support.deployment import PARTITIONS, Deployment, sales_of, wrong_predictions
from support.kafka import Cluster
from support.processes import Replica, wait_until
from support.shops import make_shops


def protocol_of(deployment: Deployment) -> str:
    admin = AdminClient({"bootstrap.servers": deployment.bootstrap_servers, "log_level": 0})
    return str(admin.describe_consumer_groups([deployment.group])[deployment.group].result(10).type.name)


def assigned(replica: Replica) -> float:
    return replica.metric("streamproc_assigned_partitions")


def produced(replica: Replica) -> float:
    return replica.metric("streamproc_records_produced_total")


def test_in_a_group_of_the_consumer_protocol_a_clean_leave_loses_nothing_and_doubles_nothing(
    kafka: Cluster, tmp_path: Path
) -> None:
    shops = make_shops(14)
    deployment = Deployment(
        kafka.bootstrap_servers, tmp_path, kafka={"group_protocol": "consumer", "consumer": {}}, batch={"max_records": 100}
    )
    deployment.publish(shops)
    sales = sales_of(shops, 10_000)
    with deployment.replica() as staying, deployment.replica() as leaving:
        staying.wait_ready()
        leaving.wait_ready()
        wait_until(lambda: assigned(staying) == assigned(leaving) == PARTITIONS / 2, "the broker divides the partitions")
        assert protocol_of(deployment) == "CONSUMER"
        deployment.produce(sales[:8_000])
        wait_until(lambda: produced(leaving) > 500, "it works")
        assert produced(staying) + produced(leaving) < 8_000, "it leaves under load"
        assert leaving.terminate() == 0
        deployment.produce(sales[8_000:])
        wait_until(lambda: assigned(staying) == PARTITIONS, "the other takes over")
        deployment.wait_done()
        assert staying.terminate() == 0
    assert deployment.verdict() == ((), (), {}, ())
    assert len(deployment.predictions()) == len(sales)
    assert wrong_predictions(shops, deployment.predictions()) == []
