"""What the rules say of a schema and of bytes, in plain Python: the oracle of the compiled decoder.

Shares nothing with it but the numbers of the faults. Strict where fastavro is not: lengths, counts, indexes, booleans, ints of
32 bits, depth, items, sizes of blocks, what follows the record.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from streamproc.avro import opcodes as op

Json = Any  # schemas are JSON values of any shape

PRIMITIVES: Final = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")
_MAX_DEPTH: Final = 64
_INT: Final = 1 << 31


@dataclass(slots=True, eq=False)
class Type:
    """A type; one object for a named type, wherever it stands."""

    kind: str
    name: str = ""
    logical: str | None = None
    size: int = 0
    symbols: tuple[str, ...] = ()
    inner: list[Type] = field(default_factory=list)
    """The items of an array, the values of a map, the branches of a union."""
    fields: dict[str, Type] = field(default_factory=dict)
    empty: bool = False
    """Its values take no bytes."""

    @property
    def alternatives(self) -> list[Type]:
        """The branches of a union; any other type alone."""
        return self.inner if self.kind == "union" else [self]


class Read(NamedTuple):
    """A value and the type that it was written with: never a union."""

    type: Type
    value: Any  # by the type: int, float, bytes, symbol, list of Read, list of (bytes, Read), dict of Read

    @property
    def plain(self) -> Json:
        """The value as fastavro reads it."""
        match self.type.kind:
            case "record":
                return {name: read.plain for name, read in self.value.items()}
            case "array":
                return [read.plain for read in self.value]
            case "map":
                return {key.decode(): read.plain for key, read in self.value}
            case "string":
                return self.value.decode()
        return self.value

    def at(self, path: str) -> Read | None:
        """What stands at the dotted path; None where this record has nothing there."""
        read: Read | None = self
        for name in path.split("."):
            if read is None or read.type.kind != "record":
                return None
            read = read.value.get(name)
        return read


class BadBytesError(Exception):
    """The bytes are no record of the schema; `fault` is which rule they break."""

    def __init__(self, fault: int) -> None:
        super().__init__(op.FAULTS[fault])
        self.fault = fault


# Schemas


def parse(schema: Json) -> Type:
    """The type that the schema describes; `schema` is known to be valid."""
    named: dict[str, Type] = {}
    root = _parsed(schema, "", named)
    changed = True
    while changed:
        changed = False
        for one in named.values():
            if one.kind == "record" and not one.empty and all(inner.empty for inner in one.fields.values()):
                one.empty = changed = True
    return root


def _parsed(schema: Json, namespace: str, named: dict[str, Type]) -> Type:
    if isinstance(schema, list):
        return Type("union", inner=[_parsed(branch, namespace, named) for branch in schema])
    if isinstance(schema, str) and schema in PRIMITIVES:
        return Type(schema, empty=schema == "null")
    if isinstance(schema, str):
        return named[schema if "." in schema or not namespace else f"{namespace}.{schema}"]
    kind = schema["type"]
    if kind in PRIMITIVES:
        return Type(kind, logical=schema.get("logicalType"), empty=kind == "null")
    if kind in ("array", "map"):
        return Type(kind, inner=[_parsed(schema["items" if kind == "array" else "values"], namespace, named)])
    return _defined(schema, namespace, named)


def _defined(schema: dict[str, Json], namespace: str, named: dict[str, Type]) -> Type:
    name, logical = schema["name"], schema.get("logicalType")
    if "." not in name:
        inside = schema.get("namespace", namespace)
        name = f"{inside}.{name}" if inside else name
    kind = "record" if schema["type"] == "error" else schema["type"]
    defined = named[name] = Type(kind, name, logical, schema.get("size", 0), tuple(schema.get("symbols", ())))
    defined.empty = kind == "fixed" and not defined.size
    for one in schema.get("fields", ()):
        defined.fields[one["name"]] = _parsed(one["type"], name.rpartition(".")[0], named)
    return defined


def types_at(root: Type, path: str) -> tuple[list[Type], bool]:
    """The types that may stand at the dotted path, without unions and null, and whether null or nothing may."""
    found, optional = [root], False
    for name in path.split("."):
        below: dict[int, Type] = {}
        for one in found:
            if name not in one.fields:
                optional = True
                continue
            for branch in one.fields[name].alternatives:
                below[id(branch)] = branch
        optional = optional or any(one.kind == "null" for one in below.values())
        found = [one for one in below.values() if one.kind != "null"]
    return found, optional


# Records


def read_record(root: Type, body: bytes, max_items: int) -> Read:
    """The record that the whole of `body` is; raises `BadBytesError`."""
    reader = _Reader(body, max_items)
    read = reader.read(root, 0)
    if reader.at != len(body):
        raise BadBytesError(op.TRAILING)
    return read


class _Reader:
    """One record's bytes, and how far they are read."""

    def __init__(self, body: bytes, max_items: int) -> None:
        self.body = body
        self.at = 0
        self._items_left = max_items

    def read(self, one: Type, depth: int) -> Read:
        if one.kind == "union":
            return self.read(one.inner[self._index(len(one.inner), op.BAD_BRANCH)], depth)
        if one.kind in ("record", "array", "map") and not one.empty:
            depth += 1
            if depth > _MAX_DEPTH:
                raise BadBytesError(op.TOO_DEEP)
        if one.kind in _LEAVES:
            return Read(one, _LEAVES[one.kind](self))
        return Read(one, _OTHERS[one.kind](self, one, depth))

    def long(self) -> int:
        value = shift = 0
        while self.at < len(self.body):
            byte = self.body[self.at]
            self.at += 1
            if shift == 63 and byte > 1:
                raise BadBytesError(op.BAD_VARINT)
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return (value >> 1) ^ -(value & 1)
            shift += 7
        raise BadBytesError(op.TRUNCATED)

    def int32(self) -> int:
        value = self.long()
        if not -_INT <= value < _INT:
            raise BadBytesError(op.INT_RANGE)
        return value

    def fixed(self, one: Type, _: int) -> bytes:
        return self.raw(one.size)

    def raw(self, count: int) -> bytes:
        if count > len(self.body) - self.at:
            raise BadBytesError(op.TRUNCATED)
        self.at += count
        return self.body[self.at - count : self.at]

    def sized(self) -> bytes:
        length = self.long()
        if length < 0:
            raise BadBytesError(op.BAD_LENGTH)
        return self.raw(length)

    def boolean(self) -> bool:
        byte = self.raw(1)[0]
        if byte > 1:
            raise BadBytesError(op.BAD_BOOLEAN)
        return bool(byte)

    def record(self, one: Type, depth: int) -> dict[str, Read]:
        return {name: self.read(inner, depth) for name, inner in one.fields.items()}

    def symbol(self, one: Type, _: int) -> str:
        return one.symbols[self._index(len(one.symbols), op.BAD_SYMBOL)]

    def items(self, one: Type, depth: int) -> list[Read]:
        inner = one.inner[0]
        read: list[Read] = []
        for count in self._blocks():
            if inner.empty:  # there may be many
                read += [self.read(inner, depth)] * count
            else:
                read += [self.read(inner, depth) for _ in range(count)]
        return read

    def entries(self, one: Type, depth: int) -> list[tuple[bytes, Read]]:
        return [(self.sized(), self.read(one.inner[0], depth)) for count in self._blocks() for _ in range(count)]

    def _blocks(self) -> Iterator[int]:
        """How many items each block has; they are read before the next one is asked for."""
        while True:
            count, size = self.long(), None
            if count < 0:
                count, size = -count, self.long()
                if size < 0:
                    raise BadBytesError(op.BAD_LENGTH)
                if size > len(self.body) - self.at:
                    raise BadBytesError(op.TRUNCATED)
            if count > self._items_left:
                raise BadBytesError(op.TOO_MANY_ITEMS)
            if not count:
                return
            self._items_left -= count
            end = None if size is None else self.at + size
            yield count
            if end is not None and end != self.at:
                raise BadBytesError(op.BLOCK_SIZE)

    def _index(self, count: int, fault: int) -> int:
        index = self.long()
        if not 0 <= index < count:
            raise BadBytesError(fault)
        return index


_LEAVES: Final[dict[str, Callable[[_Reader], Any]]] = {  # by the type, see `Read`
    "null": lambda _: None,
    "boolean": _Reader.boolean,
    "int": _Reader.int32,
    "long": _Reader.long,
    "float": lambda reader: struct.unpack("<f", reader.raw(4))[0],
    "double": lambda reader: struct.unpack("<d", reader.raw(8))[0],
    "bytes": _Reader.sized,
    "string": _Reader.sized,
}
_OTHERS: Final[dict[str, Callable[[_Reader, Type, int], Any]]] = {  # as above
    "fixed": _Reader.fixed,
    "enum": _Reader.symbol,
    "array": _Reader.items,
    "map": _Reader.entries,
    "record": _Reader.record,
}
