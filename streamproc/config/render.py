"""Shows settings: the effective ones with their origins, their JSON Schema, and the README's table. Secrets are masked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin
from uuid import UUID

import yaml
from pydantic import BaseModel, SecretStr

from streamproc.config.fields import MASK, SecretUrl, is_secret_name
from streamproc.config.known import LIBRDKAFKA, Known, known_settings, leaves
from streamproc.config.known import Path as SettingPath
from streamproc.config.load import LoadedSettings
from streamproc.config.settings import Settings

Shown = str | int | float | bool | list["Shown"] | dict[str, "Shown"] | None


def shown_settings(settings: Settings) -> dict[str, Shown]:
    """The settings as plain nested values, ready for JSON or YAML."""
    shown = _shown((), settings)
    assert isinstance(shown, dict)  # noqa: S101 - a section becomes a dict
    return shown


def settings_yaml(loaded: LoadedSettings) -> str:
    """The settings as YAML; the comment behind each says where it came from."""
    return "\n".join(_yaml_lines((), shown_settings(loaded.settings), loaded.origins)) + "\n"


def settings_schema() -> dict[str, Any]:  # Any: a JSON Schema is free-form
    """The JSON Schema of the configuration file, for editors and pipelines."""
    schema = Settings.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "streamproc configuration"}


def settings_table() -> str:
    """The README's table of settings, in Markdown."""
    rows = [_row(known) for known in leaves() if not _is_inside_optional(known.path)]
    return "\n".join(["| setting | default | meaning |", "|---|---|---|", *rows]) + "\n"


def _shown(path: SettingPath, value: object) -> Shown:
    if isinstance(value, BaseModel):
        return {name: _shown((*path, name), getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, (SecretStr, SecretUrl)):
        return MASK if isinstance(value, SecretStr) else str(value)
    if isinstance(value, Mapping):
        return {name: MASK if is_secret_name(name) else str(item) for name, item in value.items()}
    if isinstance(value, tuple):
        return [_without_null(_shown(path, item)) for item in value]
    if isinstance(value, (Path, UUID)):
        return str(value)
    if value is None or isinstance(value, (str, int, float)):
        return value
    raise TypeError(f"{'.'.join(path)}: no way to show a {type(value).__name__}")


def _without_null(value: Shown) -> Shown:
    """An entry of a list without what it leaves out."""
    return {name: item for name, item in value.items() if item is not None} if isinstance(value, dict) else value


def _yaml_lines(path: SettingPath, section: Mapping[str, Shown], origins: Mapping[str, str]) -> Iterator[str]:
    indent = "  " * len(path)
    for name, value in section.items():
        inner = (*path, name)
        if isinstance(value, dict) and value and inner not in LIBRDKAFKA:
            yield f"{indent}{name}:"
            yield from _yaml_lines(inner, value, origins)
        else:
            yield f"{indent}{name}: {_scalar(value)}  # {_origin(inner, origins)}"


def _origin(path: SettingPath, origins: Mapping[str, str]) -> str:
    return origins.get(".".join(path)) or "default"


def _scalar(value: Shown) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=float("inf"), sort_keys=False, allow_unicode=True)
    return text.removesuffix("...\n").strip()


def _row(known: Known) -> str:
    default = _scalar(_shown(known.path, known.field.get_default()))
    meaning = (known.field.description or "").replace("|", "\\|")
    choices = _choices(known.field.annotation)
    if choices and not all(f"`{choice}`" in meaning for choice in choices):
        meaning = f"{meaning} One of {', '.join(f'`{choice}`' for choice in choices)}."
    return f"| `{'.'.join(known.path)}` | `{default}` | {meaning} |"


def _choices(annotation: object) -> tuple[str, ...]:
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    return next((found for inner in get_args(annotation) if (found := _choices(inner))), ())


def _is_inside_optional(path: SettingPath) -> bool:
    return path[:-1] in {known.path for known in known_settings().values() if known.section and known.nullable}
