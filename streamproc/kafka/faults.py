"""What the client reports, as errors of ours. librdkafka's own texts are not passed on: they may hold values."""

from __future__ import annotations

import re

from confluent_kafka import KafkaError, KafkaException

from streamproc.batches import PartitionId
from streamproc.errors import ConfigurationError, FencedError, StreamprocError, TransientError
from streamproc.kafka import codes
from streamproc.kafka.options import ConnectionOptions, unknown_setting
from streamproc.kafka.setting_names import KNOWN

_GROUP_CONFIGURATION = {
    KafkaError.INCONSISTENT_GROUP_PROTOCOL: "has members of another kind (expected: cooperative-sticky only): stop those, or "
    "choose another kafka.group_id",
    KafkaError.INVALID_SESSION_TIMEOUT: "refuses this kafka.consumer.session.timeout.ms: the broker has other bounds",
    KafkaError.INVALID_GROUP_ID: "has a name that the broker refuses: correct kafka.group_id",
    KafkaError.OFFSET_METADATA_TOO_LARGE: "can't commit: the broker's offset.metadata.max.bytes has to be at least 3500",
}


def client_error(error: BaseException) -> KafkaError:
    """The client's error inside of the exception, or of the one that caused it.

    A fatal error comes out of whatever call serves the client's callbacks; as a SystemError where another callback follows it.
    """
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, KafkaException) and seen.args and isinstance(seen.args[0], KafkaError):
            return seen.args[0]
        seen = seen.__cause__ or seen.__context__
    return KafkaError(codes.UNEXPLAINED)


def construction_error(error: KafkaException, options: ConnectionOptions) -> ConfigurationError:
    """Why a client can't be made with these options; names the settings that librdkafka complains about."""
    text = client_error(error).str()
    if unknown := re.match(r'No such configuration property: "([^"]+)"', text):
        return unknown_setting(options.path_of(unknown[1]))
    named = [options.path_of(name) for name in sorted(KNOWN, key=len, reverse=True) if _mentions(text, name)]
    if "SASL mechanism" in text:
        named = [options.path_of("sasl.mechanisms")]
    if not named:
        return ConfigurationError("librdkafka refuses the settings below kafka: and names none of them")
    return ConfigurationError(
        f"librdkafka refuses the value of {' or '.join(named[:3])}; its documentation says what is allowed"
    )


def _mentions(text: str, name: str) -> bool:
    return re.search(rf"(?<![\w.]){re.escape(name)}(?!\w|\.\w)", text) is not None


def reading_error(error: KafkaError, options: ConnectionOptions, partition: PartitionId | None) -> StreamprocError:
    """What an error of reading a partition means; `partition` is -1 where the whole topic is meant."""
    topic = partition.topic if partition else ""
    if error.code() in codes.UNKNOWN_TOPIC:
        return TransientError(f"topic {topic!r} does not exist at {options.bootstrap_servers}; create it, or correct its name")
    if error.code() in codes.OUT_OF_RANGE and partition:
        return _out_of_range(partition, options)
    if error.code() == codes.MAX_POLL_EXCEEDED:
        text = "the group gave this member up, because one pass took longer than max.poll.interval.ms allows"
        return TransientError(f"{text}: lower batch.max_records, or raise {options.path_of('max.poll.interval.ms')}")
    if error.code() in codes.UNOPENABLE and partition:
        text = (
            f"partition {partition.partition} of topic {topic!r} stands still: records there can't be opened ({error.name()})"
        )
        return TransientError(f"{text}; to move past them: {_moving(partition, options)}")
    return missing_right(error, options, topic, "READ") or group_error(error, options)


def _out_of_range(partition: PartitionId, options: ConnectionOptions) -> ConfigurationError:
    text = (
        f"the group's position in partition {partition.partition} of topic {partition.topic!r} lies outside of what the topic "
        "holds: records were deleted before they were read, or the topic was made anew. Nothing is skipped silently; to go on "
        f"elsewhere: {_moving(partition, options)}"
    )
    return ConfigurationError(text)


