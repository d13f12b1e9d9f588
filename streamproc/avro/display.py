"""Records for people: as JSON values, read with fastavro after our own decoder has found the bytes sound."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping
from datetime import date, datetime, time
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import fastavro
import numpy as np

from streamproc.avro import opcodes as op
from streamproc.avro.faults import FaultText
from streamproc.avro.kernel_walk import walk
from streamproc.avro.program import Program, compile_program
from streamproc.avro.types import AvroSchema, JsonValue, as_json

_FAULT_TEXT: Final = FaultText(framing="raw", tenant_field="", max_record_bytes=0)


def record_as_json(schema: AvroSchema, body: bytes) -> dict[str, JsonValue]:
    """The record as JSON values.

    Bytes and fixed become base64, times ISO 8601, decimals and UUIDs text, NaN and infinities the texts "NaN", "Infinity" and
    "-Infinity". A time that no calendar has stays a number.

    Raises:
        RecordError: the body is no record of `schema`; reason `undecodable` or `trailing_bytes`.

    """
    check_body(schema, body)
    try:
        record = fastavro.schemaless_reader(io.BytesIO(body), _parsed(schema, logical=True), None)
    except (ValueError, OverflowError, ArithmeticError):  # a logical type whose value Python can't hold
        record = fastavro.schemaless_reader(io.BytesIO(body), _parsed(schema, logical=False), None)
    shown = _shown(record)
    return shown if isinstance(shown, dict) else {"value": shown}


def check_body(schema: AvroSchema, body: bytes) -> None:
    """Walk the body as the processor does; raises RecordError where it is no record of `schema`."""
    program = _program(schema)
    fault, place = np.zeros(1, np.uint8), np.zeros((1, 2), np.int64)
    walk(
        np.frombuffer(body, np.uint8),
        np.array([0, len(body)], np.int64),
        np.zeros(1, np.int64),
        np.zeros(1, np.int64),
        program.ops,
        program.jumps,
        len(body),
        np.empty((1, 0), np.int64),
        np.zeros((1, 0), np.uint8),
        fault,
        place,
        np.empty((op.MAX_DEPTH, 2), np.int64),
    )
    if fault[0]:
        position, instruction = place[0].tolist()
        raise _FAULT_TEXT.error(int(fault[0]), position, program.trail[instruction])


@lru_cache(maxsize=256)
def _program(schema: AvroSchema) -> Program:
    return compile_program(schema, ())


@lru_cache(maxsize=256)
def _parsed(schema: AvroSchema, *, logical: bool) -> Any:  # noqa: ANN401 - what fastavro makes of a schema is its own affair
    return fastavro.parse_schema(as_json(schema.root, logical=logical))


def _shown(value: object) -> JsonValue:
    if isinstance(value, Mapping):
        return {str(key): _shown(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_shown(item) for item in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value if value is None or isinstance(value, bool | int | float | str) else _text(value)


def _text(value: object) -> str:
    return str(value) if isinstance(value, UUID) else f"{value:f}"
