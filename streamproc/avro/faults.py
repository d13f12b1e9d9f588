"""What is wrong with a record, in words of our own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamproc.avro import opcodes as op
from streamproc.avro.listed import Framing
from streamproc.errors import Reason, RecordError, Stage

_REASONS: Final[Mapping[int, Reason]] = {
    **dict.fromkeys(op.FAULTS, Reason.UNDECODABLE),
    op.TRAILING: Reason.TRAILING_BYTES,
    op.FRAME_SHORT: Reason.BAD_FRAMING,
    op.FRAME_MAGIC: Reason.BAD_FRAMING,
    op.TENANT_EMPTY: Reason.TENANT_INVALID,
    op.TENANT_LONG: Reason.TENANT_INVALID,
    op.TENANT_TYPE: Reason.TENANT_INVALID,
    op.TENANT_CONTROL: Reason.TENANT_INVALID,
    op.TENANT_UTF8: Reason.UNDECODABLE,
    op.TENANT_NULL: Reason.TENANT_MISSING,
    op.VALUE_NULL: Reason.EMPTY_VALUE,
    op.VALUE_EMPTY: Reason.EMPTY_VALUE,
    op.VALUE_LARGE: Reason.RECORD_TOO_LARGE,
}
_CODES: Final = np.zeros(256, np.uint8)
_CODES[list(_REASONS)] = [reason.code for reason in _REASONS.values()]

_FRAMES: Final = {
    "confluent": "byte 0 and a schema id of 4 bytes, or a header __value_schema_id (avro.framing is confluent)",
    "single_object": "bytes C3 01 and a fingerprint of 8 bytes (avro.framing is single_object)",
    "raw": "an Avro record without a frame (avro.framing is raw)",
}
_TENANTS: Final = {
    op.TENANT_EMPTY: "is empty",
    op.TENANT_LONG: "is longer than 255 bytes of UTF-8",
    op.TENANT_TYPE: "is no string, enum, uuid, int or long",
    op.TENANT_CONTROL: "holds control characters",
    op.TENANT_UTF8: "is not UTF-8",
    op.TENANT_NULL: "is null or absent",
}


def status_of(fault: NDArray[np.uint8], refused: Mapping[int, RecordError]) -> NDArray[np.uint8]:
    """(n,): the code of each row's reason, 0 where nothing is wrong; `refused` rows carry their own."""
    status: NDArray[np.uint8] = _CODES[fault]
    for row, error in refused.items():
        status[row] = error.reason.code
    return status


@dataclass(frozen=True, slots=True)
class FaultText:
    """Words the errors of one decoder."""

    framing: Framing
    tenant_field: str
    max_record_bytes: int

    def error(self, fault: int, position: int, field: str) -> RecordError:
        """The error of a record with this fault, met at `position` of its body while `field` was read ("" where unknown)."""
        return RecordError(_REASONS[fault], Stage.DECODE, self._text(fault, position, field))

    def _text(self, fault: int, position: int, field: str) -> str:
        if fault in _TENANTS:
            return f"the tenant field {self.tenant_field!r} {_TENANTS[fault]} (records.tenant_field)"
        if fault in (op.FRAME_SHORT, op.FRAME_MAGIC):
            found = "fewer bytes" if fault == op.FRAME_SHORT else "other bytes"
            return f"the value must start with {_FRAMES[self.framing]}; found {found}"
        if fault in (op.VALUE_NULL, op.VALUE_EMPTY):
            found = "null" if fault == op.VALUE_NULL else "empty"
            return f"the value is {found}; expected {_FRAMES[self.framing]}"
        if fault == op.VALUE_LARGE:
            return f"the value is larger than avro.max_record_bytes ({self.max_record_bytes})"
        where = f" (byte {position} of the body" + (f", at field {field!r})" if field and fault != op.TRAILING else ")")
        return op.FAULTS[fault] + ("" if fault == op.NO_BODY else where)
