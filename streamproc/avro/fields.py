"""What stands at a dotted path of a schema, whichever branches of unions a record takes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from streamproc import captures
from streamproc.avro.types import (
    ArrayType,
    AvroSchema,
    AvroType,
    EnumType,
    FixedType,
    Primitive,
    RecordType,
    UnionType,
    branch_name,
)

_UUID_BYTES: Final = 16
_PRIMITIVE_KINDS: Final = {
    "null": captures.NULL,
    "boolean": captures.IS_BOOLEAN,
    "int": captures.IS_INTEGER,
    "long": captures.IS_INTEGER,
    "float": captures.IS_FLOAT,
    "double": captures.IS_DOUBLE,
    "string": captures.IS_STRING,
    "bytes": captures.IS_OTHER,
}
_ELEMENT_KINDS: Final = frozenset({captures.NULL, captures.IS_INTEGER, captures.IS_FLOAT, captures.IS_DOUBLE})


@dataclass(frozen=True, slots=True)
class FieldTypes:
    """Every type that a path may lead to."""

    types: tuple[AvroType, ...]
    """Neither unions, references nor null; empty where the schema has no such field."""
    optional: bool
    """Some record may be null or absent there."""

    @property
    def kinds(self) -> frozenset[int]:
        """The kinds (see `captures`) that a capture may find, null left out; arrays of different numbers are no features."""
        kinds = frozenset(kind_of(avro_type) for avro_type in self.types)
        elements = {element_kinds(avro_type) for avro_type in self.types if isinstance(avro_type, ArrayType)} - {None}
        return kinds if len(elements) <= 1 else kinds - {captures.IS_ARRAY} | {captures.IS_OTHER}

    @property
    def described(self) -> str:
        """The types' names, for messages."""
        names = sorted({branch_name(avro_type) for avro_type in self.types} | ({"null"} if self.optional else set()))
        return " or ".join(names)


def kind_of(avro_type: AvroType) -> int:
    """The kind that a capture of this type has; the type is neither a union nor a reference."""
    if isinstance(avro_type, Primitive):
        return _PRIMITIVE_KINDS[avro_type.type]
    if isinstance(avro_type, EnumType):
        return captures.IS_ENUM
    if isinstance(avro_type, ArrayType) and element_kinds(avro_type) is not None:
        return captures.IS_ARRAY
    if isinstance(avro_type, FixedType) and avro_type.logical == "uuid" and avro_type.size == _UUID_BYTES:
        return captures.IS_UUID
    return captures.IS_OTHER


class Elements(NamedTuple):
    """What the elements of an array of numbers may be."""

    union: bool
    kinds: tuple[int, ...]
    """By union branch; one kind where they are no union."""


def element_kinds(array: ArrayType) -> Elements | None:
    """What the array's elements are; None unless numbers, or numbers and null."""
    branches = array.items.branches if isinstance(array.items, UnionType) else (array.items,)
    kinds = tuple(_PRIMITIVE_KINDS[branch.type] if isinstance(branch, Primitive) else captures.IS_OTHER for branch in branches)
    if not _ELEMENT_KINDS.issuperset(kinds) or not set(kinds) - {captures.NULL}:
        return None
    return Elements(isinstance(array.items, UnionType), kinds)


def field_types(schema: AvroSchema, path: str) -> FieldTypes:
    """What `path` leads to, through records and unions with records."""
    found, optional = _alternatives(schema, [schema.root])
    for name in path.split("."):
        below = [_field_type(avro_type, name) for avro_type in found]
        present = [avro_type for avro_type in below if avro_type is not None]
        optional = optional or len(present) < len(below)
        found, nullable = _alternatives(schema, present)
        optional = optional or nullable
    return FieldTypes(tuple(found), optional)


def _field_type(avro_type: AvroType, name: str) -> AvroType | None:
    if not isinstance(avro_type, RecordType):
        return None
    return next((field.type for field in avro_type.fields if field.name == name), None)


def _alternatives(schema: AvroSchema, types: Iterable[AvroType]) -> tuple[list[AvroType], bool]:
    """The types with unions and references resolved and null taken out, each once; and whether there was null."""
    found: dict[AvroType, None] = {}
    nullable = False
    for avro_type in types:
        resolved = schema.resolve(avro_type)
        for branch in resolved.branches if isinstance(resolved, UnionType) else (resolved,):
            if isinstance(branch, Primitive) and branch.type == "null":
                nullable = True
            else:
                found[schema.resolve(branch)] = None
    return list(found), nullable


_DIVISORS: Final = {None: 1, "millis": 1, "micros": 1_000, "nanos": 1_000_000}


def time_divisor(types: FieldTypes) -> int | None:
    """What turns the longs there into milliseconds since the epoch; None where the field holds no such time.

    A plain long counts as milliseconds.
    """
    divisors = set()
    for avro_type in types.types:
        if not isinstance(avro_type, Primitive) or avro_type.type != "long" or avro_type.logical == "time-micros":
            return None
        divisors.add(_DIVISORS[avro_type.logical.rpartition("-")[2] if avro_type.logical else None])
    return divisors.pop() if len(divisors) == 1 else None
