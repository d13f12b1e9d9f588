"""From file, environment and `--set` to settings; everything that is wrong is reported at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from streamproc.config.known import Path as SettingPath
from streamproc.config.known import known_settings
from streamproc.config.layers import Given, Layer, environment_layer, file_layer, override_layer
from streamproc.config.paths import resolved
from streamproc.config.problems import InvalidSettingsError, Problem, dotted, wrong_value
from streamproc.config.rules import breaches
from streamproc.config.settings import Settings

DEFAULT_FILE = Path("streamproc.yaml")
DEFAULT_ORIGIN = "default"

Tree = dict[str, object]


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """Settings, and where each value came from."""

    settings: Settings
    origins: Mapping[str, str]
    """Dotted path → `default`, `FILE:LINE`, `environment VARIABLE` or `--set`; has every setting."""
    file: Path | None = None
    """The configuration file that was read."""


def load_settings(path: Path | None, overrides: Sequence[str], environ: Mapping[str, str]) -> LoadedSettings:
    """Read the configuration: the file, over it the environment, over that the overrides (`kafka.group_id=blue`).

    Without `path`, `streamproc.yaml` in the working directory is read if it is there. Paths in the result are absolute.

    Raises:
        ConfigurationError: anything can't work; the message names every problem with its setting, origin and remedy.

    """
    file = path if path is not None else DEFAULT_FILE if DEFAULT_FILE.exists() else None
    layers = [*([file_layer(file)] if file else []), environment_layer(environ), *map(override_layer, overrides)]
    given = _merged(layers)
    _drop_default_schemas(given)
    problems = [problem for layer in layers for problem in layer.problems]
    settings, wrong = _validated(given)
    problems += wrong
    problems += _broken_rules(settings, given, {problem.setting for problem in problems})
    if problems:
        raise InvalidSettingsError(problems)
    return LoadedSettings(resolved(settings, file.parent if file else Path.cwd()), _origins(given), file)


def _merged(layers: Iterable[Layer]) -> dict[SettingPath, Given]:
    """The last value of each path. Null for a section takes away what is in it, and something in it takes away the null."""
    merged: dict[SettingPath, Given] = {}
    for layer in layers:
        for path, value in layer.given.items():
            for other in [other for other in merged if _is_inside(other, path) or _is_inside(path, other)]:
                del merged[other]
            merged[path] = value
    return merged


def _is_inside(path: SettingPath, section: SettingPath) -> bool:
    return len(path) > len(section) and path[: len(section)] == section


def _drop_default_schemas(given: dict[SettingPath, Given]) -> None:
    """A registry stands in for the shipped default of `avro.schemas`; for schemas that someone listed it does not."""
    registry = ("avro", "registry")
    has_registry = any(_is_inside(path, registry) for path in given)
    if has_registry and ("avro", "schemas") not in given:
        given["avro", "schemas"] = Given([], DEFAULT_ORIGIN)


def _validated(given: Mapping[SettingPath, Given]) -> tuple[Settings, list[Problem]]:
    """The settings, with defaults in place of wrong values, and what is wrong with those."""
    try:
        return Settings.model_validate(_tree(given)), []
    except ValidationError as error:
        details = _innermost(error.errors(include_url=False))
    wrong = {_path_in(detail["loc"], given) for detail in details}
    right = {path: value for path, value in given.items() if not any(path == w or _is_inside(path, w) for w in wrong)}
    return Settings.model_validate(_tree(right)), [wrong_value(detail, _origin_of(detail["loc"], given)) for detail in details]


def _innermost(details: Sequence[ErrorDetails]) -> list[ErrorDetails]:
    """Without those about a value of which a part is wrong: they say what follows from that."""
    places = [detail["loc"] for detail in details]
    return [
        detail
        for detail in details
        if not any(len(place) > len(detail["loc"]) and place[: len(detail["loc"])] == detail["loc"] for place in places)
    ]


def _tree(given: Mapping[SettingPath, Given]) -> Tree:
    tree: Tree = {}
    for path, value in given.items():
        branch = tree
        for name in path[:-1]:
            inner = branch.setdefault(name, {})
            assert isinstance(inner, dict)  # noqa: S101 - merging leaves nothing below a value
            branch = inner
        branch[path[-1]] = value.value
    return tree


def _path_in(location: Sequence[int | str], given: Mapping[SettingPath, Given]) -> SettingPath:
    """The given path that an error's location is at, or the section that lacks it."""
    path = tuple(part for part in location if isinstance(part, str))
    for length in range(len(path), 0, -1):
        if path[:length] in given:
            return path[:length]
    return path[:-1]


def _origin_of(location: Sequence[int | str], given: Mapping[SettingPath, Given]) -> str:
    path = _path_in(location, given)
    if path in given:
        value = given[path]
        inner = tuple(location[len(path) :])
        closest = (inner[:size] for size in range(len(inner), -1, -1))
        return next((value.inner[part] for part in closest if part in value.inner), value.origin)
    return next((value.origin for other, value in given.items() if _is_inside(other, path)), DEFAULT_ORIGIN)


def _broken_rules(settings: Settings, given: Mapping[SettingPath, Given], wrong: set[str]) -> list[Problem]:
    """Breaches between settings that are each right."""
    problems = []
    for breach in breaches(settings):
        if not any(_concerns(name, other) for name in breach.settings for other in wrong):
            origins = [_origin_of(_location(name), given) for name in breach.settings]
            origin = next((origin for origin in origins if origin != DEFAULT_ORIGIN), DEFAULT_ORIGIN)
            problems.append(Problem(breach.settings[0], origin, breach.message, breach.remedy))
    return problems


def _concerns(name: str, wrong: str) -> bool:
    return wrong == name or wrong.startswith((f"{name}.", f"{name}[")) or name.startswith((f"{wrong}.", f"{wrong}["))


def _location(name: str) -> tuple[int | str, ...]:
    parts = name.replace("[", ".").replace("]", "").split(".")
    return tuple(int(part) if part.isdecimal() else part for part in parts)


def _origins(given: Mapping[SettingPath, Given]) -> dict[str, str]:
    """The origin of every setting; an optional section that is absent, and librdkafka settings, have one together."""
    origins: dict[str, str] = {}
    for known in known_settings().values():
        inside = [value.origin for path, value in given.items() if path == known.path or _is_inside(path, known.path)]
        if known.section is None or (known.nullable and not inside):
            origins[dotted(known.path)] = ", ".join(dict.fromkeys(inside)) or DEFAULT_ORIGIN
    absent = tuple(f"{name}." for name in origins if known_settings()[tuple(name.split("."))].section)
    return {name: origin for name, origin in origins.items() if not name.startswith(absent)}
