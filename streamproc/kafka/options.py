"""How to connect: plain values → librdkafka's settings. Pure; nothing here talks to a broker."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from streamproc.errors import ConfigurationError
from streamproc.kafka.setting_names import CONSUMER, KNOWN, PRODUCER, canonical, refusal

Setting = str | int | float | bool
Settings = dict[str, Setting]
GroupProtocol = Literal["classic", "consumer"]

CLIENT_ID = "streamproc"
MAX_POLL_INTERVAL_MS = 300_000
MESSAGE_TIMEOUT_MS = 120_000
COMMIT_DEADLINE_MS = 30_000
"""A commit gives up after at most three requests of `socket.timeout.ms` each."""
MAX_RECORD_BYTES = 64 * 1024 * 1024
"""The broker decides what is too large: this lies above what topics allow, and below a broker's 100 MiB for a request, at which
it would hang up instead of answering."""

_LOGIN_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


@dataclass(frozen=True, slots=True)
class SecurityOptions:
    """What `kafka.security` says; files are absolute paths, the password is the password itself."""

    protocol: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = "plaintext"
    mechanism: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """One cluster, one group. `client`, `consumer` and `producer` are librdkafka's settings, verbatim.

    Raises:
        ConfigurationError: a setting that users may not change, that doesn't exist, or that contradicts another; names it.

    """

    bootstrap_servers: str
    group_id: str = "streamproc"
    group_protocol: GroupProtocol = "classic"
    security: SecurityOptions = field(default_factory=SecurityOptions)
    client: Mapping[str, Setting] = field(default_factory=dict, repr=False)
    consumer: Mapping[str, Setting] = field(default_factory=dict, repr=False)
    producer: Mapping[str, Setting] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if not self.bootstrap_servers.strip():
            raise ConfigurationError("kafka.bootstrap_servers is empty; expected host:port, or several separated by commas")
        for section in ("client", "consumer", "producer"):
            for name, value in getattr(self, section).items():
                _check(section, name, value)
        _check_security(self.security)
        _check_deadlines(self)

    def path_of(self, name: str) -> str:
        """Where the user wrote this setting, or the setting of ours that stands for it."""
        name = canonical(name)
        for section in ("client", "consumer", "producer"):
            for written in getattr(self, section):
                if canonical(written) == name:
                    return f"kafka.{section}.{written}"
        own = refusal(name) or ""
        if own.startswith("set "):
            return own.removeprefix("set ")
        section = "consumer" if name in CONSUMER else "producer" if name in PRODUCER else "client"
        return f"kafka.{section}.{name}"


def consumer_config(options: ConnectionOptions) -> Settings:
    """The settings of a member of the group, without callbacks."""
    tuned: Settings = {
        **_client_config(options),
        "group.id": options.group_id,
        "group.protocol": options.group_protocol,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",  # positions are resolved by us; an offset out of range must not jump
        "isolation.level": "read_committed",
        "statistics.interval.ms": 1000,  # the only place that tells the last stable offset without a request
        "max.poll.interval.ms": MAX_POLL_INTERVAL_MS,
        "socket.timeout.ms": COMMIT_DEADLINE_MS // 3,
        "topic.metadata.refresh.interval.ms": 10_000,  # a topic that was missing is found this soon
        "fetch.queue.backoff.ms": 5,
        "queued.min.messages": 50_000,
        "queued.max.messages.kbytes": 65_536,
        "fetch.wait.max.ms": 100,
        "fetch.message.max.bytes": 4 * 1024 * 1024,
    }
    if options.group_protocol == "classic":  # the consumer protocol refuses it
        tuned["partition.assignment.strategy"] = "cooperative-sticky"
    return _overridden(tuned, options.client, options.consumer, foreign=PRODUCER)


def producer_config(options: ConnectionOptions) -> Settings:
    """The settings of an idempotent producer, without callbacks."""
    tuned: Settings = {
        **_client_config(options),
        "enable.idempotence": True,
        "request.required.acks": "all",
        "partitioner": "murmur2_random",
        "topic.metadata.propagation.max.ms": 5000,  # a missing topic is named this soon
        "delivery.report.only.error": True,
        "message.timeout.ms": min(MESSAGE_TIMEOUT_MS, _max_poll_interval_ms(options) * 2 // 5),
        "message.max.bytes": MAX_RECORD_BYTES,
        "queue.buffering.max.ms": 5,
        "batch.num.messages": 10_000,
        "queue.buffering.max.messages": 500_000,
        "queue.buffering.max.kbytes": 256 * 1024,
    }
    return _overridden(tuned, options.client, options.producer, foreign=CONSUMER)


def reader_config(options: ConnectionOptions) -> Settings:
    """The settings of a client that reads partitions, or a group's offsets, without becoming a member.

    It carries the group's name, because that is the one for which rights exist; it never commits.
    """
    member = consumer_config(options)
    for name in ("group.protocol", "partition.assignment.strategy", "group.instance.id", "statistics.interval.ms"):
        member.pop(name, None)
    return {**member, "group.protocol": "classic", "enable.partition.eof": True}


def admin_config(options: ConnectionOptions) -> Settings:
    """The settings of an administrator's client."""
    return _overridden(_client_config(options), options.client, {}, foreign=CONSUMER | PRODUCER)


