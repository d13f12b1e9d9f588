"""The frame of a record: what names its schema, before the body or in a header."""

from __future__ import annotations

from typing import Final, NamedTuple

from streamproc.avro.listed import Framing
from streamproc.avro.schemas import SchemaRef
from streamproc.batches import Headers
from streamproc.errors import Reason, RecordError, Stage

SCHEMA_HEADER: Final = "__value_schema_id"
SINGLE_OBJECT_MARKER: Final = b"\xc3\x01"

BY_PREFIX: Final = 0
BY_GUID_HEADER: Final = 1
BY_ID_HEADER: Final = 2

_GUID_HEADER_BYTES: Final = 17
_ID_HEADER_BYTES: Final = 5


class HeaderFrame(NamedTuple):
    """The schema that a header names: exactly one of the two is set."""

    guid: bytes | None
    id: int | None


def schema_header(headers: Headers) -> bytes | None:
    """The value of the header that names the schema; None where it is missing or null, as Confluent's clients take it."""
    return next((value for name, value in headers if name == SCHEMA_HEADER), None)


def parse_schema_header(value: bytes) -> HeaderFrame:
    """The schema that the header's value names: byte 1 and a GUID, or byte 0 and an id.

    Raises:
        RecordError: reason `bad_framing`: neither.

    """
    if len(value) == _GUID_HEADER_BYTES and value[0] == 1:
        return HeaderFrame(value[1:], None)
    if len(value) == _ID_HEADER_BYTES and value[0] == 0:
        return HeaderFrame(None, int.from_bytes(value[1:], "big"))
    raise RecordError(
        Reason.BAD_FRAMING,
        Stage.DECODE,
        f"the header {SCHEMA_HEADER} must be byte 1 and a GUID of 16 bytes, or byte 0 and an id of 4; found {len(value)} bytes",
    )


def frame_prefix(framing: Framing, ref: SchemaRef) -> bytes:
    """What stands before a body of this schema."""
    if framing == "raw":
        return b""
    if framing == "single_object":
        return SINGLE_OBJECT_MARKER + ref.fingerprint
    if ref.id is None:
        raise _nameless("id")
    return b"\x00" + ref.id.to_bytes(4, "big")


def framed_headers(headers: Headers | None, form: int, ref: SchemaRef) -> Headers | None:
    """The headers of an output record: the input's, the schema header naming `ref` where it was used, and gone elsewhere."""
    if not headers:
        return headers
    kept = [(name, value) for name, value in headers if name != SCHEMA_HEADER]
    if form == BY_GUID_HEADER:
        if ref.guid is None:
            raise _nameless("GUID")
        kept.append((SCHEMA_HEADER, b"\x01" + ref.guid))
    elif form == BY_ID_HEADER:
        if ref.id is None:
            raise _nameless("id")
        kept.append((SCHEMA_HEADER, b"\x00" + ref.id.to_bytes(4, "big")))
    return kept


def _nameless(what: str) -> RecordError:
    return RecordError(
        Reason.SCHEMA_NOT_ALLOWED,
        Stage.ENCODE,
        f"the output schema has no {what}, so a record can't be framed as its input was",
    )
