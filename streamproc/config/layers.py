"""Reads what was configured, and where: a YAML file, environment variables, `--set`.

Scalars stay text until their setting's type is known, so that a password 0123 or a topic 2024-01-01 is not taken for a number
or a date. What names no setting is a problem, never ignored.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from streamproc.config.known import LIBRDKAFKA, Known, Path, known_settings
from streamproc.config.problems import PREFIX, Problem, dotted, unknown_setting
from streamproc.errors import ConfigurationError

Plain = str | None | list["Plain"] | dict[str, "Plain"]

_NULL = "tag:yaml.org,2002:null"
_BOOL = "tag:yaml.org,2002:bool"
_TRUE = frozenset({"true", "yes", "on"})
_DEEPEST = 16

# What Kubernetes sets in every pod beside a Service whose name begins with "streamproc". A port's value is a URL there,
# which tells it from a misspelt STREAMPROC_HTTP__PORT.
_SERVICE_LINK = re.compile(r"STREAMPROC_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)")
_SERVICE_PORT = re.compile(r"STREAMPROC_(\w+_)?PORT")
_SERVICE_URL = re.compile(r"(tcp|udp|sctp)://")


@dataclass(frozen=True, slots=True)
class Given:
    """A value, and where it was given."""

    value: Plain
    origin: str
    inner: Mapping[tuple[int | str, ...], str] = field(default_factory=dict)
    """Where each value inside `value` was given, where that is known more closely."""


@dataclass(slots=True)
class Layer:
    """What one source gives: values by path, and what is wrong with it."""

    given: dict[Path, Given] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def put(self, path: Path, given: Given) -> None:
        """Take a value; the second one for the same path is a problem."""
        if path in self.given:
            first = self.given[path].origin
            self.problems.append(Problem(".".join(path), given.origin, f"given twice, first in {first}", "remove one of them"))
        else:
            self.given[path] = given


def file_layer(path: FilePath) -> Layer:
    """What a YAML file says.

    Raises:
        ConfigurationError: it can't be read or is not YAML.

    """
    layer = Layer()
    node = _composed(_text_of(path), str(path))
    if node is not None:
        _place(layer, (), node, _FileOrigin(str(path)))
    return layer


def environment_layer(environ: Mapping[str, str]) -> Layer:
    """What the variables that begin with `STREAMPROC_` say."""
    layer = Layer()
    for name in sorted(environ):
        if name.startswith(PREFIX) and not _is_service_link(name, environ[name]):
            path = _path_of_variable(name)
            _place_text(layer, path, environ[name], f"environment {name}")
    return layer


def override_layer(override: str) -> Layer:
    """What one `--set path=value` says."""
    layer = Layer()
    name, equals, text = override.partition("=")
    name = name.strip()
    if not equals or not name:
        layer.problems.append(Problem("", "--set", "expected SETTING=VALUE", "for example --set kafka.group_id=blue"))
        return layer
    _place_text(layer, _joined_librdkafka(tuple(name.split("."))), text, "--set")
    return layer


class _FileOrigin:
    """Names lines of a file."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, node: Node) -> str:
        return f"{self._name}:{node.start_mark.line + 1}"


class _OneOrigin:
    """Names the variable or option that everything inside came from."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, node: Node) -> str:
        del node
        return self._name


Origins = _FileOrigin | _OneOrigin


def _text_of(path: FilePath) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise ConfigurationError(f"{path}: no such configuration file; name an existing one with -c FILE") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: the configuration file is not UTF-8 text; save it as UTF-8") from error
    except OSError as error:
        raise ConfigurationError(
            f"{path}: the configuration file can't be read ({error.strerror}); name a readable file with -c FILE"
        ) from error


def _composed(text: str, name: str) -> Node | None:
    """The YAML document of `text`; None where it is empty. The parser's own message is not passed on: it quotes the text."""
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        raise ConfigurationError(f"{where}: not valid YAML; check indentation, colons and quotes there") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigurationError(f"{name}: not valid YAML; it must be one document of printable text") from error


def _place(layer: Layer, path: Path, node: Node, origins: Origins) -> None:
    """Take `node` as the value of the setting or section at `path`."""
    known = known_settings().get(path)
    if path[:2] in LIBRDKAFKA:
        _place_librdkafka(layer, _joined_librdkafka(path), node, origins)
    elif path and known is None:
        layer.problems.append(unknown_setting(path, origins(node)))
    elif known is None or known.section is not None:
        _place_section(layer, path, node, origins)
    else:
        layer.put(path, _given(known, node, origins))


def _place_section(layer: Layer, path: Path, node: Node, origins: Origins) -> None:
    if isinstance(node, MappingNode):
        for key, value in _pairs(layer, path, node, origins):
            _place(layer, path + key, value, origins)
    elif node.tag != _NULL:
        layer.problems.append(
            Problem(".".join(path), origins(node), "expected a mapping of settings", "indent its settings below it")
        )
    elif path and known_settings()[path].nullable:
        layer.put(path, Given(None, origins(node)))


