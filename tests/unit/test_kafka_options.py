from __future__ import annotations

import logging

import pytest

from streamproc.errors import ConfigurationError
from streamproc.kafka.options import (
    ConnectionOptions,
    SecurityOptions,
    Setting,
    admin_config,
    consumer_config,
    producer_config,
    reader_config,
)
from streamproc.kafka.setting_names import KNOWN, REFUSED, canonical
from streamproc.kafka.sink import KafkaSink
from streamproc.kafka.source import KafkaSource

LOGGER = logging.getLogger("tests.kafka")


def options(
    *,
    client: dict[str, Setting] | None = None,
    consumer: dict[str, Setting] | None = None,
    producer: dict[str, Setting] | None = None,
) -> ConnectionOptions:
    return ConnectionOptions("127.0.0.1:1", client=client or {}, consumer=consumer or {}, producer=producer or {})


def member(of: ConnectionOptions) -> KafkaSource:
    return KafkaSource(of, ["t"], auto_offset_reset="earliest", logger=LOGGER)


def test_a_member_never_commits_by_itself_and_never_jumps() -> None:
    settings = consumer_config(options())
    assert settings["enable.auto.commit"] is False
    assert settings["enable.auto.offset.store"] is False
    assert settings["auto.offset.reset"] == "error"
    assert settings["isolation.level"] == "read_committed"
    assert settings["partition.assignment.strategy"] == "cooperative-sticky"


def test_the_consumer_protocol_gets_no_classic_setting() -> None:
    settings = consumer_config(ConnectionOptions("127.0.0.1:1", group_protocol="consumer"))
    assert settings["group.protocol"] == "consumer"
    assert not settings.keys() & {"partition.assignment.strategy", "session.timeout.ms", "heartbeat.interval.ms"}


def test_the_producer_is_idempotent_confirms_by_all_replicas_and_chooses_partitions_as_java_does() -> None:
    settings = producer_config(options())
    assert settings["enable.idempotence"] is True
    assert settings["request.required.acks"] == "all"
    assert settings["partitioner"] == "murmur2_random"


def test_no_client_creates_topics() -> None:
    for settings in (consumer_config(options()), producer_config(options()), admin_config(options())):
        assert settings["allow.auto.create.topics"] is False


def test_a_delivery_times_out_before_the_group_gives_the_member_up() -> None:
    for interval in (10_000, 300_000, 3_600_000):
        timeout = producer_config(options(consumer={"max.poll.interval.ms": interval}))["message.timeout.ms"]
        assert int(timeout) < interval / 2


def test_a_reader_is_no_member() -> None:
    settings = reader_config(ConnectionOptions("127.0.0.1:1", group_id="g", group_protocol="consumer"))
    assert settings["group.id"] == "g"
    assert settings["group.protocol"] == "classic"
    assert settings["enable.partition.eof"] is True


def test_the_users_settings_win_under_any_of_their_names() -> None:
    of = options(client={"socket.keepalive.enable": True}, producer={"linger.ms": 50, "compression.type": "lz4"})
    settings = producer_config(of)
    assert settings["queue.buffering.max.ms"] == 50
    assert settings["compression.codec"] == "lz4"
    assert "linger.ms" not in settings
    assert settings["socket.keepalive.enable"] is True


def test_settings_for_every_client_reach_only_those_that_know_them() -> None:
    of = options(client={"fetch.min.bytes": 7, "linger.ms": 9})
    assert consumer_config(of)["fetch.min.bytes"] == 7
    assert "queue.buffering.max.ms" not in consumer_config(of)
    assert producer_config(of)["queue.buffering.max.ms"] == 9
    assert "fetch.min.bytes" not in producer_config(of)
    assert not {"fetch.min.bytes", "queue.buffering.max.ms"} & admin_config(of).keys()


@pytest.mark.parametrize("name", [*sorted(REFUSED), "acks", "max.in.flight", "metadata.broker.list", "error_cb", "stats_cb"])
@pytest.mark.parametrize("section", ["client", "consumer", "producer"])
def test_settings_that_carry_a_guarantee_are_refused_by_name(section: str, name: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"kafka\.{section}\.{name} may not be set"):
        ConnectionOptions("127.0.0.1:1", **{section: {name: "1"}})  # type: ignore[arg-type]  # one of the three mappings


def test_a_setting_with_an_own_name_is_refused_with_that_name() -> None:
    with pytest.raises(ConfigurationError, match=r"client\.sasl\.mechanism may not be set: set kafka\.security\.mechanism"):
        options(client={"sasl.mechanism": "PLAIN"})


