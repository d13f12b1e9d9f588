"""The topics of one run: the records that wait in the input, and how many have come out."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from itertools import count, cycle, islice
from typing import Final, Self

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # public, though its types don't say so

from streamproc.errors import RefusedError, TransientError
from streamproc.kafka.options import ConnectionOptions, admin_config, producer_config, reader_config

MOCK_CLUSTER: Final = "mockCluster"
"""What librdkafka's mock broker calls itself."""
_SECONDS: Final = 30.0
_TRANSACTION_MS: Final = 600_000


class RunTopics:
    """New topics for one run, on the cluster that the options name. They are deleted at the block's end."""

    def __init__(self, options: ConnectionOptions, *, partitions: int) -> None:
        self._admin = AdminClient({**admin_config(options), "log_level": 0})
        self._partitions = partitions
        run = uuid.uuid4().hex[:10]
        self.input, self.output, self.dead_letters = (f"bench-{run}-{part}" for part in ("in", "out", "dead"))
        self.group = f"bench-{run}"

    def __enter__(self) -> Self:
        """Make them.

        Raises:
            RefusedError: the cluster is a toy, or refuses the topics.
            TransientError: it does not answer.

        """
        _refuse_toy(self._admin)
        settings = {"retention.ms": "-1", "cleanup.policy": "delete", "message.timestamp.type": "CreateTime"}
        topics = [NewTopic(name, self._partitions, -1, config=settings) for name in self._names()]
        try:
            for made in self._admin.create_topics(topics, operation_timeout=_SECONDS).values():
                made.result(_SECONDS)
        except KafkaException as error:
            raise RefusedError(
                f"the cluster refuses to make topics ({error.args[0].name()}); bench needs the right to"
            ) from error
        return self

    def __exit__(self, *_: object) -> None:
        for done in self._admin.delete_topics(self._names(), operation_timeout=_SECONDS).values():
            done.exception(_SECONDS)

    def members(self) -> int:
        """How many processes the group has."""
        described = self._admin.describe_consumer_groups([self.group], request_timeout=_SECONDS)
        return len(described[self.group].result(_SECONDS).members)

    def _names(self) -> list[str]:
        return [self.input, self.output, self.dead_letters]


def refuse_toy(options: ConnectionOptions) -> None:
    """As entering `RunTopics` does, without making any."""
    _refuse_toy(AdminClient({**admin_config(options), "log_level": 0}))


def _refuse_toy(admin: AdminClient) -> None:
    """Refuse what is no broker but librdkafka's imitation: no figure that is measured on it means anything.

    Raises:
        RefusedError: it is.
        TransientError: nobody answers.

    """
    try:
        cluster = admin.list_topics(timeout=_SECONDS).cluster_id
    except KafkaException as error:
        raise TransientError("no broker answers; check kafka.bootstrap_servers or --bootstrap-servers") from error
    if str(cluster).startswith(MOCK_CLUSTER):
        raise RefusedError("this is librdkafka's embedded toy broker: figures measured on it mean nothing; name a real one")


class Feed:
    """Writes the records of a run; those to be measured stay invisible, in an open transaction, until they are released.

    So everything lies in the topic before it is read, and yet whoever reads can first load its models and warm up. Needs
    readers that read committed records only (which is librdkafka's default).
    """

    def __init__(
        self, options: ConnectionOptions, topic: str, values: Sequence[bytes], keys: Sequence[bytes], *, first_timestamp: int
    ) -> None:
        transactional = {"transactional.id": f"{topic}-feed", "transaction.timeout.ms": _TRANSACTION_MS}
        roomy = {"queue.buffering.max.ms": 20, "queue.buffering.max.messages": 1_000_000, "message.timeout.ms": _TRANSACTION_MS}
        self._producer = Producer({**producer_config(options), **roomy, **transactional, "log_level": 0})
        self._topic = topic
        self._endless = zip(cycle(values), cycle(keys), count(first_timestamp), strict=False)
        self._producer.init_transactions(_SECONDS)

    def write_visible(self, records: int) -> None:
        """Write that many, readable at once."""
        self.write_hidden(records)
        self.release()

    def write_hidden(self, records: int) -> None:
        """Write that many, to be read after `release`."""
        self._producer.begin_transaction()
        produce, topic = self._producer.produce, self._topic
        for value, key, timestamp in islice(self._endless, records):
            while True:
                try:
                    produce(topic, value, key, timestamp=timestamp)
                except BufferError:
                    self._producer.poll(0.05)
                else:
                    break
        self._producer.flush(_TRANSACTION_MS / 1000)

    def release(self) -> None:
        """Let readers see what was written."""
        self._producer.commit_transaction(_SECONDS)


class Ends:
    """How many records a topic has, as often as that is asked."""

    def __init__(self, options: ConnectionOptions, topic: str, *, partitions: int) -> None:
        self._consumer = Consumer({**reader_config(options), "log_level": 0})
        self._partitions = [TopicPartition(topic, number) for number in range(partitions)]

    def total(self) -> int:
        """Records ever written to it."""
        return sum(self._end(partition) for partition in self._partitions)

    def close(self) -> None:
        """Free the client."""
        self._consumer.close()

    def _end(self, partition: TopicPartition) -> int:
        bounds = self._consumer.get_watermark_offsets(partition, timeout=_SECONDS)
        return 0 if bounds is None else int(bounds[1])
