"""Records that were damaged, and schemas that invite it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Final

from support.avro_generated import Generated, RecordMaker, encoded_long
from support.avro_reference import Json, Type

_HOSTILE_LONGS: Final = (
    *(0, 1, -1, 2, -2, 63, 64, -65, 255, 256, 2_000, 2_001, -2_000, -2_001, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1),
    *(2**32, 2**40, -(2**40), 2**53, 2**62, 2**63 - 1, -(2**63), -(2**63) + 1),
)
_HOSTILE_BYTES: Final = (0x00, 0x01, 0x02, 0x03, 0x04, 0x7F, 0x80, 0x81, 0xC3, 0xED, 0xFE, 0xFF)
_NO_LONGS: Final = (b"\x80" * 9 + b"\x02", b"\xff" * 10, b"\xff" * 9 + b"\x01", b"\x80" * 10 + b"\x00", b"\x80" * 12, b"\xff")

Mutation = Callable[[bytearray, Random, Sequence[bytes]], None]


class HostileMaker(RecordMaker):
    """Makes records in which some length, count, index or number is another one: damage that keeps what stands before it."""

    def _long(self, value: int) -> bytes:
        if self._chance.randrange(25):
            return super()._long(value)
        if not self._chance.randrange(4):
            return self._chance.choice(_NO_LONGS)
        return encoded_long(self._chance.choice([value + 1, value - 1, -value, *_HOSTILE_LONGS]))


def mutated(body: bytes, chance: Random, others: Sequence[bytes]) -> bytes:
    """The record after one to four mutations; `others` are records to take parts of."""
    mutant = bytearray(body)
    for _ in range(chance.choice([1, 1, 1, 2, 4])):
        chance.choice(_MUTATIONS)(mutant, chance, others)
    return bytes(mutant)


def _place(mutant: bytearray, chance: Random) -> int:
    return chance.randrange(len(mutant) + 1)


def _flip(mutant: bytearray, chance: Random, _: Sequence[bytes]) -> None:
    if mutant:
        mutant[chance.randrange(len(mutant))] ^= 1 << chance.randrange(8)


def _set(mutant: bytearray, chance: Random, _: Sequence[bytes]) -> None:
    if mutant:
        mutant[chance.randrange(len(mutant))] = chance.choice(_HOSTILE_BYTES)


def _shift(mutant: bytearray, chance: Random, _: Sequence[bytes]) -> None:
    """A length, count or index that is off by one."""
    if mutant:
        place = chance.randrange(len(mutant))
        mutant[place] = (mutant[place] + chance.choice([-2, 2])) % 256


def _cut(mutant: bytearray, chance: Random, _: Sequence[bytes]) -> None:
    del mutant[_place(mutant, chance) :]


def _lengthen(mutant: bytearray, chance: Random, _: Sequence[bytes]) -> None:
    mutant += bytes(chance.randrange(256) for _ in range(chance.randrange(1, 9)))


def _remove(mutant: bytearray, chance: Random, _: Sequence[bytes]) -> None:
    place = _place(mutant, chance)
    del mutant[place : place + chance.randrange(1, 9)]


def _repeat(mutant: bytearray, chance: Random, _: Sequence[bytes]) -> None:
    place = _place(mutant, chance)
    mutant[place:place] = mutant[place : place + chance.randrange(1, 17)] * chance.choice([1, 1, 2, 40])


def _splice(mutant: bytearray, chance: Random, others: Sequence[bytes]) -> None:
    other = chance.choice(others)
    start = chance.randrange(len(other) + 1)
    place = _place(mutant, chance)
    mutant[place : place + chance.randrange(17)] = other[start : start + chance.randrange(33)]


def _swap_tails(mutant: bytearray, chance: Random, others: Sequence[bytes]) -> None:
    other = chance.choice(others)
    mutant[_place(mutant, chance) :] = other[chance.randrange(len(other) + 1) :]


def _put_long(mutant: bytearray, chance: Random, _: Sequence[bytes]) -> None:
    """Over a byte, or between two."""
    place = _place(mutant, chance)
    long = (
        chance.choice(_NO_LONGS)
        if not chance.randrange(6)
        else encoded_long(chance.choice(_HOSTILE_LONGS), chance.randrange(3))
    )
    mutant[place : place + chance.randrange(2)] = long


_MUTATIONS: Final[tuple[Mutation, ...]] = (
    *(_flip, _set, _shift, _cut, _lengthen, _remove, _repeat, _splice, _swap_tails, _put_long),
)


def _record(name: str, **fields: Json) -> Json:
    return {"type": "record", "name": name, "fields": [{"name": key, "type": one} for key, one in fields.items()]}


def _event(x: Json) -> Generated:
    return Generated(_record("Event", tenant="string", x=x, y=["null", "double"]), "tenant", "at")


def _many(items: Json) -> Json:
    return {"type": "array", "items": items}


_EMPTY: Final = _record("Empty", a="null", b={"type": "fixed", "name": "Nothing", "size": 0})
HOSTILE_SCHEMAS: Final = (
    _event(_record("Node", value="int", next=["null", "Node"])),
    _event(_record("Nest", below=_many("Nest"))),
    _event(_record("Tree", left=["null", "Tree"], right=["null", "Tree"], v="double")),
    _event(_record("Named", inside={"type": "map", "values": "Named"}, flag="boolean")),
    _event(_record("Loop", again="Loop")),
    _event(_record("Mutual", other=["null", _record("Other", back=["null", "Mutual", _many("Mutual")])])),
    _event(_many("null")),
    _event(_many(_EMPTY)),
    _event(_many(_many("null"))),
    _event({"type": "map", "values": "null"}),
    _event(_many({"type": "map", "values": _many(_EMPTY)})),
    _event(_many(["null", "long"])),
    _event(_many(["null"])),
    _event(_record("Wide", **{f"d{number}": "double" for number in range(200)})),
    _event([_record("One", v=_many("double")), _record("Two", v=_many("long")), "string", "null"]),
)
"""Recursion, items that take no bytes, what can't be told apart, much of the same."""


def makers(root: Type, chance: Random) -> tuple[RecordMaker, ...]:
    """Makers of sound, of deep and of hostile records."""
    return (
        RecordMaker(root, chance),
        RecordMaker(root, chance, levels=chance.choice([20, 62, 63, 64, 65, 90]), deep=True, values=400),
        HostileMaker(root, chance),
        HostileMaker(root, chance, levels=70, deep=True, values=300),
    )
