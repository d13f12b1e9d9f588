"""What can be wrong with a configuration, and how it is told: setting, origin, expected, found, remedy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import SecretStr
from pydantic_core import ErrorDetails

from streamproc.config.fields import SecretUrl, is_secret_name, masked_url
from streamproc.config.known import LIBRDKAFKA, Path, known_settings, nearest, nearest_of_schema
from streamproc.errors import ConfigurationError

PREFIX = "STREAMPROC_"
"""What the names of environment variables begin with."""

_LONGEST_FOUND = 60

_EXPECTED = {
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_parsing_size": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "text",
    "string_too_short": "at least one character",
    "too_short": "at least one entry",
    "tuple_type": "a list",
    "model_type": "a mapping of settings",
    "model_attributes_type": "a mapping of settings",
    "uuid_parsing": "a GUID such as 9c1d7a30-5f6e-4f3c-8f6b-0a3d1f2c4b5a",
    "uuid_type": "a GUID such as 9c1d7a30-5f6e-4f3c-8f6b-0a3d1f2c4b5a",
    "path_type": "a path",
    "missing": "a value",
    "greater_than": "a number above {gt:g}",
    "greater_than_equal": "a number of at least {ge:g}",
    "less_than": "a number below {lt:g}",
    "less_than_equal": "a number of at most {le:g}",
    "literal_error": "{expected}",
    "value_error": "{error}",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, and what to do about it. Quotes no secret."""

    setting: str
    origin: str
    message: str
    remedy: str

    def __str__(self) -> str:
        where = f"{self.setting} ({self.origin})" if self.setting else self.origin
        return f"{where}: {self.message}; {self.remedy}"


class InvalidSettingsError(ConfigurationError):
    """The configuration can't work; carries everything that is wrong with it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        lines = [str(problem) for problem in self.problems]
        head = [] if len(lines) == 1 else [f"{len(lines)} problems in the configuration:"]
        super().__init__("\n".join([*head, *lines]))


def unknown_setting(path: Path, origin: str) -> Problem:
    """No setting has this path."""
    match = nearest(path)
    if match and origin.startswith("environment "):
        match = f"{match} ({PREFIX}{match.upper().replace('.', '__')})"
    remedy = f"did you mean {match}?" if match else "`streamproc config schema` lists what there is"
    return Problem(".".join(path), origin, "no such setting", remedy)


def wrong_value(error: ErrorDetails, origin: str) -> Problem:
    """A value that its declaration refuses; `error` is pydantic's account of it."""
    location = error["loc"]
    setting = dotted(location)
    if error["type"] == "extra_forbidden":
        match = nearest_of_schema(str(location[-1]))
        remedy = (
            f"did you mean {dotted((*location[:-1], match))}?" if match else "it has id, guid, file, output_id, output_guid"
        )
        return Problem(setting, origin, "no such setting", remedy)
    expected = _expected(error)
    found = "nothing" if error["type"] == "missing" else shown(location, error["input"])
    return Problem(setting, origin, f"expected {expected}, found {found}", _remedy(error))


def dotted(location: Sequence[int | str]) -> str:
    """A path into the settings as it is written: `avro.schemas[0].file`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return text.removeprefix(".")


def shown(location: Sequence[int | str], value: object) -> str:
    """`value` as a message may quote it: shortened, and nothing of a secret."""
    if value is None:
        return "null"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list" if value else "an empty list"
    if _is_secret(location):
        return "a value that isn't shown"
    text = masked_url(str(value))
    return repr(text if len(text) <= _LONGEST_FOUND else text[: _LONGEST_FOUND - 1] + "…")


def _is_secret(location: Sequence[int | str]) -> bool:
    path = tuple(part for part in location if isinstance(part, str))
    if path[:2] in LIBRDKAFKA:
        return is_secret_name(path[-1])
    known = known_settings().get(path)
    if known is None:
        return False
    types = (known.field.annotation, *get_args(known.field.annotation))
    return SecretStr in types or SecretUrl in types or any(_is_secret_type(kind) for kind in types)


def _is_secret_type(kind: object) -> bool:
    return any(argument in {SecretStr, SecretUrl} for argument in get_args(kind) if isinstance(argument, type))


def _expected(error: ErrorDetails) -> str:
    context: dict[str, Any] = error.get("ctx", {})  # Any: pydantic's context differs from error to error
    return _EXPECTED.get(error["type"], "another kind of value").format_map(context)


def _remedy(error: ErrorDetails) -> str:
    path = tuple(part for part in error["loc"] if isinstance(part, str))
    known = known_settings().get(path)
    if error["type"] == "literal_error" and isinstance(error["input"], str):
        choices = error.get("ctx", {}).get("expected", "").replace(" or ", ", ").replace("'", "").split(", ")
        if match := get_close_matches(error["input"], choices, n=1):
            return f"did you mean {match[0]}?"
    if error["type"] == "missing":
        return "give it"
    if known is None or known.field.is_required():
        return "correct it"
    default = known.field.get_default()
    if default is None:
        return "correct it or leave it out"
    return f"correct it or leave it out; the default is {_default_text(default)}"


def _default_text(default: object) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, tuple):
        return "[" + ", ".join(map(str, default)) + "]" if all(isinstance(item, str) for item in default) else "the shipped one"
    return str(default)
