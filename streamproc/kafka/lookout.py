"""Whether the cluster answers and has the topics, asked while there is nothing to read; the client alone would stay silent."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from confluent_kafka import Consumer, KafkaException, TopicPartition

from streamproc.batches import PartitionId
from streamproc.errors import StreamprocError
from streamproc.kafka.faults import BrokerWatch, no_broker, reading_error
from streamproc.kafka.options import ConnectionOptions

_ANSWER_SECONDS = 1.0
_COMMIT_SECONDS = 3.0
_INTERVAL_SECONDS = 1.0


class Lookout:
    """Asks at most once a second; in between the last answer stands."""

    def __init__(
        self,
        consumer: Consumer,
        options: ConnectionOptions,
        topics: Sequence[str],
        *,
        watch: BrokerWatch,
        monotonic: Callable[[], float],
    ) -> None:
        self._consumer = consumer
        self._options = options
        self._topics = topics
        self._watch = watch
        self._monotonic = monotonic
        self._asked_at: float | None = None
        self._problem: StreamprocError | None = None

    def check(self) -> None:
        """Return when a broker answers and every topic is there.

        Call it only where no partition is held, or after an empty poll: it may serve the client's callbacks.

        Raises:
            TransientError: no broker answers, or a topic does not exist.
            ConfigurationError: a refused login, or a missing right.
            FencedError: the client is finished.

        """
        now = self._monotonic()
        if self._asked_at is None or now - self._asked_at >= _INTERVAL_SECONDS or self._watch.is_troubled:
            self._problem = self._ask()
            self._asked_at = now
        if self._problem is not None:
            raise self._problem

    def require_broker(self, partition: PartitionId) -> None:
        """Return when the partition's broker answers; a commit would wait for one until the session is over.

        May be called inside of a callback of a rebalance. `list_topics` may not: it ends the client's call that the callback
        runs in, and the next callback of that call aborts the process.

        Raises:
            TransientError: it does not.

        """
        try:
            self._consumer.get_watermark_offsets(TopicPartition(*partition), timeout=_COMMIT_SECONDS)
        except KafkaException as error:
            raise no_broker(self._options) from error

    def _ask(self) -> StreamprocError | None:
        if self._watch.is_fatal:
            return self._watch.error()
        for topic in self._topics:
            try:
                about = self._consumer.list_topics(topic, timeout=_ANSWER_SECONDS).topics[topic]
            except KafkaException:
                return self._watch.error() if self._watch.is_troubled else no_broker(self._options)
            if about.error is not None:
                return reading_error(about.error, self._options, PartitionId(topic, -1))
        self._watch.answered()
        return None