def _client_config(options: ConnectionOptions) -> Settings:
    security = options.security
    named: dict[str, Setting | None] = {
        "bootstrap.servers": options.bootstrap_servers,
        "client.id": CLIENT_ID,
        "allow.auto.create.topics": False,
        "reconnect.backoff.max.ms": 1000,
        "security.protocol": security.protocol,
        "sasl.mechanisms": security.mechanism,
        "sasl.username": security.username,
        "sasl.password": security.password,
        "ssl.ca.location": security.ca_file,
        "ssl.certificate.location": security.cert_file,
        "ssl.key.location": security.key_file,
    }
    return {name: value for name, value in named.items() if value is not None}


def _overridden(
    tuned: Settings, client: Mapping[str, Setting], special: Mapping[str, Setting], *, foreign: frozenset[str]
) -> Settings:
    """Later wins, by canonical name; of the settings for every client, those that concern only the other kind are left out."""
    shared = {canonical(name): value for name, value in client.items()}
    own = {canonical(name): value for name, value in special.items()}
    return {**tuned, **{name: value for name, value in shared.items() if name not in foreign}, **own}


def _check(section: str, name: str, value: object) -> None:
    path = f"kafka.{section}.{name}"
    if why := refusal(name):
        raise ConfigurationError(f"{path} may not be set: {why}")
    if not isinstance(value, str | int | float | bool):
        raise ConfigurationError(f"{path} is expected to be text, a number or a boolean, and is a {type(value).__name__}")
    foreign = {"consumer": PRODUCER, "producer": CONSUMER}.get(section, frozenset())
    if canonical(name) in foreign:
        other = "producer" if section == "consumer" else "consumer"
        raise ConfigurationError(f"{path} is a setting of the {other}: write kafka.{other}.{name}")


def unknown_setting(path: str) -> ConfigurationError:
    """The error for a setting that librdkafka does not know."""
    section, _, name = path.removeprefix("kafka.").partition(".")
    near = difflib.get_close_matches(name, KNOWN, 1)
    hint = f"; did you mean kafka.{section}.{near[0]}?" if near else ""
    return ConfigurationError(f"{path} is not a setting of librdkafka{hint}")


def _check_security(security: SecurityOptions) -> None:
    if not security.protocol.startswith("sasl_"):
        return
    if security.mechanism is None:
        text = f"kafka.security.mechanism is needed with protocol {security.protocol}, for example SCRAM-SHA-512"
        raise ConfigurationError(text)
    if security.mechanism in _LOGIN_MECHANISMS:
        for name in ("username", "password"):
            if getattr(security, name) is None:
                raise ConfigurationError(f"kafka.security.{name} is needed with mechanism {security.mechanism}")


def _check_deadlines(options: ConnectionOptions) -> None:
    """A delivery that times out, and the commit after it, must end before the group gives this member up."""
    written = {canonical(name): value for name, value in (*options.client.items(), *options.producer.items())}
    if "message.timeout.ms" not in written:
        return
    longest = _milliseconds(options, "message.timeout.ms", written["message.timeout.ms"])
    interval = _max_poll_interval_ms(options)
    if longest + COMMIT_DEADLINE_MS >= interval:
        text = (
            f"{options.path_of('message.timeout.ms')} is {longest} and has to stay {COMMIT_DEADLINE_MS} below "
            f"max.poll.interval.ms, which is {interval}: lower it, or raise kafka.consumer.max.poll.interval.ms"
        )
        raise ConfigurationError(text)


def _max_poll_interval_ms(options: ConnectionOptions) -> int:
    written = {**options.client, **options.consumer}.get("max.poll.interval.ms", MAX_POLL_INTERVAL_MS)
    return _milliseconds(options, "max.poll.interval.ms", written)


def _milliseconds(options: ConnectionOptions, name: str, written: Setting) -> int:
    try:
        return int(written)
    except ValueError as error:
        raise ConfigurationError(f"{options.path_of(name)} is expected to be a whole number of milliseconds") from error
