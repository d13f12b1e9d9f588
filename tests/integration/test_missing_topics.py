"""A topic to write to that is missing is named before any record needs it."""

from __future__ import annotations

import json
import random
from pathlib import Path

from support.deployment import Deployment
from support.kafka import Cluster, unique_name
from support.processes import wait_until
from support.shops import make_shops, sale


def test_a_missing_dead_letter_topic_is_named_at_the_start_and_until_it_is_there(kafka: Cluster, tmp_path: Path) -> None:
    deployment = Deployment(kafka.bootstrap_servers, tmp_path)
    shops = make_shops(1)
    deployment.publish(shops)
    absent = unique_name("dead-letters")
    with deployment.replica(f"kafka.dead_letter_topic={absent}") as replica:
        wait_until(lambda: absent in replica.get("/readyz")[1], "the missing topic's name in /readyz")
        replica.wait_ready()
        named = json.loads(replica.get("/readyz")[1])["waiting_for"]
        assert named == [f"the topic '{absent}', which does not exist; create it"]
        assert f"Waiting for the topic '{absent}'" in replica.log.read_text()
        deployment.produce([sale(shops[0].tenant, random.Random(1))])  # noqa: S311 - test data
        wait_until(lambda: len(deployment.predictions()) == 1, "the prediction, which needs no dead letters")
        deployment.create_topics({absent: {}})
        wait_until(lambda: absent not in replica.get("/readyz")[1], "nothing to wait for any more")
        assert replica.terminate() == 0
