"""The broker goes away under load and comes back; the processor stays up, says what it waits for, and loses nothing."""

from __future__ import annotations

from pathlib import Path

from support.deployment import Deployment, sales_of, wrong_predictions
from support.kafka import own_broker
from support.processes import wait_until
from support.shops import make_shops


def test_nothing_is_lost_when_the_broker_is_killed_under_load_and_comes_back(tmp_path: Path) -> None:
    shops = make_shops(5)
    (tmp_path / "deployment").mkdir()
    with own_broker(tmp_path / "broker") as broker:
        deployment = Deployment(broker.bootstrap_servers, tmp_path / "deployment")
        deployment.publish(shops)
        deployment.produce(sales_of(shops, 20_000))
        with deployment.replica("batch.max_records=200") as replica:
            wait_until(lambda: replica.metric("streamproc_records_produced_total") > 2000, "under load")
            broker.kill()
            wait_until(
                lambda: "waiting_for" in replica.get("/readyz")[1] and "broker" in replica.get("/readyz")[1], "it says so"
            )
            assert replica.is_alive()
            broker.start()
            deployment.wait_done()
            assert replica.get("/livez")[0] == 200
            assert replica.terminate() == 0
        verdict = deployment.verdict()
        assert (verdict.lost, verdict.invented, verdict.both) == ((), (), ())
        assert wrong_predictions(shops, deployment.predictions()) == []


def test_sigterm_while_the_broker_is_away_ends_within_the_shutdown_time(tmp_path: Path) -> None:
    shops = make_shops(2)
    (tmp_path / "deployment").mkdir()
    with own_broker(tmp_path / "broker") as broker:
        deployment = Deployment(broker.bootstrap_servers, tmp_path / "deployment")
        deployment.publish(shops)
        deployment.produce(sales_of(shops, 20_000))
        with deployment.replica("batch.max_records=100") as replica:
            wait_until(lambda: replica.metric("streamproc_records_produced_total") > 500, "under load")
            broker.kill()
            assert replica.terminate(10) == 0
