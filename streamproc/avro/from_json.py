"""Records from JSON, for `predict`: Avro's own JSON encoding, plain JSON, and what `display` prints."""

from __future__ import annotations

import base64
import binascii
import json
import math
import struct
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Final
from uuid import UUID

from streamproc.avro.encoder import encode_long, encode_string
from streamproc.avro.types import (
    NO_DEFAULT,
    ArrayType,
    AvroSchema,
    AvroType,
    EnumType,
    Field,
    FixedType,
    JsonValue,
    MapType,
    Primitive,
    RecordType,
    UnionType,
    branch_name,
)
from streamproc.errors import RefusedError

_INT_RANGE: Final = (-(1 << 31), (1 << 31) - 1)
_LONG_RANGE: Final = (-(1 << 63), (1 << 63) - 1)
_NOT_FINITE: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PER_SECOND: Final = {"millis": 1_000, "micros": 1_000_000, "nanos": 1_000_000_000}


class _Mismatch(Exception):  # noqa: N818 - no error yet: another branch of a union may fit
    """A value is not of its type; `path` and the text say where and why."""

    def __init__(self, path: str, text: str) -> None:
        super().__init__(text)
        self.path = path


def json_to_avro(schema: AvroSchema, line: str) -> bytes:
    """The body of the record that a line of JSON holds.

    Values of unions stand plainly or as Avro's ``{"branch": value}``. A field that is left out takes its default, else null
    where it may be null. Bytes are base64, times ISO 8601 or numbers, decimals text.

    Raises:
        RefusedError: the line is no JSON, or no record of `schema`; names the field, what was expected, and the kind found.

    """
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RefusedError("the line is not JSON; expected one object a line") from error
    try:
        return _Encoder(schema).encode(schema.root, value, "")
    except _Mismatch as mismatch:
        where = f"field {mismatch.path!r}: " if mismatch.path else ""
        raise RefusedError(f"{where}{mismatch}") from None
    except RecursionError as error:
        raise RefusedError("the line nests too deeply") from error


