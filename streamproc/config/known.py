"""Which settings there are, by dotted path, and which one a wrong name probably meant."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from types import NoneType
from typing import get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from streamproc.config.settings import SchemaSettings, Section, Settings

Path = tuple[str, ...]

LIBRDKAFKA: frozenset[Path] = frozenset({("kafka", "client"), ("kafka", "consumer"), ("kafka", "producer")})
"""Below these the rest of a path is a librdkafka setting's name."""


@dataclass(frozen=True, slots=True)
class Known:
    """One declared setting, or one section of settings."""

    path: Path
    field: FieldInfo
    section: type[Section] | None
    """The section's class; None for a setting."""

    @property
    def nullable(self) -> bool:
        """Whether null is one of its values."""
        return NoneType in get_args(self.field.annotation)

    @property
    def listed(self) -> bool:
        """Whether its value is a list."""
        return get_origin(self.field.annotation) is tuple

    @property
    def mapped(self) -> bool:
        """Whether its value is a mapping of librdkafka settings."""
        return self.path in LIBRDKAFKA


@cache
def known_settings() -> dict[Path, Known]:
    """Every setting and section by path, in the order of their declaration."""
    return {known.path: known for known in _declared((), Settings)}


def _declared(prefix: Path, section: type[BaseModel]) -> Iterator[Known]:
    for name, field in section.model_fields.items():
        inner = _section_of(field)
        yield Known((*prefix, name), field, inner)
        if inner is not None:
            yield from _declared((*prefix, name), inner)


def _section_of(field: FieldInfo) -> type[Section] | None:
    for candidate in (field.annotation, *get_args(field.annotation)):
        if isinstance(candidate, type) and issubclass(candidate, Section) and get_origin(field.annotation) is not tuple:
            return candidate
    return None


def leaves() -> Iterator[Known]:
    """Every setting that has a value of its own."""
    return (known for known in known_settings().values() if known.section is None)


def nearest(path: Path) -> str | None:
    """The dotted path of the setting that a wrong `path` probably meant."""
    known = known_settings()
    whole = {"_".join(candidate): candidate for candidate in known}
    siblings = {candidate[-1]: candidate for candidate in known if candidate[:-1] == path[:-1]}
    anywhere = {candidate[-1]: candidate for candidate in reversed(known)}
    # A path with one underscore for two or for a dot, a misspelt name in the right section, then in any other.
    for name, candidates, cutoff in (
        ("_".join(path), whole, 0.85),
        (path[-1], siblings, 0.6),
        ("_".join(path), whole, 0.7),
        (path[-1], anywhere, 0.75),
    ):
        if match := get_close_matches(name, candidates, n=1, cutoff=cutoff):
            return ".".join(candidates[match[0]])
    return None


def nearest_of_schema(name: str) -> str | None:
    """The key of an entry of `avro.schemas` that `name` probably meant."""
    match = get_close_matches(name, SchemaSettings.model_fields, n=1)
    return match[0] if match else None