def test_a_setting_in_the_wrong_section_is_sent_to_the_right_one() -> None:
    with pytest.raises(ConfigurationError, match=r"kafka\.consumer\.linger\.ms .* write kafka\.producer\.linger\.ms"):
        options(consumer={"linger.ms": 5})
    with pytest.raises(ConfigurationError, match=r"write kafka\.consumer\.fetch\.min\.bytes"):
        options(producer={"fetch.min.bytes": 5})


def test_a_value_of_another_kind_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"kafka\.consumer\.fetch\.min\.bytes is expected to be text, a number"):
        options(consumer={"fetch.min.bytes": [1]})  # type: ignore[dict-item]  # what a YAML file may hold


def test_an_unknown_setting_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigurationError, match=r"fetch\.min\.byte is not .* did you mean kafka\.consumer\.fetch\.min\.bytes"):
        member(options(consumer={"fetch.min.byte": 1}))
    with pytest.raises(ConfigurationError, match=r"producer\.lingerms is not .* did you mean kafka\.producer\.linger\.ms"):
        KafkaSink(options(producer={"lingerms": 1}), logger=LOGGER)
    with pytest.raises(ConfigurationError, match=r"kafka\.client\.zzz is not a setting of librdkafka$"):
        member(options(client={"zzz": 1}))


@pytest.mark.parametrize(
    ("of", "named"),
    [
        (options(consumer={"fetch.min.bytes": "secret-value"}), "kafka.consumer.fetch.min.bytes"),
        (options(consumer={"session.timeout.ms": 400_000}), "kafka.consumer.session.timeout.ms"),
        (options(client={"debug": "secret-value"}), "kafka.client.debug"),
        (
            ConnectionOptions("127.0.0.1:1", group_protocol="consumer", consumer={"heartbeat.interval.ms": 100}),
            "kafka.consumer.heartbeat.interval.ms",
        ),
        (
            ConnectionOptions("127.0.0.1:1", security=SecurityOptions(protocol="ssl", ca_file="missing-secret-value.pem")),
            "kafka.security.ca_file",
        ),
        (
            ConnectionOptions("127.0.0.1:1", security=SecurityOptions(protocol="sasl_ssl", mechanism="secret-value")),
            "kafka.security.mechanism",
        ),
    ],
)
def test_a_value_that_librdkafka_refuses_is_named_and_not_quoted(of: ConnectionOptions, named: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        member(of)
    assert named in str(caught.value)
    assert "secret-value" not in str(caught.value)


def test_a_login_without_name_or_password_is_refused() -> None:
    for given in ({"username": "u"}, {"password": "p"}):
        security = SecurityOptions(protocol="sasl_ssl", mechanism="PLAIN", **given)
        with pytest.raises(ConfigurationError, match=r"kafka\.security\.(password|username) is needed with mechanism PLAIN"):
            ConnectionOptions("127.0.0.1:1", security=security)
    with pytest.raises(ConfigurationError, match=r"kafka\.security\.mechanism is needed"):
        ConnectionOptions("127.0.0.1:1", security=SecurityOptions(protocol="sasl_plaintext"))


def test_a_delivery_timeout_above_the_poll_interval_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"producer\.delivery\.timeout\.ms is 290000 and has to stay 30000 below"):
        options(producer={"delivery.timeout.ms": 290_000})
    options(producer={"delivery.timeout.ms": 290_000}, consumer={"max.poll.interval.ms": 400_000})
    with pytest.raises(ConfigurationError, match=r"kafka\.producer\.message\.timeout\.ms is expected to be a whole number"):
        options(producer={"message.timeout.ms": "soon"})


def test_an_empty_address_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"kafka\.bootstrap_servers is empty"):
        ConnectionOptions(" ")


def test_secrets_are_not_shown_when_options_are_printed() -> None:
    security = SecurityOptions(protocol="sasl_ssl", mechanism="PLAIN", username="u", password="secret-value")  # noqa: S106  # a test's
    of = ConnectionOptions("127.0.0.1:1", security=security, client={"ssl.key.password": "secret-value"})
    assert "secret-value" not in repr(of)


def test_every_refused_name_is_known_and_canonical() -> None:
    assert all(canonical(name) == name for name in REFUSED)
    ours = {"logger", "opaque", "interceptors", "default.topic.config", "on_delivery", "on_commit", "msg_order_cmp"}
    assert set(REFUSED) - KNOWN - ours == {"enabled_events", "log.queue"}