class _Encoder:
    """Encodes values by a schema, a method a kind of type."""

    def __init__(self, schema: AvroSchema) -> None:
        self._schema = schema

    def encode(self, avro_type: AvroType, value: JsonValue, path: str) -> bytes:  # noqa: PLR0911 - one return a kind of type
        resolved = self._schema.resolve(avro_type)
        if isinstance(resolved, UnionType):
            return self._union(resolved, value, path)
        if isinstance(resolved, RecordType):
            return self._record(resolved, value, path)
        if isinstance(resolved, ArrayType):
            return self._array(resolved, value, path)
        if isinstance(resolved, MapType):
            return self._map(resolved, value, path)
        if isinstance(resolved, EnumType):
            return _enum(resolved, value, path)
        if isinstance(resolved, FixedType):
            return _fixed(resolved, value, path)
        if isinstance(resolved, Primitive):
            return _PRIMITIVES[resolved.type](resolved, value, path)
        raise _Mismatch(path, "the type is not known")

    def _record(self, record: RecordType, value: JsonValue, path: str) -> bytes:
        if not isinstance(value, dict):
            raise _expected(f"an object with the fields of {record.name}", value, path)
        names = {field.name for field in record.fields}
        unknown = sorted(value.keys() - names)
        if unknown:
            raise _Mismatch(_below(path, unknown[0]), f"is no field of {record.name}; it has {', '.join(sorted(names))}")
        return b"".join([self._field(field, value, _below(path, field.name)) for field in record.fields])

    def _field(self, field: Field, record: Mapping[str, JsonValue], path: str) -> bytes:
        if field.name in record:
            return self.encode(field.type, record[field.name], path)
        if field.default is not NO_DEFAULT:
            return self._default(field.type, field.default, path)
        try:
            return self.encode(field.type, None, path)
        except _Mismatch as mismatch:
            raise _Mismatch(path, "is missing, may not be null and has no default") from mismatch

    def _default(self, avro_type: AvroType, default: JsonValue, path: str) -> bytes:
        """A default as schemas write it: bytes are a text of as many characters."""
        resolved = self._schema.resolve(avro_type)
        is_bytes = isinstance(resolved, FixedType) or (isinstance(resolved, Primitive) and resolved.type == "bytes")
        if is_bytes and isinstance(default, str):
            raw = default.encode("latin-1", "replace")
            return raw if isinstance(resolved, FixedType) else encode_long(len(raw)) + raw
        return self.encode(avro_type, default, path)

    def _union(self, union: UnionType, value: JsonValue, path: str) -> bytes:
        """The branch that the value names, else the first that it fits; of numbers the one that is written like it."""
        named = self._named_branch(union, value)
        if named is not None and isinstance(value, dict):
            (inner,) = value.values()
            try:
                return encode_long(named) + self.encode(union.branches[named], inner, path)
            except _Mismatch:
                if not any(isinstance(self._schema.resolve(branch), MapType | RecordType) for branch in union.branches):
                    raise
        deeper: list[_Mismatch] = []
        for number, branch in self._by_likeness(union, value):
            try:
                return encode_long(number) + self.encode(branch, value, path)
            except _Mismatch as mismatch:
                deeper += [mismatch] if mismatch.path != path else []
        if len(deeper) == 1:
            raise deeper[0]
        raise _expected(" or ".join(branch_name(branch) for branch in union.branches), value, path)

    def _named_branch(self, union: UnionType, value: JsonValue) -> int | None:
        if not isinstance(value, dict) or len(value) != 1:
            return None
        (name,) = value
        names = [branch_name(branch) for branch in union.branches]
        return next((place for place, full in enumerate(names) if name in (full, full.rpartition(".")[2])), None)

    def _by_likeness(self, union: UnionType, value: JsonValue) -> list[tuple[int, AvroType]]:
        """Branches in the order in which to try them: a text is text before it is bytes, 1.0 is no int."""
        branches = list(enumerate(union.branches))
        if isinstance(value, float):
            return sorted(branches, key=lambda branch: branch_name(branch[1]) not in ("double", "float"))
        if isinstance(value, str):
            return sorted(branches, key=lambda branch: not isinstance(self._schema.resolve(branch[1]), EnumType))
        return branches

    def _array(self, array: ArrayType, value: JsonValue, path: str) -> bytes:
        if not isinstance(value, list):
            raise _expected("an array", value, path)
        items = [self.encode(array.items, item, f"{path}[{number}]") for number, item in enumerate(value)]
        return _block(items)

    def _map(self, avro_map: MapType, value: JsonValue, path: str) -> bytes:
        if not isinstance(value, dict):
            raise _expected("an object", value, path)
        return _block([_text(key, path) + self.encode(avro_map.values, item, _below(path, key)) for key, item in value.items()])


def _block(items: list[bytes]) -> bytes:
    return (encode_long(len(items)) + b"".join(items) if items else b"") + b"\x00"


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _expected(what: str, value: JsonValue, path: str) -> _Mismatch:
    kinds = {bool: "a boolean", int: "a number", float: "a number", str: "a text", list: "an array", dict: "an object"}
    return _Mismatch(path, f"expected {what}, found {'null' if value is None else kinds[type(value)]}")


def _text(value: str, path: str) -> bytes:
    try:
        return encode_string(value)
    except UnicodeEncodeError as error:
        raise _Mismatch(path, "expected a text, found half a surrogate pair in it") from error


def _null(_: Primitive, value: JsonValue, path: str) -> bytes:
    if value is not None:
        raise _expected("null", value, path)
    return b""


def _boolean(_: Primitive, value: JsonValue, path: str) -> bytes:
    if not isinstance(value, bool):
        raise _expected("a boolean", value, path)
    return b"\x01" if value else b"\x00"


def _integer(primitive: Primitive, value: JsonValue, path: str) -> bytes:
    number = _time_number(primitive.logical, value) if isinstance(value, str) and primitive.logical else value
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if not isinstance(number, int) or isinstance(number, bool):
        raise _expected(
            f"{primitive.logical} or a number" if primitive.logical else f"a whole number ({primitive.type})", value, path
        )
    low, high = _INT_RANGE if primitive.type == "int" else _LONG_RANGE
    if not low <= number <= high:
        raise _Mismatch(path, f"expected {primitive.type}, from {low} to {high}, found a number outside")
    return encode_long(number)


