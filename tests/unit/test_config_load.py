"""Where settings come from: file, environment, `--set`, and which one wins."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamproc.config import LoadedSettings, load_settings
from streamproc.errors import ConfigurationError


def load(tmp_path: Path, text: str = "", *overrides: str, **environ: str) -> LoadedSettings:
    file = tmp_path / "streamproc.yaml"
    file.write_text(text)
    return load_settings(file, overrides, environ)


def test_the_defaults_are_those_of_the_contract(tmp_path: Path) -> None:
    settings = load(tmp_path).settings
    assert settings.kafka.bootstrap_servers == "localhost:9092"
    assert settings.kafka.input_topics == ("events",)
    assert settings.batch.max_bytes == 67108864
    assert settings.models.cache_bytes == 1073741824
    assert settings.models.scores is True
    assert settings.dead_letters.stop_share == 0.5
    assert (settings.avro.schemas[0].id, settings.avro.schemas[0].output_id) == (1, 2)


def test_the_environment_overrules_the_file_and_set_overrules_both(tmp_path: Path) -> None:
    text = "kafka: {group_id: file, output_topic: file, dead_letter_topic: file.dead}\n"
    environ = {"STREAMPROC_KAFKA__GROUP_ID": "variable", "STREAMPROC_KAFKA__OUTPUT_TOPIC": "variable"}
    loaded = load(tmp_path, text, "kafka.group_id=option", **environ)
    assert loaded.settings.kafka.group_id == "option"
    assert loaded.settings.kafka.output_topic == "variable"
    assert loaded.settings.kafka.dead_letter_topic == "file.dead"
    assert loaded.origins["kafka.group_id"] == "--set"
    assert loaded.origins["kafka.output_topic"] == "environment STREAMPROC_KAFKA__OUTPUT_TOPIC"
    assert loaded.origins["kafka.dead_letter_topic"] == f"{tmp_path / 'streamproc.yaml'}:1"
    assert loaded.origins["kafka.auto_offset_reset"] == "default"


def test_of_two_set_options_for_one_setting_the_later_wins(tmp_path: Path) -> None:
    assert load(tmp_path, "", "http.port=1", "http.port=2").settings.http.port == 2


def test_the_default_file_is_optional_and_read_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings(None, [], {}).file is None
    (tmp_path / "streamproc.yaml").write_text("guarantee: at_least_once\nlog: {level: debug}\n")
    loaded = load_settings(None, [], {})
    assert loaded.settings.log.level == "debug"
    assert loaded.origins["log.level"] == "streamproc.yaml:2"


def test_a_named_file_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"absent\.yaml: no such configuration file; name an existing one with -c FILE"
    ):
        load_settings(tmp_path / "absent.yaml", [], {})


def test_a_folder_as_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="can't be read"):
        load_settings(tmp_path, [], {})


@pytest.mark.parametrize("value", ["[a, b]", '["a","b"]', "a,b", "a, b"])
def test_a_list_may_be_yaml_json_or_comma_separated(tmp_path: Path, value: str) -> None:
    assert load(tmp_path, "", f"kafka.input_topics={value}").settings.kafka.input_topics == ("a", "b")
    assert load(tmp_path, "", STREAMPROC_KAFKA__INPUT_TOPICS=value).settings.kafka.input_topics == ("a", "b")


def test_a_list_of_schemas_may_be_given_by_set(tmp_path: Path) -> None:
    loaded = load(tmp_path, "", "avro.schemas=[{id: 7, file: a.avsc, output_id: 8}]")
    assert loaded.settings.avro.schemas[0].id == 7


@pytest.mark.parametrize("text", ["0123", "1e5", "true", "null ", "2024-01-01", "0x1F", "1_000", " padded", "a=b", "#x", "@y"])
def test_text_that_looks_like_another_type_stays_text(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, "", f"kafka.group_id={text}").settings.kafka.group_id == text
    assert load(tmp_path, "", STREAMPROC_KAFKA__GROUP_ID=text).settings.kafka.group_id == text


@pytest.mark.parametrize("text", ["0123", "1e5", "true", "2024-01-01", "0x1F", "1_000"])
def test_text_in_the_file_stays_as_it_is_written(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, f"kafka: {{group_id: {text}, input_topics: [{text}]}}").settings.kafka.input_topics == (text,)


def test_a_password_of_digits_keeps_its_leading_zero(tmp_path: Path) -> None:
    text = "kafka: {security: {protocol: sasl_ssl, mechanism: plain, username: 007, password: 0123}}\n"
    security = load(tmp_path, text).settings.kafka.security
    assert security.password is not None
    assert (security.username, security.password.get_secret_value(), security.mechanism) == ("007", "0123", "PLAIN")


@pytest.mark.parametrize("null", ["null", "~", ""])
def test_null_is_a_value_where_the_setting_allows_it(tmp_path: Path, null: str) -> None:
    settings = load(tmp_path, f"dead_letters: {{stop_share: {null}}}", f"models.max_wait_seconds={null}").settings
    assert settings.dead_letters.stop_share is None
    assert settings.models.max_wait_seconds is None


@pytest.mark.parametrize(("text", "scores"), [("true", True), ("False", False), ("3", 3), ("1", 1)])
def test_scores_are_a_switch_or_a_number(tmp_path: Path, text: str, scores: object) -> None:
    loaded = load(tmp_path, "", f"models.scores={text}").settings.models.scores
    assert loaded == scores
    assert type(loaded) is type(scores)


def test_librdkafka_settings_are_named_nested_dotted_or_by_variable(tmp_path: Path) -> None:
    text = """