def _moving(partition: PartitionId, options: ConnectionOptions) -> str:
    return (
        f"stop the group's replicas, then kafka-consumer-groups.sh --bootstrap-server {options.bootstrap_servers} --group "
        f"{options.group_id} --topic {partition.topic}:{partition.partition} --reset-offsets --to-offset OFFSET --execute"
    )


def missing_right(error: KafkaError, options: ConnectionOptions, topic: str, right: str) -> ConfigurationError | None:
    """Names the right that is missing, where the error is about one."""
    wanted = {
        KafkaError.TOPIC_AUTHORIZATION_FAILED: f"{right} on topic {topic!r}",
        KafkaError.GROUP_AUTHORIZATION_FAILED: f"READ on group {options.group_id!r} (kafka.group_id)",
        KafkaError.CLUSTER_AUTHORIZATION_FAILED: "WRITE on any topic (brokers before 2.8: IDEMPOTENT_WRITE on the cluster)",
    }.get(error.code())
    who = f"user {options.security.username!r}" if options.security.username else "this client"
    return ConfigurationError(f"{who} has no right to {wanted}: grant it, or correct the name") if wanted else None


def group_error(error: KafkaError, options: ConnectionOptions) -> StreamprocError:
    """What an error of the group means; where nothing better is known, that waiting helps."""
    group = f"group {options.group_id!r}"
    if why := _GROUP_CONFIGURATION.get(error.code()):
        return ConfigurationError(f"{group} {why}")
    if error.code() in codes.UNSUPPORTED:
        return ConfigurationError(
            f"the broker does not support kafka.group_protocol: {options.group_protocol} ({error.name()})"
        )
    if refused := missing_right(error, options, "", "READ"):
        return refused
    if error.fatal() or error.code() == KafkaError.FENCED_INSTANCE_ID:
        return FencedError(f"this member of {group} is lost for good ({error.name()}); restart it")
    if error.code() in codes.NO_BROKER:
        return no_broker(options)
    return TransientError(f"{group} can't go on at the moment: the answer was {error.name()}")


def no_broker(options: ConnectionOptions) -> TransientError:
    """Nobody answers."""
    return TransientError(f"no broker answers at kafka.bootstrap_servers: {options.bootstrap_servers}")


class BrokerWatch:
    """What the client says about its brokers as a whole. `heard` may be called inside any call of the client; never raises."""

    def __init__(self, options: ConnectionOptions) -> None:
        self._options = options
        self._has_answered = False
        self._trouble: KafkaError | None = None

    def heard(self, error: KafkaError) -> None:
        """The client's `error_cb`. That all brokers are gone does not hide a reason heard before."""
        tells_why = error.fatal() or error.code() in codes.LOGIN_REFUSED | codes.TLS_REFUSED
        if tells_why or (error.code() in codes.NO_BROKER and self._trouble is None):
            self._trouble = error

    def answered(self) -> None:
        """A broker did what it was asked."""
        self._has_answered = True
        if not self.is_fatal:
            self._trouble = None

    @property
    def is_troubled(self) -> bool:
        """The client complained, and no broker has answered since."""
        return self._trouble is not None

    @property
    def is_fatal(self) -> bool:
        """The client is finished, and says so at every call."""
        return self._trouble is not None and self._trouble.fatal()

    def error(self) -> StreamprocError:
        """What the trouble means: before the first answer that the configuration is wrong, after it that waiting may help."""
        trouble, options = self._trouble, self._options
        kind = TransientError if self._has_answered else ConfigurationError
        if trouble is not None and trouble.fatal():
            return group_error(trouble, options)
        if trouble is not None and trouble.code() in codes.LOGIN_REFUSED:
            text = f"the broker refuses the login of {options.security.username!r}: wrong password, unknown user or mechanism"
            return kind(f"{text}; check kafka.security.username, password and mechanism")
        if trouble is not None and trouble.code() in codes.TLS_REFUSED:
            text = f"no TLS connection to {options.bootstrap_servers}: one side does not accept the other's certificate"
            return kind(f"{text}; check kafka.security.ca_file, cert_file and key_file")
        return no_broker(options)