def _floating(primitive: Primitive, value: JsonValue, path: str) -> bytes:
    number = _NOT_FINITE.get(value, value) if isinstance(value, str) else value
    if not isinstance(number, int | float) or isinstance(number, bool):
        raise _expected(f"a number ({primitive.type})", value, path)
    try:
        return struct.pack("<f" if primitive.type == "float" else "<d", number)
    except (OverflowError, struct.error) as error:
        raise _Mismatch(path, f"expected {primitive.type}, found a number outside its range") from error


def _string(_: Primitive, value: JsonValue, path: str) -> bytes:
    if not isinstance(value, str):
        raise _expected("a text", value, path)
    return _text(value, path)


def _bytes(primitive: Primitive, value: JsonValue, path: str) -> bytes:
    if primitive.logical == "decimal" and isinstance(value, str | int | float):
        unscaled = _unscaled(value, primitive.scale, path)
        raw = unscaled.to_bytes(unscaled.bit_length() // 8 + 1, "big", signed=True)
    else:
        raw = _base64(value, path)
    return encode_long(len(raw)) + raw


def _enum(enum: EnumType, value: JsonValue, path: str) -> bytes:
    if value not in enum.symbols:
        raise _Mismatch(path, f"expected one of {', '.join(enum.symbols)}")
    return encode_long(enum.symbols.index(value))


def _fixed(fixed: FixedType, value: JsonValue, path: str) -> bytes:
    if fixed.logical == "decimal" and isinstance(value, str | int | float):
        try:
            return _unscaled(value, fixed.scale, path).to_bytes(fixed.size, "big", signed=True)
        except OverflowError as error:
            raise _Mismatch(path, f"expected a decimal of {fixed.size} bytes, found a larger number") from error
    raw = _uuid(value) if fixed.logical == "uuid" else None
    raw = _base64(value, path) if raw is None else raw
    if len(raw) != fixed.size:
        raise _Mismatch(path, f"expected {fixed.size} bytes, found {len(raw)}")
    return raw


def _uuid(value: JsonValue) -> bytes | None:
    try:
        return UUID(value).bytes if isinstance(value, str) else None
    except ValueError:
        return None


def _base64(value: JsonValue, path: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True) if isinstance(value, str) else _refuse(value, path)
    except binascii.Error as error:
        raise _Mismatch(path, "expected base64, found another text") from error


def _refuse(value: JsonValue, path: str) -> bytes:
    raise _expected("base64", value, path)


def _unscaled(value: str | float, scale: int, path: str) -> int:
    try:
        scaled = Decimal(str(value)).scaleb(scale)
        if scaled == scaled.to_integral_value():
            return int(scaled)
    except (InvalidOperation, OverflowError, ValueError) as error:
        raise _Mismatch(path, "expected a decimal number, found another text") from error
    raise _Mismatch(path, f"expected a decimal of scale {scale}, found more digits after the point")


def _time_number(logical: str, value: str) -> int | None:
    """The number that stands for an ISO 8601 date, time or timestamp; None where the text is none."""
    try:
        if logical == "date":
            return (date.fromisoformat(value) - _EPOCH.date()).days
        if logical.startswith("time-"):
            clock = time.fromisoformat(value)
            passed = timedelta(hours=clock.hour, minutes=clock.minute, seconds=clock.second, microseconds=clock.microsecond)
        else:
            moment = datetime.fromisoformat(value)
            passed = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH
    except ValueError:
        return None
    return passed // timedelta(microseconds=1) * _PER_SECOND[logical.rpartition("-")[2]] // 1_000_000


_PRIMITIVES: Final[Mapping[str, Callable[[Primitive, JsonValue, str], bytes]]] = {
    "null": _null,
    "boolean": _boolean,
    "int": _integer,
    "long": _integer,
    "float": _floating,
    "double": _floating,
    "string": _string,
    "bytes": _bytes,
}