kafka:
  consumer: {fetch: {min: {bytes: 1}}, fetch.max.bytes: 0200, check.crcs: yes}
  client.socket.keepalive.enable: true
"""
    loaded = load(
        tmp_path,
        text,
        "kafka.consumer.fetch.wait.max.ms=5",
        "kafka.producer={linger.ms: 7}",
        STREAMPROC_KAFKA__CONSUMER__QUEUED_MIN_MESSAGES="9",
        STREAMPROC_KAFKA__PRODUCER__BATCH__SIZE="11",
    )
    assert loaded.settings.kafka.consumer == {
        "fetch.min.bytes": "1",
        "fetch.max.bytes": "0200",
        "check.crcs": "true",
        "queued.min.messages": "9",
        "fetch.wait.max.ms": "5",
    }
    assert loaded.settings.kafka.client == {"socket.keepalive.enable": "true"}
    assert loaded.settings.kafka.producer == {"batch.size": "11", "linger.ms": "7"}


def test_one_librdkafka_setting_is_overruled_and_its_neighbours_stay(tmp_path: Path) -> None:
    loaded = load(tmp_path, "kafka: {consumer: {a.b: 1, c.d: 2}}", "kafka.consumer.a.b=3")
    assert loaded.settings.kafka.consumer == {"a.b": "3", "c.d": "2"}


def test_what_kubernetes_sets_beside_a_service_is_ignored(tmp_path: Path) -> None:
    links = {
        "STREAMPROC_SERVICE_HOST": "10.0.0.1",
        "STREAMPROC_SERVICE_PORT": "9108",
        "STREAMPROC_SERVICE_PORT_HTTP_METRICS": "9108",
        "STREAMPROC_PORT": "tcp://10.0.0.1:9108",
        "STREAMPROC_PORT_9108_TCP": "tcp://10.0.0.1:9108",
        "STREAMPROC_PORT_9108_TCP_PROTO": "tcp",
        "STREAMPROC_PORT_9108_TCP_PORT": "9108",
        "STREAMPROC_PORT_9108_TCP_ADDR": "10.0.0.1",
        "STREAMPROC_METRICS_SERVICE_HOST": "10.0.0.2",
        "STREAMPROC_METRICS_PORT": "udp://10.0.0.2:53",
        "STREAMPROC_METRICS_PORT_53_UDP_ADDR": "10.0.0.2",
    }
    assert load(tmp_path, "", **links).settings.http.port == 9108


def test_a_port_variable_with_one_underscore_is_not_taken_for_a_service_link(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"http_port \(environment STREAMPROC_HTTP_PORT\).*STREAMPROC_HTTP__PORT"):
        load(tmp_path, "", STREAMPROC_HTTP_PORT="9000")


def test_relative_paths_are_relative_to_the_configuration_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    text = """
kafka: {security: {protocol: sasl_ssl, mechanism: PLAIN, username: u, password_file: secrets/p, ca_file: ca.pem}}
models: {store: "file:artifacts", database_url: "sqlite:///registry.db?timeout=5"}
"""
    settings = load(tmp_path, text).settings
    assert settings.kafka.security.password_file == tmp_path / "secrets/p"
    assert settings.kafka.security.ca_file == tmp_path / "ca.pem"
    assert settings.avro.schemas[0].file == tmp_path / "schemas/event.avsc"
    assert settings.models.store == f"file:{tmp_path}/artifacts"
    assert settings.models.database_url.get_secret_value() == f"sqlite:///{tmp_path}/registry.db?timeout=5"


@pytest.mark.parametrize(
    "url", ["sqlite:////var/lib/registry.db", "sqlite://", "sqlite:///:memory:", "postgresql+psycopg://u:p@h/d"]
)
def test_database_urls_that_name_no_relative_path_stay(tmp_path: Path, url: str) -> None:
    assert load(tmp_path, "", f"models.database_url={url}").settings.models.database_url.get_secret_value() == url


@pytest.mark.parametrize(
    ("store", "kept"), [("file:/srv/m", "file:/srv/m"), ("file:///srv/m", "file:/srv/m"), ("s3://b/p", "s3://b/p")]
)
def test_absolute_stores_stay_where_they_are(tmp_path: Path, store: str, kept: str) -> None:
    assert load(tmp_path, "", f"models.store={store}").settings.models.store == kept


def test_a_registry_stands_in_for_the_default_schemas(tmp_path: Path) -> None:
    avro = load(tmp_path, "avro: {registry: {url: 'http://registry:8081'}}").settings.avro
    assert avro.schemas == ()
    assert avro.registry is not None
    assert avro.registry.url.get_secret_value() == "http://registry:8081"


def test_null_takes_away_a_section_that_the_file_gave(tmp_path: Path) -> None:
    loaded = load(tmp_path, "avro: {registry: {url: 'http://registry:8081'}}", "avro.registry=null")
    assert loaded.settings.avro.registry is None
    assert len(loaded.settings.avro.schemas) == 1


def test_servers_may_be_a_list(tmp_path: Path) -> None:
    assert load(tmp_path, "kafka: {bootstrap_servers: ['a:1', 'b:2']}").settings.kafka.bootstrap_servers == "a:1,b:2"


def test_settings_are_frozen(tmp_path: Path) -> None:
    settings = load(tmp_path).settings
    with pytest.raises(ValueError, match="frozen"):
        setattr(settings.kafka, "group_id", "other")  # noqa: B010 - a type checker refuses the plain form


def test_the_password_file_is_read_without_its_last_newline(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("geheim\n")
    text = "kafka: {security: {protocol: sasl_ssl, mechanism: PLAIN, username: u, password_file: pw}}\n"
    password = load(tmp_path, text).settings.kafka.security.read_password()
    assert password is not None
    assert password.get_secret_value() == "geheim"


@pytest.mark.parametrize("content", [None, "\n"])
def test_a_password_file_that_is_missing_or_empty_is_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "pw").write_text(content)
    text = "kafka: {security: {protocol: sasl_ssl, mechanism: PLAIN, username: u, password_file: pw}}\n"
    with pytest.raises(ConfigurationError, match=r"kafka\.security\.password_file"):
        load(tmp_path, text).settings.kafka.security.read_password()


def test_an_empty_section_in_the_file_means_its_defaults(tmp_path: Path) -> None:
    assert load(tmp_path, "kafka:\n  # group_id: blue\nbatch: {}\n").settings.kafka.group_id == "streamproc"
