"""What the decoder has to say of records and features, worked out from the contract in plain Python; and where it differs."""

from __future__ import annotations

import math
import struct
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from uuid import UUID

import numpy as np
from support.avro_generated import Generated
from support.avro_reference import BadBytesError, Read, Type, parse, read_record, types_at

from streamproc.avro import opcodes as op
from streamproc.avro.decoder import DecodedBatch
from streamproc.batches import FeatureColumns
from streamproc.errors import Reason

_NUMBERS: Final = frozenset({"integer", "real", "boolean"})
_SCALARS: Final = _NUMBERS | {"string", "enum"}
_WRITTEN: Final = {"null": 0, "int": 1, "long": 1, "float": 2, "double": 3}
_DIVISORS: Final = {"millis": 1, "micros": 1_000, "nanos": 1_000_000}
_INVALID, _UNDECODABLE = Reason.FEATURE_INVALID, Reason.UNDECODABLE


class Verdict(NamedTuple):
    """One record."""

    reason: Reason | None
    """None: it is sound."""
    fault: str
    """What the message begins with; empty where the reason says all."""
    tenant: str | None
    time: int
    """Milliseconds since the epoch; -1: none."""
    read: Read | None


class Cell(NamedTuple):
    """One feature of one record."""

    value: Any  # as numpy's `tolist` has it
    null: bool
    refused: Reason | None


class Reference:
    """The oracle for records of one schema, unframed."""

    def __init__(self, made: Generated, max_record_bytes: int) -> None:
        self.root = parse(made.schema)
        self._made = made
        self._max_bytes = max_record_bytes
        self._divisor = _divisor(types_at(self.root, made.time)[0])

    def verdict(self, body: bytes) -> Verdict:
        """What becomes of this value."""
        if not body:
            return Verdict(Reason.EMPTY_VALUE, "", None, -1, None)
        if len(body) > self._max_bytes:
            return Verdict(Reason.RECORD_TOO_LARGE, "", None, -1, None)
        try:
            read = read_record(self.root, body, self._max_bytes)
        except BadBytesError as error:
            reason = Reason.TRAILING_BYTES if error.fault == op.TRAILING else Reason.UNDECODABLE
            return Verdict(reason, op.FAULTS[error.fault], None, -1, None)
        tenant = _tenant(read.at(self._made.tenant))
        time = self._time(read.at(self._made.time))
        if isinstance(tenant, Reason):
            return Verdict(tenant, "the tenant field", None, time, read)
        return Verdict(None, "", tenant, time, read)

    def column(self, name: str, width: int) -> _Column:
        """The rules for one feature; `width` counts where it is a vector."""
        path, bracket, index = name.partition("[")
        types, optional = types_at(self.root, path)
        return _Column(name, path, _form(types, optional, element=bool(bracket)), int(index[:-1] or 0) if bracket else 0, width)

    def is_vector(self, name: str) -> bool:
        """The feature is a whole array of numbers."""
        return "[" not in name and _form(*types_at(self.root, name), element=False) == "vector"

    def _time(self, read: Read | None) -> int:
        if self._divisor is None or read is None or read.type.kind != "long":
            return -1
        time: int = read.value // self._divisor
        return max(time, -1)


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    path: str
    form: str
    index: int
    width: int

    @property
    def dtype(self) -> str:
        return {"integer": "int64", "boolean": "bool", "object": "object"}.get(self.form, "float64")

    def cell(self, record: Read) -> Cell:
        """The feature of this record."""
        read = record.at(self.path)
        nothing = [math.nan] * self.width if self.form == "vector" else math.nan
        if self.form in ("absent", "unusable"):
            return Cell(nothing, null=True, refused=_INVALID if self.form == "unusable" else None)
        if read is None or read.type.kind == "null":
            return Cell(nothing, null=True, refused=None)
        if self.form in ("element", "vector"):
            return self._of_array(read)
        return self._scalar(read)

    def _of_array(self, read: Read) -> Cell:
        numbers = [math.nan if item.type.kind == "null" else float(item.value) for item in read.value]
        if self.form == "element":
            within = self.index < len(numbers)
            null = not within or read.value[self.index].type.kind == "null"
            return Cell(numbers[self.index] if within else math.nan, null, None)
        if len(numbers) != self.width:
            return Cell(None, null=False, refused=_INVALID)
        return Cell(numbers, any(item.type.kind == "null" for item in read.value), None)

    def _scalar(self, read: Read) -> Cell:
        kind = _kind(read.type)
        if kind not in (_NUMBERS if self.form == "real" else _SCALARS):
            return Cell(None, null=False, refused=_INVALID)
        if kind == "string":
            try:
                return Cell(read.value.decode(), null=False, refused=None)
            except UnicodeDecodeError:
                return Cell(None, null=False, refused=_UNDECODABLE)
        return Cell(float(read.value) if self.form == "real" else read.value, null=False, refused=None)


def _kind(one: Type) -> str:
    match one.kind:
        case "int" | "long":
            return "integer"
        case "float" | "double":
            return "real"
        case "boolean" | "string" | "enum":
            return one.kind
        case "array" if _numbers(one):
            return "numbers"
    return "other"


