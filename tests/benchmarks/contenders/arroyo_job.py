"""Arroyo (sentry-arroyo): BatchStep → RunTask → UnbatchStep → Produce → CommitOffsets."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping

from arroyo.backends.kafka import (  # type: ignore[import-not-found]  # in an environment of its own
    KafkaConsumer,
    KafkaPayload,
    KafkaProducer,
    build_kafka_configuration,
    build_kafka_consumer_configuration,
)
from arroyo.processing.processor import StreamProcessor  # type: ignore[import-not-found]  # as above
from arroyo.processing.strategies import (  # type: ignore[import-not-found]  # as above
    BatchStep,
    CommitOffsets,
    ProcessingStrategy,
    ProcessingStrategyFactory,
    Produce,
    RunTask,
    UnbatchStep,
)
from arroyo.types import BrokerValue, Commit, Message, Partition, Topic  # type: ignore[import-not-found]  # as above
from benchmarks.contenders.job import Job, Place, loaded_job


def predictor(job: Job) -> Callable[[Message], list[BrokerValue]]:
    """The step that enriches a batch."""

    def predict(batch: Message) -> list[BrokerValue]:
        records = batch.payload
        events = [job.decode(record.payload.value) for record in records]
        places = [Place(record.partition.topic.name, record.partition.index, record.offset) for record in records]
        return [
            record.replace(KafkaPayload(record.payload.key, job.encode(event), record.payload.headers))
            for record, event in zip(records, job.predict_all(events, places), strict=True)
        ]

    return predict


class Strategies(ProcessingStrategyFactory):  # type: ignore[misc]  # its base is not installed here
    """Wires the steps."""

    def __init__(self, job: Job, producer: KafkaProducer) -> None:
        self._job = job
        self._producer = producer

    def create_with_partitions(self, commit: Commit, partitions: Mapping[Partition, int]) -> ProcessingStrategy:
        """For one assignment."""
        del partitions
        produce = Produce(self._producer, Topic(self._job.output), CommitOffsets(commit), max_buffer_size=50_000)
        return BatchStep(10_000, 0.5, RunTask(predictor(self._job), UnbatchStep(produce)))


def main() -> None:
    """Work until SIGTERM."""
    job = loaded_job()
    servers = [job.bootstrap_servers]
    tuned = {"fetch.queue.backoff.ms": 5}
    consumer = KafkaConsumer(
        build_kafka_consumer_configuration(
            tuned,
            bootstrap_servers=servers,
            auto_offset_reset="earliest",
            group_id=job.group,
            queued_min_messages=50_000,
            queued_max_messages_kbytes=65_536,
        )
    )
    producer = KafkaProducer(
        build_kafka_configuration({"linger.ms": 5, "queue.buffering.max.messages": 500_000}, bootstrap_servers=servers),
        use_simple_futures=True,
    )
    processor = StreamProcessor(consumer, Topic(job.input), Strategies(job, producer))
    signal.signal(signal.SIGTERM, lambda *_: processor.signal_shutdown())
    processor.run()


if __name__ == "__main__":
    main()
