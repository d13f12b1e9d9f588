"""How settings are shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from streamproc.config import load_settings
from streamproc.config.fields import masked_url
from streamproc.config.known import leaves
from streamproc.config.render import settings_schema, settings_table, settings_yaml, shown_settings

SECRETS = [
    "kafka.security.protocol=sasl_ssl",
    "kafka.security.mechanism=PLAIN",
    "kafka.security.username=u",
    "kafka.security.password=hunter2",
    "kafka.client.ssl.key.password=hunter2",
    "kafka.consumer.sasl.oauthbearer.client.secret=hunter2",
    "kafka.producer.ssl.key.pem=hunter2",
    "models.database_url=postgresql+psycopg://u:hunter2@h/d?password=hunter2&sslmode=require",
    "avro.registry={url: 'https://u:hunter2@h'}",
]


@pytest.fixture(autouse=True)
def _no_file_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_secrets_are_masked_wherever_settings_are_printed() -> None:
    loaded = load_settings(None, SECRETS, {})
    shown = [settings_yaml(loaded), json.dumps(shown_settings(loaded.settings)), repr(loaded), str(loaded.settings)]
    for text in shown:
        assert "hunter2" not in text
    assert "postgresql+psycopg://u:********@h/d?password=********&sslmode=require" in shown[0]
    assert "https://u:********@h" in shown[0]


def test_shown_settings_can_be_loaded_again(tmp_path: Path) -> None:
    overrides = ["kafka.input_topics=a,b", "kafka.consumer.fetch.min.bytes=1", "kafka.group_id='0123'", "models.scores=3"]
    loaded = load_settings(None, overrides, {})
    (tmp_path / "again.yaml").write_text(settings_yaml(loaded))
    assert load_settings(tmp_path / "again.yaml", [], {}).settings == loaded.settings


def test_each_shown_setting_names_its_origin(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text("batch:\n  max_records: 5\n")
    loaded = load_settings(tmp_path / "f.yaml", ["kafka.consumer.a.b=1"], {"STREAMPROC_HTTP__PORT": "1"})
    lines = settings_yaml(loaded).splitlines()
    assert f"  max_records: 5  # {tmp_path}/f.yaml:2" in lines
    assert "  port: 1  # environment STREAMPROC_HTTP__PORT" in lines
    assert "  consumer: {a.b: '1'}  # --set" in lines
    assert "  group_id: streamproc  # default" in lines


def test_every_setting_has_a_description_and_a_row_in_the_table() -> None:
    table = settings_table()
    for known in leaves():
        assert known.field.description, known.path
        if known.path[:2] != ("avro", "registry"):
            assert f"| `{'.'.join(known.path)}` | " in table
    assert "`[{id: 1, file: schemas/event.avsc, output_id: 2}]`" in table


def test_the_json_schema_accepts_the_defaults_and_closes_every_section() -> None:
    schema = settings_schema()
    assert set(schema["properties"]) == set(shown_settings(load_settings(None, [], {}).settings))
    assert schema["additionalProperties"] is False
    assert all(section["additionalProperties"] is False for section in schema["$defs"].values())
    json.dumps(schema)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:p@h/d", "postgresql://u:********@h/d"),
        ("postgresql://u@h/d", "postgresql://u@h/d"),
        ("postgresql://u:a@b@h/d", "postgresql://u:********@h/d"),
        ("postgresql:///d?host=/s&password=p", "postgresql:///d?host=/s&password=********"),
        ("sqlite:///x.db", "sqlite:///x.db"),
        ("postgresql://u:a/b?c@h/d", "postgresql://u:********@h/d"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    assert masked_url(url) == shown


def test_shown_yaml_is_yaml() -> None:
    assert yaml.safe_load(settings_yaml(load_settings(None, [], {})))["kafka"]["input_topics"] == ["events"]


def test_the_readmes_table_is_the_generated_one() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    table = readme.partition("<!-- settings -->\n")[2].partition("<!-- /settings -->")[0]
    assert table == settings_table(), "replace what stands between the marks in README.md by what settings_table() returns"
