"""Schemas and records made by chance: every type, logical types, namespaces, references, recursion; every valid encoding.

Chance is a `random.Random`, also the one that Hypothesis draws and shrinks.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Final

from support.avro_reference import PRIMITIVES, Json, Type

_LOGICAL: Final[list[dict[str, Json]]] = [
    {"type": "int", "logicalType": "date"},
    {"type": "int", "logicalType": "time-millis"},
    {"type": "long", "logicalType": "time-micros"},
    {"type": "long", "logicalType": "timestamp-millis"},
    {"type": "long", "logicalType": "timestamp-micros"},
    {"type": "long", "logicalType": "local-timestamp-nanos"},
    {"type": "string", "logicalType": "uuid"},
    {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
    {"type": "string", "logicalType": "of-our-own"},
    {"type": "double", "doc": "a dictionary without need"},
]
_TIMES: Final[list[Json]] = [
    "long",
    {"type": "long", "logicalType": "timestamp-millis"},
    {"type": "long", "logicalType": "timestamp-micros"},
    {"type": "long", "logicalType": "local-timestamp-nanos"},
    ["null", {"type": "long", "logicalType": "timestamp-millis"}],
    [{"type": "long", "logicalType": "timestamp-nanos"}, "null"],
    "int",
    "string",
]
_TOO_DEEP: Final = 100
_ENDLESS: Final = 1_000_000
_TEXTS: Final = ("", "a", "tenant-1", "größe", "株式会社", "😀", "line\nbreak", "x" * 70)
_LONGS: Final = (0, 1, -1, 63, 64, -65, 2**31 - 1, -(2**31), 2**31, 2**53 + 1, 2**63 - 1, -(2**63))
_FLOATS: Final = (0.0, -0.0, 0.1, 3e38, float("nan"), float("-inf"))
_DOUBLES: Final = (0.0, -0.0, 1.5, -1e308, 5e-324, float("inf"), float("-inf"), float("nan"))


@dataclass(frozen=True, slots=True)
class Generated:
    """A record schema, and where tenant and event time stand in it."""

    schema: dict[str, Json]
    tenant: str
    time: str


def generated_schema(chance: Random, size: int) -> Generated:
    """A schema of up to about `size` types."""
    return _SchemaMaker(chance, size).made()


class _SchemaMaker:
    def __init__(self, chance: Random, size: int) -> None:
        self._chance = chance
        self._left = size
        self._names = 0
        self._defined: list[str] = []
        """Full names of the types that may be referred to anywhere."""
        self._open: list[str] = []
        """Full names of the records that are being made: a reference is a recursion, and must have an end."""

    def made(self) -> Generated:
        self._open.append("Event")
        fields = [self._field(self._any_type("", 5)) for _ in range(self._chance.randrange(1, 6))]
        tenant = {"name": "tenant", "type": self._tenant()}
        nested = not self._chance.randrange(4)
        if nested:
            head: Json = {"type": "record", "name": "Head", "fields": [tenant]}
            fields.append({"name": "head", "type": ["null", head] if self._chance.randrange(2) else head})
        fields += [] if nested else [tenant]
        # A type is defined before it is referred to: only what defines nothing may stand first.
        fields.insert(self._chance.randrange(len(fields) + 1), {"name": "at", "type": self._chance.choice(_TIMES)})
        schema = {"type": "record", "name": "Event", "fields": fields}
        return Generated(schema, "head.tenant" if nested else "tenant", "at")

    def _field(self, avro_type: Json) -> dict[str, Json]:
        return {"name": self._name("f"), "type": avro_type}

    def _name(self, prefix: str) -> str:
        self._names += 1
        return f"{prefix}{self._names}"

    def _tenant(self) -> Json:
        uuid = {"type": "fixed", "name": "TenantId", "size": 16, "logicalType": "uuid"}
        colour = {"type": "enum", "name": "Colour", "symbols": ["red", "green"]}
        options: list[Json] = ["string"] * 4
        options += [
            ["null", "string"],
            "long",
            "int",
            uuid,
            ["null", uuid],
            colour,
            ["string", "long", "null"],
            "double",
            "bytes",
        ]
        return self._chance.choice(options)

    def _any_type(self, namespace: str, depth: int) -> Json:
        self._left -= 1
        options: list[Callable[[str, int], Json]] = [self._primitive] * 4
        options += [self._logical, self._enum, self._fixed, self._reference]
        if depth > 0 and self._left > 0:
            options += [self._array, self._map, self._union, self._union, self._record, self._record, self._numbers]
        return self._chance.choice(options)(namespace, depth)

    def _primitive(self, namespace: str, depth: int) -> Json:
        del namespace, depth
        return self._chance.choice(PRIMITIVES)

    def _logical(self, namespace: str, depth: int) -> Json:
        del namespace, depth
        return dict(self._chance.choice(_LOGICAL))

    def _named(self, prefix: str, namespace: str) -> tuple[dict[str, Json], str]:
        """How the name stands in the schema, and the full name."""
        name = self._name(prefix)
        match self._chance.randrange(5):
            case 0:
                return {"name": f"com.example.{name}"}, f"com.example.{name}"
            case 1:
                return {"name": name, "namespace": "org.other"}, f"org.other.{name}"
        return {"name": name}, f"{namespace}.{name}" if namespace else name

    def _enum(self, namespace: str, depth: int) -> Json:
        del depth
        names, full = self._named("E", namespace)
        self._defined.append(full)
        return {"type": "enum", **names, "symbols": [f"S{number}" for number in range(self._chance.randrange(1, 5))]}

    def _fixed(self, namespace: str, depth: int) -> Json:
        del depth
        names, full = self._named("X", namespace)
        self._defined.append(full)
        logical = self._chance.choice(["uuid", "uuid", "decimal", "duration", None])
        size = {"uuid": 16, "duration": 12}.get(logical or "", self._chance.choice([0, 1, 3, 16]))
        extra = {} if logical is None else {"logicalType": logical}
        return {"type": "fixed", **names, "size": size, **extra, **({"precision": 2} if logical == "decimal" else {})}

    def _reference(self, namespace: str, depth: int) -> Json:
        """A type defined before, by its full name, or by the short one in its own namespace; or a recursion with an end."""
        if self._open and self._chance.randrange(2):
            again = self._shown(self._chance.choice(self._open), namespace)
            ways = [["null", again], ["float", again], {"type": "array", "items": again}, {"type": "map", "values": again}]
            return self._chance.choice(ways)
        if not self._defined:
            return self._primitive(namespace, depth)
        return self._shown(self._chance.choice(self._defined), namespace)

    def _shown(self, full: str, namespace: str) -> Json:
        inside, _, short = full.rpartition(".")
        name = short if inside == namespace and self._chance.randrange(2) else full
        return name if "." in name or not namespace or inside == namespace else self._unreachable(full)

    def _unreachable(self, full: str) -> Json:
        """A type without a namespace can't be named inside of one."""
        del full
        return "long"

    def _array(self, namespace: str, depth: int) -> Json:
        return {"type": "array", "items": self._any_type(namespace, depth - 1)}

    def _numbers(self, namespace: str, depth: int) -> Json:
        """An array of numbers: what features may be."""
        del namespace, depth
        items = ["int", "long", "float", "double", ["null", "double"], ["long", "float", "null"], ["double"]]
        return {"type": "array", "items": self._chance.choice(items)}

    def _map(self, namespace: str, depth: int) -> Json:
        return {"type": "map", "values": self._any_type(namespace, depth - 1)}

    def _union(self, namespace: str, depth: int) -> Json:
        branches: dict[str, Json] = {}
        for _ in range(self._chance.randrange(1, 5)):
            defined = list(self._defined)
            branch = "null" if not self._chance.randrange(3) else self._any_type(namespace, depth - 1)
            label = "" if isinstance(branch, list) else self._label(branch, namespace)
            if not label or label in branches:
                self._defined = defined  # what the dropped branch defines is defined nowhere
            else:
                branches[label] = branch
        if branches and self._open and not self._chance.randrange(3):
            recursive = self._shown(self._chance.choice(self._open), namespace)
            branches.setdefault(self._label(recursive, namespace), recursive)
        return list(branches.values()) or ["null", "int"]

    def _label(self, branch: Json, namespace: str) -> str:
        if isinstance(branch, str):
            return branch if branch in PRIMITIVES or "." in branch or not namespace else f"{namespace}.{branch}"
        if branch["type"] not in ("record", "error", "enum", "fixed"):
            return str(branch["type"])
        name, inside = branch["name"], branch.get("namespace", namespace)
        return name if "." in name or not inside else f"{inside}.{name}"

    def _record(self, namespace: str, depth: int) -> Json:
        names, full = self._named("R", namespace)
        self._open.append(full)
        inside = full.rpartition(".")[0]
        fields = [self._field(self._any_type(inside, depth - 1)) for _ in range(self._chance.randrange(5))]
        self._open.remove(full)
        self._defined.append(full)
        return {"type": self._chance.choice(["record", "record", "error"]), **names, "fields": fields, "aliases": ["Old"]}


