"""Bytewax: a dataflow whose predicting step takes the source's whole batches (`flat_map_batch`)."""

from __future__ import annotations

import bytewax.operators as op  # type: ignore[import-not-found]  # in an environment of its own
from benchmarks.contenders.job import Job, Place, loaded_job
from bytewax.connectors.kafka import (  # type: ignore[import-not-found]  # as above
    KafkaSink,
    KafkaSinkMessage,
    KafkaSource,
    KafkaSourceMessage,
)
from bytewax.dataflow import Dataflow  # type: ignore[import-not-found]  # as above
from bytewax.run import cli_main  # type: ignore[import-not-found]  # as above


def flow_of(job: Job) -> Dataflow:
    """Source → predictions → sink."""

    def predict(records: list[KafkaSourceMessage]) -> list[KafkaSinkMessage]:
        events = [job.decode(record.value) for record in records]
        places = [Place(record.topic, record.partition, record.offset) for record in records]
        return [
            KafkaSinkMessage(record.key, job.encode(event), timestamp=record.timestamp[1])
            for record, event in zip(records, job.predict_all(events, places), strict=True)
        ]

    brokers = [job.bootstrap_servers]
    consumer = {"fetch.queue.backoff.ms": "5", "queued.min.messages": "50000", "group.id": job.group}
    flow = Dataflow("predictions")
    records = op.input("in", flow, KafkaSource(brokers, [job.input], batch_size=10_000, add_config=consumer))
    op.output("out", op.flat_map_batch("predict", records, predict), KafkaSink(brokers, job.output))
    return flow


if __name__ == "__main__":
    cli_main(flow_of(loaded_job()), workers_per_process=1)