def _place_librdkafka(layer: Layer, path: Path, node: Node, origins: Origins) -> None:
    """Nested or dotted, the names below become one."""
    if isinstance(node, MappingNode):
        for key, value in _pairs(layer, path, node, origins):
            _place_librdkafka(layer, _joined_librdkafka(path + key), value, origins)
    elif len(path) > len(("kafka", "client")) and isinstance(node, ScalarNode) and node.tag != _NULL:
        layer.put(path, Given(_librdkafka_text(node), origins(node)))
    elif len(path) > len(("kafka", "client")) or node.tag != _NULL:
        layer.problems.append(
            Problem(".".join(path), origins(node), "expected librdkafka settings, each with one value", "give NAME: VALUE")
        )


def _librdkafka_text(node: ScalarNode) -> str:
    # librdkafka takes "true" but not YAML's "yes".
    return str(node.value.lower() in _TRUE).lower() if node.tag == _BOOL else str(node.value)


def _joined_librdkafka(path: Path) -> Path:
    return (*path[:2], ".".join(path[2:])) if path[:2] in LIBRDKAFKA and len(path) > len(("kafka", "client")) else path


def _pairs(layer: Layer, path: Path, node: MappingNode, origins: Origins) -> Iterator[tuple[Path, Node]]:
    """The keys of a mapping, split at their dots, with their values; a key that stands there twice is a problem."""
    seen: dict[str, str] = {}
    for key, value in node.value:
        name = str(key.value) if isinstance(key, ScalarNode) else ""
        if not name or not all(name.split(".")):
            layer.problems.append(Problem(".".join(path), origins(key), "expected a setting's name as key", "correct the key"))
        elif name in seen:
            layer.problems.append(
                Problem(".".join((*path, name)), origins(key), f"given twice, first in {seen[name]}", "remove one of them")
            )
        else:
            seen[name] = origins(key)
            yield tuple(name.split(".")), value


def _given(known: Known, node: Node, origins: Origins) -> Given:
    inner: dict[tuple[int | str, ...], str] = {}
    value = _plain(node, (), inner, origins)
    if known.listed and isinstance(value, str):
        value = _comma_list(value)
    return Given(value, origins(node), inner)


def _plain(node: Node, at: tuple[int | str, ...], inner: dict[tuple[int | str, ...], str], origins: Origins) -> Plain:
    inner[at] = origins(node)
    if len(at) > _DEEPEST:
        raise ConfigurationError(f"{origins(node)}: nested too deeply for any setting; remove the nesting")
    if isinstance(node, SequenceNode):
        return [_plain(item, (*at, index), inner, origins) for index, item in enumerate(node.value)]
    if isinstance(node, MappingNode):
        return {str(key.value): _plain(value, (*at, str(key.value)), inner, origins) for key, value in node.value}
    return None if node.tag == _NULL else str(node.value)


def _place_text(layer: Layer, path: Path, text: str, origin: str) -> None:
    """Take the text of a variable or a `--set` as the value of the setting or section at `path`."""
    known = known_settings().get(path)
    if path[:2] in LIBRDKAFKA and known is None:
        layer.put(path, Given(text, origin))
    elif known is None:
        layer.problems.append(unknown_setting(path, origin))
    elif known.section is not None or known.mapped or (known.listed and text.lstrip().startswith("[")):
        _place_structure(layer, path, text, origin)
    elif known.listed:
        layer.put(path, Given(_comma_list(text), origin))
    else:
        layer.put(path, Given(None if known.nullable and text in {"", "null", "~"} else text, origin))


def _place_structure(layer: Layer, path: Path, text: str, origin: str) -> None:
    try:
        node = _composed(text, origin)
    except ConfigurationError:
        layer.problems.append(Problem(dotted(path), origin, "not valid YAML or JSON", "give it as {name: value} or [a, b]"))
        return
    if node is not None:
        _place(layer, path, node, _OneOrigin(origin))


def _comma_list(text: str) -> Plain:
    return [item.strip() for item in text.split(",")] if text.strip() else []


def _path_of_variable(name: str) -> Path:
    path = tuple(name.removeprefix(PREFIX).lower().split("__"))
    if path[:2] in LIBRDKAFKA and len(path) > len(("kafka", "client")):
        return (*path[:2], "_".join(path[2:]).replace("_", "."))
    return path


def _is_service_link(name: str, value: str) -> bool:
    if "__" in name:
        return False
    return bool(_SERVICE_LINK.fullmatch(name) or (_SERVICE_PORT.fullmatch(name) and _SERVICE_URL.match(value)))