class RecordMaker:
    """Makes the bytes of valid records of one type, in any of the ways that Avro allows.

    Args:
        root: the type.
        chance: decides.
        levels: from how deep on a record comes to its end as soon as it can.
        deep: it goes down wherever it can.
        values: after how many values it comes to its end.

    """

    def __init__(self, root: Type, chance: Random, *, levels: int = 5, deep: bool = False, values: int = 1000) -> None:
        self._root = root
        self._chance = chance
        self._levels = levels
        self._deep = deep
        self._values = self._left = values
        self._heights = _heights(root)

    def record(self) -> bytes:
        """One record."""
        self._left = self._values
        return b"".join(self._value(self._root, 0))

    def _ends(self, depth: int) -> bool:
        return depth >= self._levels or self._left <= 0

    def _value(self, one: Type, depth: int) -> Iterator[bytes]:
        self._left -= 1
        match one.kind:
            case "union":
                index = self._branch(one, depth)
                yield self._long(index)
                yield from self._value(one.inner[index], depth)
            case "record" if depth < _TOO_DEEP:  # one that always holds itself never ends
                for inner in one.fields.values():
                    yield from self._value(inner, depth + 1)
            case "array" | "map":
                yield from self._blocks(one, depth)
            case _:
                yield self._leaf(one)

    def _branch(self, union: Type, depth: int) -> int:
        indexes = range(len(union.inner))
        if self._ends(depth):
            return min(indexes, key=lambda index: self._heights[id(union.inner[index])])
        down = [index for index in indexes if union.inner[index].kind in ("record", "array", "map")]
        return self._chance.choice(down if self._deep and down else indexes)

    def _blocks(self, one: Type, depth: int) -> Iterator[bytes]:
        for _ in range(0 if self._ends(depth) else self._chance.choice([1] if self._deep else [0, 1, 1, 2])):
            count = 1 if self._deep else self._chance.randrange(1, 4)
            items = []
            for _item in range(count):
                key = self._text() if one.kind == "map" else b""
                items.append(key + b"".join(self._value(one.inner[0], depth + 1)))
            block = b"".join(items)
            sized = not self._chance.randrange(3)
            yield (self._long(-count) + self._long(len(block)) if sized else self._long(count)) + block
        yield self._long(0)

    def _leaf(self, one: Type) -> bytes:
        match one.kind:
            case "int":
                return self._long(self._chance.choice([value for value in _LONGS if -(2**31) <= value < 2**31]))
            case "long":
                return self._long(self._chance.choice([*_LONGS, self._chance.randrange(-(10**13), 10**13)]))
            case "enum":
                return self._long(self._chance.randrange(len(one.symbols)))
            case "bytes":
                return self._sized(self._noise(self._chance.randrange(5)))
            case "string":
                return self._text()
        return self._of_one_size(one)

    def _of_one_size(self, one: Type) -> bytes:
        match one.kind:
            case "boolean":
                return bytes([self._chance.randrange(2)])
            case "float":
                return struct.pack("<f", self._chance.choice(_FLOATS))
            case "double":
                return struct.pack("<d", self._chance.choice([*_DOUBLES, self._chance.random()]))
            case "fixed":
                return self._noise(one.size)
        return b""

    def _noise(self, size: int) -> bytes:
        return bytes(self._chance.randrange(256) for _ in range(size))

    def _text(self) -> bytes:
        return self._sized(self._chance.choice(_TEXTS).encode())

    def _sized(self, raw: bytes) -> bytes:
        return self._long(len(raw)) + raw

    def _long(self, value: int) -> bytes:
        """Now and then in more bytes than needed."""
        return encoded_long(value, 0 if self._chance.randrange(12) else 2)


