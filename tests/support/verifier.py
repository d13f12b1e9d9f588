"""The outside reader: reads topics to their end, and decides what was lost, doubled or wrong. Uses nothing of streamproc."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import fastavro
from confluent_kafka import Consumer, Message, TopicPartition

Position = tuple[str, int, int]
"""Topic, partition, offset of an input record."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record of a topic."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    timestamp: int

    @property
    def position(self) -> Position:
        """Where it stands."""
        return self.topic, self.partition, self.offset


def read_topic(bootstrap_servers: str, topic: str) -> list[Record]:
    """All records of the topic up to its present end, partition by partition."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": "verifier",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "enable.partition.eof": False,
            "fetch.wait.max.ms": 10,
            "isolation.level": "read_committed",
            "log_level": 0,
        }
    )
    try:
        return [record for partition in _partitions(consumer, topic) for record in _read_partition(consumer, topic, partition)]
    finally:
        consumer.close()


def _partitions(consumer: Consumer, topic: str) -> list[int]:
    return sorted(consumer.list_topics(topic, timeout=10).topics[topic].partitions)


def _read_partition(consumer: Consumer, topic: str, partition: int) -> Iterator[Record]:
    start, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
    if start == end:
        return
    consumer.assign([TopicPartition(topic, partition, start)])
    while consumer.position([TopicPartition(topic, partition)])[0].offset < end:
        # A call for many would wait out its time, for they don't come.
        for message in consumer.consume(1, 1.0) + consumer.consume(5000, 0):
            assert message.error() is None, message.error()
            yield _record(message)
    consumer.unassign()


def _record(message: Message) -> Record:
    headers = cast("tuple[tuple[str, bytes | None], ...]", tuple(message.headers() or ()))
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None
    assert partition is not None
    assert offset is not None
    return Record(topic, partition, offset, message.key(), message.value(), headers, message.timestamp()[1])


@dataclass(frozen=True, slots=True)
class Prediction:
    """A decoded record of the output topic."""

    record: Record
    event: Mapping[str, Any]  # whatever the schema says
    position: Position
    """Of the input record."""

    @property
    def prediction(self) -> Mapping[str, Any]:  # as the contract's schema says
        """The appended field."""
        field: Mapping[str, Any] = self.event["prediction"]
        return field


def read_predictions(bootstrap_servers: str, topic: str, schemas: Mapping[int, Any]) -> list[Prediction]:
    """The output topic, decoded by fastavro with the schema that each frame names."""
    return [_prediction(record, schemas) for record in read_topic(bootstrap_servers, topic)]


def _prediction(record: Record, schemas: Mapping[int, Any]) -> Prediction:
    assert record.value is not None
    assert record.value[0] == 0
    schema = schemas[int.from_bytes(record.value[1:5], "big")]
    body = io.BytesIO(record.value[5:])
    event = fastavro.schemaless_reader(body, schema, None)
    assert not body.read(), "bytes behind the record"
    assert isinstance(event, dict)
    field = event["prediction"]
    return Prediction(record, event, (field["source_topic"], field["source_partition"], field["source_offset"]))


class Verdict(NamedTuple):
    """What became of the input."""

    lost: tuple[Position, ...]
    invented: tuple[Position, ...]
    """Outputs or dead letters of records that do not exist."""
    doubled: Mapping[Position, int]
    both: tuple[Position, ...]
    """Predicted as well as dead."""


def judge(inputs: list[Record], predictions: list[Prediction], dead: list[Record]) -> Verdict:
    """Compare positions only; what the predictions say is the caller's business."""
    expected = {record.position for record in inputs}
    outputs = Counter(prediction.position for prediction in predictions)
    buried = Counter(source_of(record) for record in dead)
    arrived = outputs.keys() | buried.keys()
    return Verdict(
        lost=tuple(sorted(expected - arrived)),
        invented=tuple(sorted(arrived - expected)),
        doubled={position: count for position, count in (outputs + buried).items() if count > 1},
        both=tuple(sorted(outputs.keys() & buried.keys())),
    )


def source_of(dead: Record) -> Position:
    """Where a dead letter came from."""
    headers = dict(dead.headers)
    topic, partition, offset = (headers[f"__streamproc.errors.{name}"] for name in ("topic", "partition", "offset"))
    assert topic is not None
    assert partition is not None
    assert offset is not None
    return topic.decode(), int(partition), int(offset)


def reason_of(dead: Record) -> str:
    """Why it died."""
    reason = dict(dead.headers)["__streamproc.errors.reason"]
    assert reason is not None
    return reason.decode()
