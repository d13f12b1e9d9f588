"""What a wrong configuration is answered with."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamproc.config import InvalidSettingsError, load_settings
from streamproc.errors import ConfigurationError


def refusal(tmp_path: Path, text: str = "", *overrides: str, **environ: str) -> str:
    file = tmp_path / "s.yaml"
    file.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load_settings(file, overrides, environ)
    return str(caught.value).replace(f"{tmp_path}/", "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kafka: {grup_id: x}", "kafka.grup_id (s.yaml:1): no such setting; did you mean kafka.group_id?"),
        ("group_id: x", "group_id (s.yaml:1): no such setting; did you mean kafka.group_id?"),
        ("kafak: {group_id: x}", "kafak (s.yaml:1): no such setting; did you mean kafka?"),
        ("\n\nbatch:\n  max_record: 5", "batch.max_record (s.yaml:4): no such setting; did you mean batch.max_records?"),
        ("xyzzy: 5", "xyzzy (s.yaml:1): no such setting; `streamproc config schema` lists what there is"),
        (
            "avro: {schemas: [{id: 1, fil: x}]}",
            "avro.schemas[0].fil (s.yaml:1): no such setting; did you mean avro.schemas[0].file?",
        ),
    ],
)
def test_an_unknown_setting_in_the_file_names_the_nearest_one(tmp_path: Path, text: str, message: str) -> None:
    assert message in refusal(tmp_path, text)


def test_an_unknown_variable_names_the_nearest_one(tmp_path: Path) -> None:
    assert refusal(tmp_path, "", STREAMPROC_KAFKA__GROUPID="x") == (
        "kafka.groupid (environment STREAMPROC_KAFKA__GROUPID): no such setting; "
        "did you mean kafka.group_id (STREAMPROC_KAFKA__GROUP_ID)?"
    )


def test_a_variable_with_single_underscores_is_told_of_the_double_ones(tmp_path: Path) -> None:
    assert "STREAMPROC_KAFKA__GROUP_ID" in refusal(tmp_path, "", STREAMPROC_KAFKA_GROUP_ID="x")


def test_an_unknown_set_option_names_the_nearest_one(tmp_path: Path) -> None:
    assert refusal(tmp_path, "", "kafka.gruop_id=x") == "kafka.gruop_id (--set): no such setting; did you mean kafka.group_id?"


def test_a_set_option_without_a_value_is_refused(tmp_path: Path) -> None:
    assert "expected SETTING=VALUE" in refusal(tmp_path, "", "kafka.group_id")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("batch.max_records=many", "batch.max_records (--set): expected a whole number, found 'many'"),
        ("batch.max_records=0", "batch.max_records (--set): expected a number above 0, found '0'"),
        ("batch.max_seconds=nan", "batch.max_seconds (--set): expected a finite number, found 'nan'"),
        ("batch.linger_seconds=-1", "expected a number of at least 0, found '-1'"),
        ("shutdown_timeout_seconds=0", "expected a number above 0, found '0'"),
        ("http.port=65536", "expected a number of at most 65535, found '65536'"),
        ("dead_letters.stop_share=1.5", "expected a number of at most 1, found '1.5'"),
        ("models.formats=[skop]", "models.formats[0] (--set): expected 'skops', 'onnx', 'joblib' or 'pickle', found 'skop'"),
        ("models.formats=[skop]", "did you mean skops?"),
        ("models.formats=[]", "models.formats (--set): expected at least one entry, found an empty list"),
        ("models.store=gs://x", "expected file:DIRECTORY or s3://BUCKET/PREFIX, found 'gs://x'"),
        (
            "models.s3_endpoint_url=s3:9000",
            "expected a URL that begins with http:// or https:// and names no user, found 's3:9000'",
        ),
        ("models.scores=0", "expected true, false, or how many of the highest scores to keep, found '0'"),
        ("kafka.input_topics=", "kafka.input_topics (--set): expected at least one entry, found an empty list"),
        ("kafka.output_topic=a b", "expected a topic name: 1 to 249 of a-z, A-Z, 0-9, '.', '_' and '-', found 'a b'"),
        ("kafka.output_topic=^x", "expected a topic name"),
        ("kafka.group_id=", "expected at least one character, found ''"),
        ("records.tenant_field=a..b", "expected a record field's name, or names joined by dots, found 'a..b'"),
        ("avro.schemas=a.avsc", "expected a mapping of settings, found 'a.avsc'"),
        ("avro.schemas=[{id: 1}]", "avro.schemas[0].file (--set): expected a value, found nothing"),
        ("avro.registry={username: u}", "avro.registry.url (--set): expected a value, found nothing"),
        ("guarantee=exactly_one", "did you mean exactly_once?"),
        ("log=debug", "log (--set): expected a mapping of settings"),
        ("kafka.input_topics=[a", "not valid YAML or JSON"),
        ("kafka.group_id.x=1", "kafka.group_id.x (--set): no such setting"),
    ],
)
def test_a_wrong_value_is_told_with_what_was_expected_and_found(tmp_path: Path, override: str, message: str) -> None:
    assert message in refusal(tmp_path, "", override)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kafka: {output_topic: events}", "kafka.output_topic (s.yaml:1): events is also an input topic"),
        ("kafka: {dead_letter_topic: events}", "kafka.dead_letter_topic (s.yaml:1): events is also an input topic"),
        ("kafka: {dead_letter_topic: predictions}", "predictions is also the output topic"),
        ("kafka: {input_topics: [a, b, a]}", "names a more than once"),
        ("kafka: {transactional_id: x}", "is used with guarantee: exactly_once only"),
        ("guarantee: exactly_once", "guarantee (s.yaml:1): exactly_once is not available in this release; set at_least_once"),
        ("kafka: {security: {protocol: sasl_ssl}}", "kafka.security.mechanism (s.yaml:1): expected a mechanism"),
        ("kafka: {security: {protocol: sasl_ssl, mechanism: PLAIN}}", "kafka.security.username (s.yaml:1): expected a user"),
        (
            "kafka: {security: {protocol: sasl_ssl, mechanism: PLAIN, username: u}}",
            "expected either password or password_file with protocol sasl_ssl, found neither",
        ),
        (
            "kafka: {security: {protocol: sasl_ssl, mechanism: PLAIN, username: u, password: p, password_file: f}}",
            "expected either password or password_file with protocol sasl_ssl, found both",
        ),
        ("kafka: {security: {username: u}}", "kafka.security.username (s.yaml:1): has no effect with protocol plaintext"),
        ("kafka: {security: {ca_file: ca.pem}}", "kafka.security.ca_file (s.yaml:1): has no effect with protocol plaintext"),
        ("kafka: {security: {protocol: ssl, cert_file: c}}", "expected cert_file and key_file together, found one"),
        (
            "avro: {framing: raw, schemas: [{file: a}, {file: b}]}",
            "avro.schemas (s.yaml:1): expected exactly one schema with framing raw, found 2",
        ),
        ("avro: {schemas: []}", "avro.schemas (s.yaml:1): expected a schema, found none"),
        (
            "avro: {registry: {url: 'http://r'}, schemas: [{id: 1, file: a, output_id: 2}]}",
            "expected no schemas beside a registry",
        ),
        ("avro: {registry: {url: 'http://r'}, framing: raw}", "raw names no schema of a registry"),
        ("avro: {registry: {url: 'http://r', password: p}}", "expected username and password together, found one"),
        ("avro: {schemas: [{file: a}]}", "expected id or guid with framing confluent, found neither"),
        ("avro: {schemas: [{id: 1, file: a}]}", "avro.schemas[0].output_id (s.yaml:1): expected id and output_id together"),
        (
            "avro: {schemas: [{id: 1, file: a, output_id: 1}]}",
            "avro.schemas[0].output_id (s.yaml:1): 1 is also avro.schemas[0].id",
        ),
        ("batch: {linger_seconds: 6}", "batch.linger_seconds (s.yaml:1): expected at most batch.max_seconds (5), found 6"),
        ("metrics: {tenants: [a, b], tenant_limit: 1}", "names 2 tenants, more than metrics.tenant_limit (1)"),
        ("models: {s3_endpoint_url: 'http://s3'}", "has no effect while models.store is a directory"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(tmp_path: Path, text: str, message: str) -> None:
    assert message in refusal(tmp_path, text)


@pytest.mark.parametrize(
    "text",
    [
        "kafka: {group_protocol: consumer}",
        "kafka: {security: {protocol: SASL_SSL, mechanism: OAUTHBEARER}}",
        "avro: {framing: raw, schemas: [{file: a}]}",
        "avro: {framing: single_object, schemas: [{file: a}, {file: b}]}",
        (
            "avro: {schemas: [{guid: 9c1d7a30-5f6e-4f3c-8f6b-0a3d1f2c4b5a, file: a, "
            "output_guid: 0c1d7a30-5f6e-4f3c-8f6b-0a3d1f2c4b5a}]}"
        ),
    ],
)
def test_settings_that_go_together_are_accepted(tmp_path: Path, text: str) -> None:
    (tmp_path / "s.yaml").write_text(text)
    load_settings(tmp_path / "s.yaml", [], {})


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    text = "kafka:\n  grup_id: x\nbatch:\n  max_records: 0\n  linger_seconds: 9\nguarantee: exactly_once\n"
    message = refusal(tmp_path, text, "http.port=x", STREAMPROC_LOG__LEVEL="loud")
    assert message.splitlines()[0] == "6 problems in the configuration:"
    for setting in ("kafka.grup_id", "batch.max_records", "batch.linger_seconds", "guarantee", "http.port", "log.level"):
        assert f"\n{setting} (" in message


def test_a_value_is_not_blamed_twice(tmp_path: Path) -> None:
    assert refusal(tmp_path, "kafka: {security: {protocol: sasl, username: u}}").count("\n") == 0


def test_problems_are_values_too(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("http: {port: x}")
    with pytest.raises(InvalidSettingsError) as caught:
        load_settings(tmp_path / "s.yaml", [], {})
    (problem,) = caught.value.problems
    assert (problem.setting, problem.origin) == ("http.port", f"{tmp_path / 's.yaml'}:1")
    assert problem.remedy == "correct it or leave it out; the default is 9108"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("http:\n  port: 1\n  port: 2\n", "http.port (s.yaml:3): given twice, first in s.yaml:2"),
        ("http: {port: 1}\nhttp: {port: 2}\n", "http (s.yaml:2): given twice, first in s.yaml:1"),
        ("http: {port: 1}\nhttp.port: 2\n", "http.port (s.yaml:2): given twice, first in s.yaml:1"),
        ("kafka: {consumer: {a: {b: 1}, a.b: 2}}", "kafka.consumer.a.b (s.yaml:1): given twice"),
    ],
)
def test_a_setting_given_twice_in_one_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    assert message in refusal(tmp_path, text)


@pytest.mark.parametrize("text", ["- a\n- b\n", "just text", "42"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    assert "expected a mapping of settings" in refusal(tmp_path, text)


def test_broken_yaml_names_the_place_and_quotes_nothing(tmp_path: Path) -> None:
    message = refusal(tmp_path, "kafka:\n  security: {password: hunter2\nbatch: [")
    assert message.startswith("s.yaml:3:")
    assert "not valid YAML" in message
    assert "hunter2" not in message


@pytest.mark.parametrize("text", ["a: 1\n---\nb: 2\n", "a: \x00", "kafka: &a {group_id: *a}", "kafka: &a [*a]"])
def test_strange_yaml_is_refused(tmp_path: Path, text: str) -> None:
    refusal(tmp_path, text)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_bytes(b"\xff\xfe\x00x")
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        load_settings(tmp_path / "s.yaml", [], {})


@pytest.mark.parametrize(
    "text",
    [
        "kafka: {security: {pasword: hunter2}}",
        "kafka: {security: {password: [hunter2]}}",
        "kafka: {security: {password: {x: hunter2}}}",
        "kafka: {client: {sasl.password: [hunter2]}}",
        "models: {database_url: 'postgres//u:hunter2@h/d'}",
        "avro: {registry: {url: 'ftp://u:hunter2@h'}}",
        "avro: {registry: {password: hunter2}}",
        "kafka: {security: {password: hunter2}}",
    ],
)
def test_no_message_quotes_a_secret(tmp_path: Path, text: str) -> None:
    assert "hunter2" not in refusal(tmp_path, text)


def test_the_cause_of_a_refusal_carries_no_secret_either(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("kafka: {security: {password: hunter2}}\nmodels: {database_url: 'x://u:hunter2@h'}")
    with pytest.raises(ConfigurationError) as caught:
        load_settings(tmp_path / "s.yaml", [], {})
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_a_user_in_the_s3_address_is_refused(tmp_path: Path) -> None:
    message = refusal(tmp_path, "models: {store: 's3://b', s3_endpoint_url: 'http://u:hunter2@s3:9000'}")
    assert "names no user" in message
    assert "hunter2" not in message
