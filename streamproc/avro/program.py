"""A schema compiled into the instructions that walk one record and capture the wanted fields.

The program grows with the schema's text times the wanted paths, never with what references could expand to: a record is
walked by one shared routine for each place in the tree of wanted paths at which it may stand, and by one where nothing of it
is wanted. What stands in one place only, as nearly everything does, is no routine: the walk runs straight through.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamproc import captures
from streamproc.avro import opcodes as op
from streamproc.avro.fields import Elements, element_kinds, kind_of
from streamproc.avro.types import (
    ArrayType,
    AvroSchema,
    AvroType,
    EnumType,
    FixedType,
    MapType,
    NamedReference,
    Primitive,
    RecordType,
    UnionType,
)
from streamproc.captures import Symbols

_SCALARS: Final = {"float": op.FLOAT, "long": op.LONG, "int": op.INT, "boolean": op.BOOLEAN}
_WIDTHS: Final = {"float": 4, "double": 8}


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """What the kernel runs for one schema and one set of wanted paths."""

    ops: NDArray[np.int64]
    """(instructions, 4)"""
    jumps: NDArray[np.int64]
    """First instructions of union branches."""
    slots: Mapping[str, int]
    """Path → the slot that captures it; a path that the schema lacks has a slot that stays null."""
    symbols: tuple[str, ...]
    """The symbols of all captured enums."""
    symbol_text: Symbols
    """The same, as kernels read them."""
    elements: Mapping[int, Elements]
    """Slot of an array → what its elements are; a path too long to be walked has none."""
    trail: tuple[str, ...]
    """(instructions,): the field that an instruction reads, for messages."""

    @property
    def width(self) -> int:
        """How many slots there are."""
        return len(self.slots)


@dataclass(slots=True, eq=False)
class _Wanted:
    """The wanted paths below one record, as a tree. Equal only to itself."""

    slot: int | None = None
    children: dict[str, _Wanted] = field(default_factory=dict)

    def add(self, names: list[str], slot: int) -> None:
        node = self
        for name in names:
            node = node.children.setdefault(name, _Wanted())
        node.slot = slot


class _Routine(NamedTuple):
    """A record, and what is wanted of it; None: nothing."""

    record: RecordType
    wanted: _Wanted | None


def compile_program(schema: AvroSchema, paths: Iterable[str]) -> Program:
    """Compile `schema`, capturing each of `paths`: dotted, through records and unions with records."""
    return _Compiler(schema).compile(sorted(set(paths)))


class _Compiler:
    """Emits instructions for one schema. `level`: how many records, arrays and maps of the routine stand around a value."""

    def __init__(self, schema: AvroSchema) -> None:
        self._schema = schema
        self._table = _Table()
        self._symbols: dict[str, int] = {}
        self._symbol_list: list[str] = []
        self._elements: dict[int, Elements] = {}
        self._calls: list[tuple[int, _Routine]] = []
        self._straight: set[_Routine] | None = set()
        """What the program walks without a call; None while routines are emitted: only a call checks how deep it stands."""
        self._empty = _empty_names(schema)

    def compile(self, paths: list[str]) -> Program:
        order = self._in_schema_order(paths)
        wanted = _Wanted()
        for slot, path in enumerate(order):
            names = path.split(".")
            if len(names) <= op.MAX_DEPTH:  # no record that can be walked holds more records inside each other
                wanted.add(names, slot)
        self._read(self._schema.root, wanted, 0)
        self._table.emit(op.END)
        self._routines()
        return Program(
            ops=np.array(self._table.ops, np.int64),
            jumps=np.array(self._table.jumps or [0], np.int64),
            slots={path: slot for slot, path in enumerate(order)},
            symbols=tuple(self._symbol_list),
            symbol_text=Symbols.of(self._symbol_list),
            elements=self._elements,
            trail=tuple(self._table.trail),
        )

    def _in_schema_order(self, paths: list[str]) -> list[str]:
        """Fields that follow each other get slots that follow each other, so that runs of doubles are one instruction."""
        root = self._schema.root
        order = {field.name: place for place, field in enumerate(root.fields)} if isinstance(root, RecordType) else {}
        return sorted(paths, key=lambda path: (order.get(path.partition(".")[0], len(order)), path))

    def _routines(self) -> None:
        """Emit each record that some CALL names; doing so may add calls."""
        self._straight = None
        starts: dict[_Routine, int] = {}
        for _, routine in self._calls:  # grows while it is read
            if routine not in starts:
                starts[routine] = self._table.here()
                self._table.where = routine.record.name
                self._read_record(routine.record, routine.wanted, 0)
                self._table.emit(op.RETURN)
        for instruction, routine in self._calls:
            self._table.ops[instruction][1] = starts[routine]

    def _call(self, routine: _Routine, level: int) -> None:
        self._calls.append((self._table.emit(op.CALL, 0, level + 1), routine))

    def _read(self, avro_type: AvroType, wanted: _Wanted | None, level: int) -> None:
        """Emit what walks a value and captures what is wanted of it."""
        resolved = self._schema.resolve(avro_type)
        if wanted is None:
            self._skip(avro_type, level)
        elif isinstance(resolved, UnionType):
            self._union(resolved, lambda branch: self._read(branch, wanted, level))
        elif isinstance(resolved, RecordType):
            self._read_nested(_Routine(resolved, wanted), level)
        elif wanted.slot is None:
            self._skip(avro_type, level)
        else:
            self._capture(resolved, wanted.slot, level)

    def _read_nested(self, routine: _Routine, level: int) -> None:
        """Straight on where that is the first time, or nothing of it takes bytes; else by a call."""
        if _is_empty(routine.record, self._empty):
            self._read_record(routine.record, routine.wanted, level)
        elif self._straight is None or level >= op.MAX_DEPTH or routine in self._straight:
            self._call(routine, level)
        else:
            self._straight.add(routine)
            self._read_record(routine.record, routine.wanted, level + 1)

    def _read_record(self, record: RecordType, wanted: _Wanted | None, level: int) -> None:
        if wanted is not None and wanted.slot is not None:
            self._table.emit(op.MARK, wanted.slot, captures.IS_OTHER)
        outer = self._table.where
        for record_field in record.fields:
            self._table.where = f"{outer}.{record_field.name}" if outer else record_field.name
            self._read(record_field.type, wanted and wanted.children.get(record_field.name), level)
        self._table.where = outer

    def _capture(self, avro_type: AvroType, slot: int, level: int) -> None:
        if isinstance(avro_type, EnumType):
            self._table.emit(op.ENUM, slot, len(avro_type.symbols), self._symbols_from(avro_type))
        elif isinstance(avro_type, Primitive) and avro_type.type in _SCALARS:
            self._table.emit(_SCALARS[avro_type.type], slot)
        elif isinstance(avro_type, Primitive) and avro_type.type == "double":
            self._table.emit_double(slot)
        elif not (isinstance(avro_type, Primitive) and avro_type.type == "null"):
            self._table.emit(op.MARK, slot, self._kind_by_position(avro_type, slot))
            self._skip(avro_type, level)

    def _kind_by_position(self, avro_type: AvroType, slot: int) -> int:
        kinds = element_kinds(avro_type) if isinstance(avro_type, ArrayType) else None
        if kinds is not None and self._elements.setdefault(slot, kinds) != kinds:
            return captures.IS_OTHER
        return kind_of(avro_type)

    def _symbols_from(self, enum: EnumType) -> int:
        if enum.name not in self._symbols:
            self._symbols[enum.name] = len(self._symbol_list)
            self._symbol_list.extend(enum.symbols)
        return self._symbols[enum.name]

    def _union(self, union: UnionType, emit_branch: Callable[[AvroType], None]) -> None:
        first = self._table.union(len(union.branches))
        exits = []
        for number, branch in enumerate(union.branches):
            self._table.jumps[first + number] = self._table.here()
            emit_branch(branch)
            exits.append(self._table.emit(op.JUMP))
        end = self._table.here()
        for instruction in exits:
            self._table.ops[instruction][1] = end

    def _skip(self, avro_type: AvroType, level: int) -> None:
        """Emit what walks a value of which nothing is wanted; a value that takes no bytes needs no instruction."""
        resolved = self._schema.resolve(avro_type)
        if _is_empty(resolved, self._empty):
            return
        if isinstance(resolved, Primitive):
            self._skip_primitive(resolved.type)
        elif isinstance(resolved, FixedType):
            self._table.extend(op.SKIP_FIXED, resolved.size)
        elif isinstance(resolved, EnumType):
            self._table.emit(op.SKIP_ENUM, len(resolved.symbols))
        elif isinstance(resolved, UnionType):
            self._union(resolved, lambda branch: self._skip(branch, level))
        elif isinstance(resolved, RecordType):
            self._call(_Routine(resolved, None), level)
        elif isinstance(resolved, ArrayType | MapType):
            self._skip_blocks(resolved, level + 1)

    def _skip_primitive(self, name: str) -> None:
        if name in _WIDTHS:
            self._table.extend(op.SKIP_FIXED, _WIDTHS[name])
        elif name in ("int", "long"):
            self._table.extend(op.SKIP_INT if name == "int" else op.SKIP_LONG, 1)
        else:
            self._table.emit(op.SKIP_BOOLEAN if name == "boolean" else op.SKIP_BYTES)

    def _skip_blocks(self, container: ArrayType | MapType, level: int) -> None:
        empty = isinstance(container, ArrayType) and _is_empty(self._schema.resolve(container.items), self._empty)
        blocks = self._table.emit(op.BLOCKS, 0, level, int(empty))
        if isinstance(container, MapType):
            self._table.emit(op.SKIP_BYTES)
        self._skip(container.items if isinstance(container, ArrayType) else container.values, level)
        self._table.emit(op.NEXT_ITEM, blocks)
        self._table.ops[blocks][1] = self._table.here()


class _Table:
    """The instructions so far.

    Passive: knows nothing of schemas. Skips and captures in a row are merged; that never crosses the target of a jump, because
    one of the instructions that direct the walk stands before each target.
    """

    def __init__(self) -> None:
        self.ops: list[list[int]] = []
        self.jumps: list[int] = []
        self.trail: list[str] = []
        self.where = ""

    def emit(self, code: int, a: int = 0, b: int = 0, c: int = 0) -> int:
        self.ops.append([code, a, b, c])
        self.trail.append(self.where)
        return len(self.ops) - 1

    def here(self) -> int:
        """The next instruction's number."""
        return len(self.ops)

    def union(self, branches: int) -> int:
        """Emit the instruction and reserve its part of the jump table; returns where that starts."""
        first = len(self.jumps)
        self.emit(op.UNION, first, branches)
        self.jumps.extend([0] * branches)
        return first

    def extend(self, code: int, count: int) -> None:
        """Emit a skip of `count`, or lengthen the one just before."""
        if self.ops and self.ops[-1][0] == code:
            self.ops[-1][1] += count
        else:
            self.emit(code, count)

    def emit_double(self, slot: int) -> None:
        """Emit the capture of a double, or lengthen the run just before."""
        last = self.ops[-1] if self.ops else None
        if last and last[0] == op.DOUBLES and last[1] + last[2] == slot:
            last[2] += 1
        else:
            self.emit(op.DOUBLES, slot, 1)


def _empty_names(schema: AvroSchema) -> frozenset[str]:
    """The named types whose values take no bytes. Definitions stand after those that they use, so one pass finds all."""
    empty: set[str] = set()
    for name, definition in schema.named.items():
        if isinstance(definition, RecordType):
            takes_none = all(_is_empty(record_field.type, empty) for record_field in definition.fields)
        else:
            takes_none = _is_empty(definition, empty)
        if takes_none:
            empty.add(name)
    return frozenset(empty)


def _is_empty(avro_type: AvroType, empty: Container[str]) -> bool:
    if isinstance(avro_type, NamedReference | RecordType):
        return avro_type.name in empty
    if isinstance(avro_type, FixedType):
        return avro_type.size == 0
    return isinstance(avro_type, Primitive) and avro_type.type == "null"
