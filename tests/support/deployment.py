"""streamproc on a real broker: topics, configuration, published models, replicas, and the verdict on what they did."""

from __future__ import annotations

import json
import os
import random
import uuid
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import fastavro
import yaml
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from support.processes import Replica, streamproc, wait_until
from support.publishing import publish_estimator
from support.shops import OUTPUT_ID, SCHEMA, SCHEMA_ID, Sale, Shop, differs, encode, expectations, sale
from support.verifier import Prediction, Record, Verdict, judge, read_predictions, read_topic

PARTITIONS = 4


class Deployment:
    """Topics of its own, and a folder with `streamproc.yaml`, the database and the store."""

    def __init__(
        self,
        bootstrap_servers: str,
        folder: Path,
        *,
        partitions: int = PARTITIONS,
        output_config: Mapping[str, str] | None = None,
        **settings: object,
    ) -> None:
        self.bootstrap_servers = bootstrap_servers
        self.folder = folder
        name = uuid.uuid4().hex[:8]
        self.input, self.output, self.dead = f"in-{name}", f"out-{name}", f"dead-{name}"
        self.group = f"group-{name}"
        self.config = folder / "streamproc.yaml"
        self._write_config(settings)
        self.create_topics({self.input: {}, self.output: output_config or {}, self.dead: {}}, partitions)
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap_servers,
                "partitioner": "murmur2_random",
                "linger.ms": 20,
                "log_level": 0,
                "message.max.bytes": 2_000_000,
            }
        )

    def _write_config(self, settings: Mapping[str, object]) -> None:
        (self.folder / "sale.avsc").write_text(json.dumps(SCHEMA))
        config: dict[str, Any] = {  # YAML
            "kafka": {
                "bootstrap_servers": self.bootstrap_servers,
                "group_id": self.group,
                "input_topics": [self.input],
                "output_topic": self.output,
                "dead_letter_topic": self.dead,
                "consumer": {"session.timeout.ms": 6000, "heartbeat.interval.ms": 500},
            },
            "avro": {"schemas": [{"id": SCHEMA_ID, "file": "sale.avsc", "output_id": OUTPUT_ID}]},
            "records": {"event_time_field": "sold_at"},
            "models": {"refresh_seconds": 0.3},
        }
        for section, values in settings.items():
            config.setdefault(section, {})
            config[section] = {**config[section], **values} if isinstance(values, dict) else values
        self.config.write_text(yaml.safe_dump(config))

    def create_topics(self, topics: Mapping[str, Mapping[str, str]], partitions: int = PARTITIONS) -> None:
        """Topics with their broker settings, ready to be used."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap_servers, "log_level": 0})
        new = [NewTopic(topic, partitions, 1, config=dict(config)) for topic, config in topics.items()]
        for created in admin.create_topics(new).values():
            created.result(30)
        wait_until(lambda: set(topics) <= set(admin.list_topics(timeout=10).topics), "topics")

    def command(self, *arguments: str) -> str:
        """A command of streamproc that has to succeed, and what it prints."""
        done = streamproc(*arguments, "-c", str(self.config))
        assert done.returncode == 0, done.stderr
        return done.stdout

    def publish(self, shops: Iterable[Shop]) -> dict[str, str]:
        """Publish each shop's model for its tenant; tenant → model id."""
        return {
            shop.tenant: publish_estimator(
                self.config,
                shop.estimator,
                shop.tenant,
                tenants=[shop.tenant],
                features=None if shop.has_names else shop.features,
            )
            for shop in shops
        }

    def produce(self, sales: Iterable[Sale]) -> None:
        """Send sales as events, keyed by tenant and a customer, and wait until the broker has them."""
        self.produce_events(sales, with_keys=True)

    def produce_events(self, sales: Iterable[Sale], *, with_keys: bool) -> None:
        """As `produce`, or without keys."""
        for number, one in enumerate(sales):
            key = f"{one['tenant_id']}/{number % 7}".encode() if with_keys else None
            self.produce_bytes(encode(one), key=key, headers=[("n", str(number).encode())])
        self.flush()

    def produce_bytes(
        self,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: Sequence[tuple[str, bytes | None]] = (),
        timestamp: int = 0,
    ) -> None:
        """Send one record as it is; call `flush` in the end."""
        while True:
            try:
                self._producer.produce(self.input, value, key, headers=list(headers), timestamp=timestamp)
            except BufferError:
                self._producer.poll(0.1)
            else:
                return

    def flush(self) -> None:
        """Wait until the broker has all that was produced."""
        assert self._producer.flush(60) == 0

    def replica(self, *settings: str) -> Replica:
        """One more process."""
        return Replica(self.config, *settings)

    def inputs(self) -> list[Record]:
        """All input records."""
        return read_topic(self.bootstrap_servers, self.input)

    def predictions(self) -> list[Prediction]:
        """All predictions so far."""
        return read_predictions(self.bootstrap_servers, self.output, {OUTPUT_ID: self._output_schema})

    @cached_property
    def _output_schema(self) -> object:
        return fastavro.parse_schema(json.loads(self.command("schema", "show", "--output")))

    def predictions_of(self, tenant: str) -> list[Prediction]:
        """The tenant's predictions so far, in the order of their input where that is one partition."""
        return [prediction for prediction in self.predictions() if prediction.event["tenant_id"] == tenant]

    def model_ids(self) -> list[str]:
        """The models that predicted, once there is a prediction."""
        wait_until(lambda: bool(self.predictions()), "a prediction")
        return sorted({prediction.prediction["model_id"] for prediction in self.predictions()})

    def wait_served(self, event: Sale, model_id: str) -> None:
        """Send the event again and again until this model predicts it."""

        def is_served() -> bool:
            self.produce([event])
            found = self.predictions_of(event["tenant_id"])
            return bool(found) and found[-1].prediction["model_id"] == model_id

        wait_until(is_served, f"{model_id} serves {event['tenant_id']}")

    def artifact_of(self, model_id: str) -> Path:
        """The model's file in the store."""
        shown = json.loads(self.command("models", "show", model_id, "--json"))
        path: Path = self.folder / "models" / shown["store_key"]
        return path

    @staticmethod
    def make_pipe(path: Path) -> None:
        """A named pipe: who reads it waits for somebody to write."""
        os.mkfifo(path)

    @staticmethod
    def feed_pipe(path: Path, contents: bytes) -> None:
        """Write to the pipe, once somebody reads it."""
        path.write_bytes(contents)

    def dead_letters(self) -> list[Record]:
        """All dead letters so far."""
        return read_topic(self.bootstrap_servers, self.dead)

    def wait_done(self, seconds: float = 120) -> None:
        """Return when the group has committed the end of every input partition."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap_servers, "group.id": self.group, "log_level": 0})
        try:
            partitions = [
                TopicPartition(self.input, number) for number in consumer.list_topics(self.input).topics[self.input].partitions
            ]
            ends: dict[int, int] = {}

            def has_leaders() -> bool:
                """Not at once where the broker has just come back."""
                try:
                    ends.update({p.partition: consumer.get_watermark_offsets(p, timeout=10)[1] for p in partitions})
                except KafkaException:
                    return False
                return True

            wait_until(has_leaders, "leaders of all partitions", seconds)
            wait_until(
                lambda: all(max(p.offset, 0) >= ends[p.partition] for p in consumer.committed(partitions, timeout=10)),
                f"the group has committed all of {ends}",
                seconds,
            )
        finally:
            consumer.close()

    def verdict(self) -> Verdict:
        """What became of the input."""
        return judge(self.inputs(), self.predictions(), self.dead_letters())


def sales_of(shops: Sequence[Shop], count: int, seed: int = 5) -> list[Sale]:
    """Sales of random shops, some busier than others."""
    rng = random.Random(seed)  # noqa: S311 - test data
    weights = [1 / (number + 1) for number in range(len(shops))]
    return [sale(shop.tenant, rng) for shop in rng.choices(shops, weights, k=count)]


def wrong_predictions(shops: Sequence[Shop], predictions: Sequence[Prediction]) -> list[str]:
    """Every way in which a prediction is not what scikit-learn says of the same record."""
    by_tenant: dict[str, list[Prediction]] = {}
    for prediction in predictions:
        by_tenant.setdefault(prediction.event["tenant_id"], []).append(prediction)
    found = []
    for shop in shops:
        mine = by_tenant.pop(shop.tenant, [])
        if mine:
            expected = expectations(shop, [dict(prediction.event) for prediction in mine])
            found += [differs(shop, one, p.prediction) for one, p in zip(expected, mine, strict=True)]
    assert not by_tenant, "predictions for tenants that nobody knows"
    return [difference for difference in found if difference]
