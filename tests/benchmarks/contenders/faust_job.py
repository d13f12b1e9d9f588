"""Faust (faust-streaming): an agent that takes events in batches."""

from __future__ import annotations

import faust  # type: ignore[import-not-found]  # in an environment of its own
from benchmarks.contenders.job import Place, loaded_job

job = loaded_job()
app = faust.App(
    job.group,
    broker=f"kafka://{job.bootstrap_servers}",
    store="memory://",
    datadir=str(job.folder / "faust"),
    web_enabled=False,
    topic_disable_leader=True,
    broker_commit_interval=1.0,
    consumer_auto_offset_reset="earliest",
    stream_buffer_maxsize=16_384,
    producer_linger=0.005,
    producer_max_batch_size=1 << 20,
)
source = app.topic(job.input, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
target = app.topic(job.output, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")


@app.agent(source)  # type: ignore[untyped-decorator]  # not installed here
async def predict(stream: faust.StreamT[bytes]) -> None:
    """Enrich up to ten thousand events at a time."""
    async for taken in stream.take_events(10_000, within=0.5):
        messages = [one.message for one in taken]
        events = [job.decode(message.value) for message in messages]
        places = [Place(message.topic, message.partition, message.offset) for message in messages]
        for message, event in zip(messages, job.predict_all(events, places), strict=True):
            await target.send(key=message.key, value=job.encode(event), timestamp=message.timestamp)


if __name__ == "__main__":
    app.main()
