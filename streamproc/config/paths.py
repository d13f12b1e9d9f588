"""Makes relative paths absolute: they are relative to the configuration file."""

from __future__ import annotations

import re
from pathlib import Path

from streamproc.config.fields import SecretUrl
from streamproc.config.settings import AvroSettings, ModelSettings, SecuritySettings, Settings

_SQLITE = re.compile(r"(sqlite(?:\+\w+)?:///)(?!/|:memory:|file:)([^?]+)(.*)", re.DOTALL)


def resolved(settings: Settings, base: Path) -> Settings:
    """`settings` with every path absolute; a relative one is taken from `base`."""
    base = base.absolute()
    kafka = settings.kafka.model_copy(update={"security": _security(settings.kafka.security, base)})
    return settings.model_copy(
        update={"kafka": kafka, "avro": _avro(settings.avro, base), "models": _models(settings.models, base)}
    )


def _security(security: SecuritySettings, base: Path) -> SecuritySettings:
    names = ("password_file", "ca_file", "cert_file", "key_file")
    given = {name: getattr(security, name) for name in names}
    return security.model_copy(update={name: base / path for name, path in given.items() if path is not None})


def _avro(avro: AvroSettings, base: Path) -> AvroSettings:
    schemas = tuple(schema.model_copy(update={"file": base / schema.file}) for schema in avro.schemas)
    return avro.model_copy(update={"schemas": schemas})


def _models(models: ModelSettings, base: Path) -> ModelSettings:
    url = models.database_url.get_secret_value()
    if match := _SQLITE.fullmatch(url):
        scheme, name, rest = match.groups()
        url = f"{scheme}{base / name}{rest}"
    store = models.store
    if store.startswith("file:"):
        directory = store.removeprefix("file:")
        store = f"file:{base / (directory.removeprefix('//') if directory.startswith('///') else directory)}"
    return models.model_copy(update={"database_url": SecretUrl(url), "store": store})
