"""The client's error codes by what they mean for us."""
# ruff: noqa: SLF001  # librdkafka's own codes are public names that begin with an underscore

from __future__ import annotations

from confluent_kafka import KafkaError

CONTENT_REFUSED = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_MSG,
        KafkaError.INVALID_MSG_SIZE,
        KafkaError.INVALID_TIMESTAMP,
        KafkaError.UNSUPPORTED_FOR_MESSAGE_FORMAT,
    }
)
"""The broker refuses a record for what it is; sending it again changes nothing."""

LOGIN_REFUSED = frozenset({KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED})
TLS_REFUSED = frozenset({KafkaError._SSL})
NO_BROKER = frozenset({KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT, KafkaError._RESOLVE})
OUT_OF_RANGE = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE})
UNKNOWN_TOPIC = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION})
UNOPENABLE = frozenset({KafkaError._BAD_COMPRESSION, KafkaError._BAD_MSG})
UNSUPPORTED = frozenset(
    {
        KafkaError.UNSUPPORTED_VERSION,
        KafkaError._UNSUPPORTED_FEATURE,
        KafkaError.UNSUPPORTED_ASSIGNOR,
        KafkaError.INCONSISTENT_GROUP_PROTOCOL,
    }
)
TIMED_OUT = frozenset({KafkaError._TIMED_OUT, KafkaError._TIMED_OUT_QUEUE, KafkaError.REQUEST_TIMED_OUT})
MAX_POLL_EXCEEDED = KafkaError._MAX_POLL_EXCEEDED
PARTITION_END = KafkaError._PARTITION_EOF
PURGED = frozenset({KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT})
UNEXPLAINED = KafkaError._FAIL
