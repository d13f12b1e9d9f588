"""An Avro schema as a tree of types: parsed strictly, names resolved, nothing kept that decoding does not need.

Stricter than the Avro libraries where they accept what no record can follow (duplicate fields, a fixed of negative size), and
no stricter where they differ among themselves (characters in names, defaults of the wrong type).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from streamproc.errors import StreamprocError

JsonValue: TypeAlias = Any  # what a JSON value is, is what the readers of schemas find out
MAX_SCHEMA_DEPTH: Final = 100
"""How deep types may stand inside each other in a schema's text."""

PRIMITIVES: Final = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})

_LOGICAL: Final[Mapping[str, frozenset[str]]] = {
    "int": frozenset({"date", "time-millis"}),
    "long": frozenset(
        {"time-micros"} | {f"{zone}timestamp-{unit}" for zone in ("", "local-") for unit in ("millis", "micros", "nanos")}
    ),
    "string": frozenset({"uuid"}),
    "bytes": frozenset({"decimal"}),
    "fixed": frozenset({"decimal", "uuid"}),
}


class SchemaError(StreamprocError):
    """A text is no Avro schema that can be used; the message says where and why."""


class _NoDefault:
    """The type of `NO_DEFAULT`, which differs from a default of null."""


NO_DEFAULT: Final = _NoDefault()


@dataclass(frozen=True, slots=True)
class Primitive:
    """One of the eight primitive types."""

    type: str
    logical: str | None = None
    scale: int = 0
    """Digits after the point of a decimal."""


@dataclass(frozen=True, slots=True)
class EnumType:
    """An enum under its full name."""

    name: str
    symbols: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FixedType:
    """A fixed under its full name."""

    name: str
    size: int
    logical: str | None = None
    scale: int = 0


@dataclass(frozen=True, slots=True)
class ArrayType:
    """An array."""

    items: AvroType


@dataclass(frozen=True, slots=True)
class MapType:
    """A map; its keys are strings."""

    values: AvroType