def encoded_long(value: int, more: int = 0) -> bytes:
    """A long as zigzag and groups of seven bits; in up to 10 bytes, `more` than are needed."""
    left = ((value << 1) ^ (value >> 63)) & 0xFFFF_FFFF_FFFF_FFFF
    groups = [left & 0x7F]
    while left := left >> 7:
        groups.append(left & 0x7F)
    groups += [0] * min(more, 10 - len(groups))
    return bytes([*(group | 0x80 for group in groups[:-1]), groups[-1]])


def _heights(root: Type) -> dict[int, int]:
    """How many records each type holds inside each other at least, by the type's identity."""
    types = _all_types(root)
    heights = dict.fromkeys(types, _ENDLESS)
    changed = True
    while changed:
        changed = False
        for key, one in types.items():
            match one.kind:
                case "union":
                    height = min((heights[id(inner)] for inner in one.inner), default=_ENDLESS)
                case "record":
                    height = 1 + max((heights[id(inner)] for inner in one.fields.values()), default=0)
                case _:
                    height = 0
            if height < heights[key]:
                heights[key], changed = height, True
    return heights


def _all_types(root: Type) -> dict[int, Type]:
    found: dict[int, Type] = {}
    waiting = [root]
    while waiting:
        one = waiting.pop()
        if id(one) not in found:
            found[id(one)] = one
            waiting += [*one.inner, *one.fields.values()]
    return found


def candidate_paths(root: Type, chance: Random, count: int) -> list[str]:
    """Some dotted paths, most of them to fields that are there, and some `path[index]` of arrays."""
    paths: set[str] = set()
    for _ in range(count):
        names: list[str] = []
        here = [root]
        while True:
            fields = sorted({name for one in here for name in one.fields})
            if not fields or (names and not chance.randrange(3)):
                break
            names.append(chance.choice(fields))
            below = [one.fields[names[-1]] for one in here if names[-1] in one.fields]
            here = [branch for one in below for branch in one.alternatives]
        if not chance.randrange(12):
            names.append("absent")
        index = f"[{chance.randrange(4)}]" if any(one.kind == "array" for one in here) and chance.randrange(3) else ""
        paths.add(".".join(names) + index)
    return sorted(paths)
