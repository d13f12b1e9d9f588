"""FastStream over confluent-kafka: a batch subscriber that publishes a batch."""

from __future__ import annotations

import asyncio
import logging

from benchmarks.contenders.job import Place, loaded_job
from faststream import FastStream  # type: ignore[import-not-found]  # in an environment of its own
from faststream.confluent import KafkaBroker, KafkaMessage, KafkaResponse  # type: ignore[import-not-found]  # as above
from faststream.middlewares import AckPolicy  # type: ignore[import-not-found]  # as above

job = loaded_job()
broker = KafkaBroker(
    job.bootstrap_servers,
    linger_ms=5,
    log_level=logging.WARNING,
    config={"fetch.queue.backoff.ms": 5, "queued.min.messages": 50_000, "queue.buffering.max.messages": 500_000},
)
app = FastStream(broker)


async def undecoded(message: KafkaMessage) -> list[bytes]:
    """The values as they are."""
    return [record.value() for record in message.raw_message]


@broker.subscriber(  # type: ignore[untyped-decorator]  # not installed here
    job.input,
    group_id=job.group,
    auto_offset_reset="earliest",
    isolation_level="read_committed",
    batch=True,
    max_records=10_000,
    polling_interval=0.1,
    ack_policy=AckPolicy.ACK,
    decoder=undecoded,
)
async def predict(values: list[bytes], message: KafkaMessage) -> None:
    """Enrich one batch; its offsets are committed when this returns."""
    records = message.raw_message
    events = [job.decode(value) for value in values]
    places = [Place(record.topic(), record.partition(), record.offset()) for record in records]
    outgoing = [
        KafkaResponse(job.encode(event), key=record.key(), timestamp_ms=record.timestamp()[1])
        for record, event in zip(records, job.predict_all(events, places), strict=True)
    ]
    await broker.publish_batch(*outgoing, topic=job.output)


if __name__ == "__main__":
    asyncio.run(app.run())
