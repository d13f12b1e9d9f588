"""The processor itself reads the configurations that the installations give it, in the environment of its image."""

from __future__ import annotations

from pathlib import Path

import yaml
from support.manifests import DEPLOY, ROOT, services

from streamproc.config import Settings, load_settings

# As in deploy/Dockerfile.
IMAGE = {"STREAMPROC_HTTP__HOST": "0.0.0.0", "STREAMPROC_HTTP__PORT": "9108"}  # noqa: S104 - inside a container


def _compose() -> Settings:
    return load_settings(DEPLOY / "compose" / "streamproc.yaml", [], IMAGE).settings


def _kubernetes(folder: Path) -> Settings:
    (text,) = [
        manifest["data"]["streamproc.yaml"]
        for manifest in yaml.safe_load_all((DEPLOY / "kubernetes" / "streamproc.yaml").read_text())
        if manifest["kind"] == "ConfigMap"
    ]
    path = folder / "streamproc.yaml"
    path.write_text(text)
    return load_settings(path, [], IMAGE).settings


def test_the_processor_accepts_the_configuration_in_compose() -> None:
    settings = _compose()
    assert settings.http.host == "0.0.0.0"  # noqa: S104 - inside a container
    assert settings.models.store == "s3://models"


def test_the_processor_accepts_the_configuration_in_kubernetes(tmp_path: Path) -> None:
    settings = _kubernetes(tmp_path)
    assert settings.http.port == 9108
    assert settings.kafka.input_topics == ("events",)


def test_the_schemas_that_compose_names_are_mounted_beside_the_configuration() -> None:
    mounts = dict(volume.split(":")[:2] for volume in services()["streamproc"]["volumes"])
    inside = Path(mounts["./deploy/compose/streamproc.yaml"]).parent
    assert Path(mounts["./schemas"]) == inside / "schemas"
    for schema in _compose().avro.schemas:
        assert (ROOT / schema.file.relative_to(DEPLOY / "compose")).is_file()


def test_the_container_has_room_for_the_model_cache() -> None:
    limit = services()["streamproc"]["deploy"]["resources"]["limits"]["memory"]
    assert int(limit.removesuffix("M")) * 2**20 - _compose().models.cache_bytes >= 500 * 2**20