def _numbers(array: Type) -> tuple[bool, tuple[int, ...]] | None:
    """How the elements of an array of numbers are written; None for any other array."""
    kinds = [item.kind for item in array.inner[0].alternatives]
    if not set(kinds) <= _WRITTEN.keys() or set(kinds) <= {"null"}:
        return None
    return array.inner[0].kind == "union", tuple(_WRITTEN[kind] for kind in kinds)


def _form(types: Sequence[Type], optional: bool, *, element: bool) -> str:  # noqa: FBT001 - two results of one function
    kinds = {_kind(one) for one in types}
    if len({_numbers(one) for one in types if _kind(one) == "numbers"}) > 1:
        kinds = kinds - {"numbers"} | {"other"}
    if not types:
        return "absent"
    if kinds == {"numbers"}:
        return "element" if element else "vector"
    if element or not kinds & _SCALARS:
        return "unusable"
    if kinds & {"string", "enum"}:
        return "object"
    only = kinds.pop() if len(kinds) == 1 and not optional else "real"
    return only if only in ("integer", "boolean") else "real"


def _divisor(types: Sequence[Type]) -> int | None:
    divisors = set()
    for one in types:
        if one.kind != "long" or one.logical == "time-micros":
            return None
        divisors.add(_DIVISORS.get((one.logical or "").rpartition("-")[2], 1) if "timestamp" in (one.logical or "") else 1)
    return divisors.pop() if len(divisors) == 1 else None


def _tenant(read: Read | None) -> str | Reason:
    if read is None or read.type.kind == "null":
        return Reason.TENANT_MISSING
    match read.type.kind:
        case "int" | "long":
            return str(read.value)
        case "fixed" if read.type.logical == "uuid" and read.type.size == 16:
            return str(UUID(bytes=read.value))
        case "enum":
            return _name(read.value.encode())
        case "string":
            return _name(read.value)
    return Reason.TENANT_INVALID


def _name(raw: bytes) -> str | Reason:
    if not 0 < len(raw) <= 255:
        return Reason.TENANT_INVALID
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return Reason.UNDECODABLE
    return Reason.TENANT_INVALID if any(unicodedata.category(character) == "Cc" for character in text) else text


# Comparing


def decoding_differences(expected: Sequence[Verdict], decoded: DecodedBatch) -> Iterator[tuple[int, str]]:
    """The rows whose status, error, tenant or time is not what is expected, and how."""
    codes = [verdict.reason.code if verdict.reason else 0 for verdict in expected]
    status, tenants, times = decoded.status.tolist(), decoded.tenant.tolist(), decoded.event_time.tolist()
    for row, verdict in enumerate(expected):
        if status[row] != codes[row]:
            yield row, f"status {status[row]} instead of {codes[row]} ({verdict.fault})"
        elif verdict.reason is not None:
            error = decoded.error(row)
            if error.reason is not verdict.reason or not error.message.startswith(verdict.fault):
                yield row, f"{error.message!r} instead of {verdict.fault!r}"
        elif decoded.tenants[tenants[row]] != verdict.tenant:
            yield row, f"tenant {decoded.tenants[tenants[row]]!r} instead of {verdict.tenant!r}"
        if verdict.reason is not None and tenants[row] != -1:
            yield row, "a bad record has a tenant"
        if times[row] != verdict.time:
            yield row, f"time {times[row]} instead of {verdict.time}"


def column_differences(reference: Reference, records: Sequence[Read], found: FeatureColumns, width: int) -> Iterator[str]:
    """Where the features of these sound records are not what is expected; `width`: columns of a vector among them."""
    refused: list[set[Reason]] = [set() for _ in records]
    for place, name in enumerate(found.names):
        column = reference.column(name, width if reference.is_vector(name) else 1)
        array = found.arrays[place]
        if array.dtype != np.dtype(column.dtype) or array.shape[1:] != ((width,) if column.form == "vector" else ()):
            yield f"{name}: {array.dtype}{array.shape} instead of {column.dtype} ({column.form})"
            continue
        for row, (record, value, null) in enumerate(zip(records, array.tolist(), found.null[:, place].tolist(), strict=True)):
            cell = column.cell(record)
            if cell.refused:
                refused[row].add(cell.refused)
            elif null != cell.null or not _same(value, cell.value):
                yield f"row {row}: {name} is {value!r} (null: {null}) instead of {cell.value!r} (null: {cell.null})"
    for row, (status, reasons) in enumerate(zip(found.status.tolist(), refused, strict=True)):
        if status not in ({reason.code for reason in reasons} or {0}):
            yield f"row {row}: feature status {status} instead of {reasons}"


def _same(found: object, expected: object) -> bool:
    if isinstance(found, list) and isinstance(expected, list):
        return len(found) == len(expected) and all(map(_same, found, expected))
    if isinstance(found, float) and isinstance(expected, float):
        return struct.pack("<d", found) == struct.pack("<d", expected) or (math.isnan(found) and math.isnan(expected))
    return type(found) is type(expected) and bool(found == expected)
