"""A good hand-written loop: batches, fastavro, a scikit-learn call per tenant and batch, a commit a second; our settings."""

from __future__ import annotations

import gc
import json
import os
import signal
import time

from benchmarks.contenders.job import Place, loaded_job
from confluent_kafka import Consumer, Producer

MAX_RECORDS = 10_000
QUEUE_RECORDS = 400_000


def main() -> None:
    """Work until SIGTERM."""
    job = loaded_job()
    settings = json.loads(os.environ["BENCH_CLIENTS"])
    consumer, producer = Consumer(settings["consumer"]), Producer(settings["producer"])
    consumer.subscribe([job.input])
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopped.append(number))
    gc.collect()
    gc.freeze()
    commits_at = time.monotonic() + 1
    while not stopped:
        records = consumer.consume(1, 0.1)
        if records:
            records += consumer.consume(MAX_RECORDS - 1, 0)
            events = [job.decode(record.value() or b"") for record in records]
            places = [Place(record.topic() or "", record.partition() or 0, record.offset() or 0) for record in records]
            for record, event in zip(records, job.predict_all(events, places), strict=True):
                producer.produce(
                    job.output, job.encode(event), record.key(), timestamp=record.timestamp()[1], headers=record.headers()
                )
            producer.poll(0)
        while len(producer) > QUEUE_RECORDS:
            producer.poll(0.01)
        if time.monotonic() >= commits_at:
            producer.flush()
            positions = [one for one in consumer.position(consumer.assignment()) if one.offset >= 0]
            if positions:
                consumer.commit(offsets=positions, asynchronous=False)
            commits_at = time.monotonic() + 1
    producer.flush()
    consumer.close()


if __name__ == "__main__":
    main()
