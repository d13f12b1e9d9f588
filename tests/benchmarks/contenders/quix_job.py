"""Quix Streams: a StreamingDataFrame with serializers of its own and `apply`; records come one at a time, by its design."""

from __future__ import annotations

from typing import Any

from benchmarks.contenders.job import Event, Job, Place, loaded_job
from quixstreams import Application, message_context  # type: ignore[import-not-found]  # in an environment of its own
from quixstreams.models.serializers import Deserializer, Serializer  # type: ignore[import-not-found]  # as above


class EventDeserializer(Deserializer):  # type: ignore[misc]  # its base is not installed here
    """Framed Avro → dict."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        self._job = job

    def __call__(self, value: bytes, ctx: object) -> Event:
        """Decode one record."""
        del ctx
        return self._job.decode(value)


class PredictionSerializer(Serializer):  # type: ignore[misc]  # as above
    """Dict → framed Avro."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        self._job = job

    def __call__(self, value: Any, ctx: object) -> bytes:  # noqa: ANN401 - the signature of its base
        """Encode one record."""
        del ctx
        return self._job.encode(value)


def main() -> None:
    """Work until SIGTERM."""
    job = loaded_job()
    application = Application(
        broker_address=job.bootstrap_servers,
        consumer_group=job.group,
        auto_offset_reset="earliest",
        commit_interval=1.0,
        loglevel="WARNING",
        auto_create_topics=False,
        use_changelog_topics=False,
        state_dir=str(job.folder / "quix"),
        consumer_extra_config={"fetch.queue.backoff.ms": 5, "queued.min.messages": 50_000},
        producer_extra_config={"linger.ms": 5, "batch.num.messages": 10_000},
    )
    source = application.topic(job.input, value_deserializer=EventDeserializer(job), key_deserializer="bytes")
    target = application.topic(job.output, value_serializer=PredictionSerializer(job), key_serializer="bytes")

    def predicted(event: Event) -> Event:
        context = message_context()
        return job.predict_one(event, Place(context.topic, context.partition, context.offset))

    application.dataframe(source).apply(predicted).to_topic(target)
    application.run()


if __name__ == "__main__":
    main()