@dataclass(frozen=True, slots=True)
class UnionType:
    """A union, its branches in the order of their indexes."""

    branches: tuple[AvroType, ...]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a record."""

    name: str
    type: AvroType
    default: JsonValue = NO_DEFAULT


@dataclass(frozen=True, slots=True, eq=False)
class RecordType:
    """A record under its full name."""

    name: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class NamedReference:
    """A named type at a place other than its definition."""

    name: str


NamedType = RecordType | EnumType | FixedType
AvroType = Primitive | EnumType | FixedType | ArrayType | MapType | UnionType | RecordType | NamedReference


@dataclass(frozen=True, slots=True, eq=False)
class AvroSchema:
    """A parsed schema. Equal only to itself: sources keep one object a schema."""

    root: AvroType
    named: Mapping[str, NamedType]
    """Full name → definition."""
    text: str
    """The whole schema as compact JSON, with attributes that decoding ignores."""

    def resolve(self, avro_type: AvroType) -> AvroType:
        """The definition behind a reference; any other type as it is."""
        return self.named[avro_type.name] if isinstance(avro_type, NamedReference) else avro_type

    @property
    def canonical_form(self) -> str:
        """The Parsing Canonical Form of the Avro specification."""
        return json.dumps(as_json(self.root, logical=False), separators=(",", ":"), ensure_ascii=False)

    @property
    def fingerprint(self) -> bytes:
        """CRC-64-AVRO of the canonical form, 8 bytes little-endian as in the single-object encoding."""
        return crc_64_avro(self.canonical_form.encode()).to_bytes(8, "little")


def parse_schema(text: str) -> AvroSchema:
    """The schema that `text` (JSON) describes.

    Raises:
        SchemaError: it is not JSON, or describes no valid Avro schema.

    """
    try:
        definition = json.loads(text)
    except ValueError as error:
        where = f" at line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        raise SchemaError(f"is not JSON{where}") from error
    except RecursionError as error:
        raise SchemaError(f"nests deeper than {MAX_SCHEMA_DEPTH} levels") from error
    return schema_of(definition)


def schema_of(definition: JsonValue) -> AvroSchema:
    """The schema that a JSON value describes; raises `SchemaError` as `parse_schema` does."""
    parser = _Parser()
    root = parser.parse(definition, "", 0)
    return AvroSchema(root, parser.named, json.dumps(definition, separators=(",", ":"), ensure_ascii=False))


def full_name(definition: Mapping[str, Any], namespace: str) -> str:
    """The full name that a definition inside `namespace` gives its type; a leading dot never stands in it."""
    name = definition.get("name")
    if not isinstance(name, str) or not name.strip("."):
        raise SchemaError(f"a {definition.get('type')} has no name")
    if "." in name:
        return name.lstrip(".")
    inside = definition.get("namespace", namespace) or ""
    return f"{inside}.{name}" if inside else name


def namespace_of(name: str) -> str:
    """What stands before the last dot of a full name; empty where there is none."""
    return name.rpartition(".")[0]


class _Parser:
    """Walks a definition once, in the order of the text, because a name may be used only after its definition."""

    def __init__(self) -> None:
        self.named: dict[str, NamedType] = {}
        self._open: set[str] = set()

    def parse(self, node: JsonValue, namespace: str, depth: int) -> AvroType:
        if depth > MAX_SCHEMA_DEPTH:
            raise SchemaError(f"nests deeper than {MAX_SCHEMA_DEPTH} levels")
        if isinstance(node, str):
            return self._named_or_primitive(node, namespace)
        if isinstance(node, list):
            return self._union(node, namespace, depth)
        if isinstance(node, dict) and isinstance(node.get("type"), str):
            return self._complex(node, namespace, depth)
        raise SchemaError(f'a type must be a name, a list or an object with a "type", not {type(node).__name__}')

    def _named_or_primitive(self, name: str, namespace: str) -> AvroType:
        if name in PRIMITIVES:
            return Primitive(name)
        full = name if "." in name or not namespace else f"{namespace}.{name}"
        for candidate in (full, name):
            if candidate in self.named or candidate in self._open:
                return NamedReference(candidate)
        raise SchemaError(f"the type {name!r} is not defined before it is used")

    def _union(self, node: list[JsonValue], namespace: str, depth: int) -> UnionType:
        branches = tuple(self.parse(branch, namespace, depth + 1) for branch in node)
        if any(isinstance(branch, UnionType) for branch in branches):
            raise SchemaError("a union stands directly inside a union")
        labels = [branch_name(branch) for branch in branches]
        if len(set(labels)) < len(labels):
            raise SchemaError(f"a union has two branches of one type: {', '.join(labels)}")
        return UnionType(branches)

    def _complex(self, node: dict[str, JsonValue], namespace: str, depth: int) -> AvroType:
        kind = node["type"]
        if kind in PRIMITIVES:
            return Primitive(kind, *_logical_of(kind, node))
        parsers: dict[str, Callable[[dict[str, JsonValue], str, int], AvroType]] = {
            "record": self._record,
            "error": self._record,
            "enum": self._enum,
            "fixed": self._fixed,
            "array": self._array,
            "map": self._map,
        }
        if kind not in parsers:
            return self._named_or_primitive(kind, namespace)
        return parsers[kind](node, namespace, depth)

    def _array(self, node: dict[str, JsonValue], namespace: str, depth: int) -> ArrayType:
        return ArrayType(self.parse(_required(node, "items"), namespace, depth + 1))

    def _map(self, node: dict[str, JsonValue], namespace: str, depth: int) -> MapType:
        return MapType(self.parse(_required(node, "values"), namespace, depth + 1))

    def _record(self, node: dict[str, JsonValue], namespace: str, depth: int) -> RecordType:
        name = self._new_name(node, namespace)
        self._open.add(name)
        described = _required(node, "fields")
        if not isinstance(described, list) or not all(isinstance(field, dict) for field in described):
            raise SchemaError(f"the fields of {name} are no list of objects")
        fields = tuple(self._field(field, name, depth) for field in described)
        names = [field.name for field in fields]
        if len(set(names)) < len(names):
            raise SchemaError(f"{name} has two fields of one name")
        self._open.discard(name)
        record = RecordType(name, fields)
        self.named[name] = record
        return record

    def _field(self, node: dict[str, JsonValue], record: str, depth: int) -> Field:
        name = node.get("name")
        if not isinstance(name, str) or not name:
            raise SchemaError(f"a field of {record} has no name")
        if "type" not in node:
            raise SchemaError(f"the field {name!r} of {record} has no type")
        return Field(name, self.parse(node["type"], namespace_of(record), depth + 1), node.get("default", NO_DEFAULT))

    def _enum(self, node: dict[str, JsonValue], namespace: str, depth: int) -> EnumType:
        del depth
        name = self._new_name(node, namespace)
        symbols = _required(node, "symbols")
        if not isinstance(symbols, list) or not all(isinstance(symbol, str) for symbol in symbols):
            raise SchemaError(f"the symbols of {name} are no list of names")
        if len(set(symbols)) < len(symbols):
            raise SchemaError(f"{name} has a symbol twice")
        enum = EnumType(name, tuple(symbols))
        self.named[name] = enum
        return enum

    def _fixed(self, node: dict[str, JsonValue], namespace: str, depth: int) -> FixedType:
        del depth
        name = self._new_name(node, namespace)
        size = _required(node, "size")
        if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < 1 << 31:
            raise SchemaError(f"the size of {name} is no number from 0 to 2147483647")
        fixed = FixedType(name, size, *_logical_of("fixed", node))
        self.named[name] = fixed
        return fixed

    def _new_name(self, node: dict[str, JsonValue], namespace: str) -> str:
        name = full_name(node, namespace)
        if name in self.named or name in self._open:
            raise SchemaError(f"{name} is defined twice")
        if name in PRIMITIVES:
            raise SchemaError(f"{name} is the name of a primitive type")
        return name


def _required(node: dict[str, JsonValue], attribute: str) -> JsonValue:
    if attribute not in node:
        raise SchemaError(f"a type {node['type']!r} lacks {attribute!r}")
    return node[attribute]


def _logical_of(base: str, node: dict[str, JsonValue]) -> tuple[str | None, int]:
    """The logical type, None where it is unknown or stands on another base: readers ignore those."""
    logical = node.get("logicalType")
    if not isinstance(logical, str) or logical not in _LOGICAL.get(base, ()):
        return None, 0
    scale = node.get("scale", 0)
    return logical, scale if isinstance(scale, int) and not isinstance(scale, bool) and scale >= 0 else 0


def branch_name(avro_type: AvroType) -> str:
    """What names this type in a union: its full name, or the name of its kind."""
    if isinstance(avro_type, Primitive):
        return avro_type.type
    if isinstance(avro_type, ArrayType):
        return "array"
    if isinstance(avro_type, MapType):
        return "map"
    if isinstance(avro_type, UnionType):
        return "union"
    return avro_type.name


def as_json(avro_type: AvroType, *, logical: bool) -> JsonValue:
    """The type with full names and only what decoding needs; `logical`: with logical types, else in canonical form."""
    if isinstance(avro_type, NamedReference):
        return avro_type.name
    if isinstance(avro_type, UnionType):
        return [as_json(branch, logical=logical) for branch in avro_type.branches]
    if isinstance(avro_type, ArrayType):
        return {"type": "array", "items": as_json(avro_type.items, logical=logical)}
    if isinstance(avro_type, MapType):
        return {"type": "map", "values": as_json(avro_type.values, logical=logical)}
    return _defined_as_json(avro_type, logical=logical)


def _defined_as_json(avro_type: Primitive | EnumType | FixedType | RecordType, *, logical: bool) -> JsonValue:
    if isinstance(avro_type, RecordType):
        fields = [{"name": field.name, "type": as_json(field.type, logical=logical)} for field in avro_type.fields]
        return {"name": avro_type.name, "type": "record", "fields": fields}
    if isinstance(avro_type, EnumType):
        return {"name": avro_type.name, "type": "enum", "symbols": list(avro_type.symbols)}
    return _leaf_as_json(avro_type, logical=logical)


def _leaf_as_json(leaf: Primitive | FixedType, *, logical: bool) -> JsonValue:
    annotation: dict[str, JsonValue] = {"logicalType": leaf.logical} if logical and leaf.logical else {}
    if leaf.logical == "decimal" and annotation:
        annotation |= {"precision": max(leaf.scale, 1) + 1000, "scale": leaf.scale}
    if isinstance(leaf, FixedType):
        return {"name": leaf.name, "type": "fixed", "size": leaf.size, **annotation}
    return {"type": leaf.type, **annotation} if annotation else leaf.type


_CRC_EMPTY: Final = 0xC15D213AA4D7A795


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (_CRC_EMPTY if value & 1 else 0)
        table.append(value)
    return tuple(table)


_CRC_TABLE: Final = _crc_table()


def crc_64_avro(text: bytes) -> int:
    """The 64-bit Rabin fingerprint of the Avro specification."""
    value = _CRC_EMPTY
    for byte in text:
        value = (value >> 8) ^ _CRC_TABLE[(value ^ byte) & 0xFF]
    return value
