"""Each kind of bad record gets its reason, and costs only itself."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from support.avro import Json, decoder, encoded, record_type
from support.records import record_batch

from streamproc.avro.encoder import encode_long, encode_string
from streamproc.avro.listed import Framing
from streamproc.errors import Reason, Stage

INT_MIN, INT_MAX = -(1 << 31), (1 << 31) - 1
LIMIT = 2000
TENANT = encode_string("t")
NODE = {"type": "record", "name": "Node", "fields": [{"name": "next", "type": ["null", "Node"]}]}
NEST = {"type": "record", "name": "Nest", "fields": [{"name": "below", "type": {"type": "array", "items": "Nest"}}]}
LOOP = record_type("Loop", again="Loop")


class Bad(NamedTuple):
    """A type for the field after the tenant, what stands there, and the reason expected; None: the record is sound."""

    field: Json
    after: bytes
    reason: Reason | None


def array(*blocks: bytes) -> bytes:
    return b"".join(blocks) + b"\x00"


def of(items: Json) -> Json:
    return {"type": "array", "items": items}


BODIES: dict[str, Bad] = {
    "a double cut short": Bad("double", bytes(7), Reason.UNDECODABLE),
    "a float cut short": Bad("float", bytes(3), Reason.UNDECODABLE),
    "a long that never ends": Bad("long", b"\x80", Reason.UNDECODABLE),
    "a long of eleven bytes": Bad("long", b"\x80" * 10 + b"\x01", Reason.UNDECODABLE),
    "a long above 64 bits": Bad("long", b"\xff" * 9 + b"\x02", Reason.UNDECODABLE),
    "the largest long": Bad("long", encode_long((1 << 63) - 1), None),
    "the smallest long": Bad("long", encode_long(-(1 << 63)), None),
    "a long in more bytes than it needs": Bad("long", b"\x82\x80\x00", None),
    "an int above 32 bits": Bad("int", encode_long(INT_MAX + 1), Reason.UNDECODABLE),
    "an int below 32 bits": Bad("int", encode_long(INT_MIN - 1), Reason.UNDECODABLE),
    "the smallest int": Bad("int", encode_long(INT_MIN), None),
    "a boolean of 2": Bad("boolean", b"\x02", Reason.UNDECODABLE),
    "a boolean that is missing": Bad("boolean", b"", Reason.UNDECODABLE),
    "a string of negative length": Bad("string", b"\x01", Reason.UNDECODABLE),
    "a string longer than the record": Bad("string", b"\x08abc", Reason.UNDECODABLE),
    "a string of 2^62 bytes": Bad("string", encode_long(1 << 62), Reason.UNDECODABLE),
    "bytes longer than the record": Bad("bytes", b"\x04a", Reason.UNDECODABLE),
    "an unread string that is no UTF-8": Bad("string", b"\x02\xff", None),
    "a fixed cut short": Bad({"type": "fixed", "name": "F", "size": 4}, bytes(3), Reason.UNDECODABLE),
    "a union index of 2 of 2": Bad(["null", "int"], b"\x04", Reason.UNDECODABLE),
    "a negative union index": Bad(["null", "int"], b"\x01", Reason.UNDECODABLE),
    "an enum index of 2 of 2": Bad({"type": "enum", "name": "E", "symbols": ["a", "b"]}, b"\x04", Reason.UNDECODABLE),
    "a negative enum index": Bad({"type": "enum", "name": "E", "symbols": ["a", "b"]}, b"\x03", Reason.UNDECODABLE),
    "an array without an end": Bad(of("int"), b"\x02\x02", Reason.UNDECODABLE),
    "an array of 2^40 nulls": Bad(of("null"), encode_long(1 << 40) + b"\x00", Reason.UNDECODABLE),
    "an array of nulls up to the limit": Bad(of("null"), encode_long(LIMIT) + b"\x00", None),
    "arrays of nulls above the limit together": Bad(
        of(of("null")), array(encode_long(2) + 2 * array(encode_long(LIMIT // 2))), Reason.UNDECODABLE
    ),
    "an array of 2^40 ints": Bad(of("int"), encode_long(1 << 40) + b"\x00", Reason.UNDECODABLE),
    "a block of -2^63 items": Bad(of("int"), encode_long(-(1 << 63)) + b"\x00\x00", Reason.UNDECODABLE),
    "a block with its size": Bad(of("int"), array(b"\x03\x04\x02\x04"), None),
    "a block shorter than it states": Bad(of("int"), array(b"\x03\x06\x02\x04"), Reason.UNDECODABLE),
    "a block longer than it states": Bad(of("int"), array(b"\x03\x02\x02\x04"), Reason.UNDECODABLE),
    "a block of negative size": Bad(of("int"), array(b"\x03\x01\x02\x04"), Reason.UNDECODABLE),
    "a block of nulls that states a size": Bad(of("null"), array(b"\x03\x02"), Reason.UNDECODABLE),
    "an array in two blocks": Bad(of("int"), array(b"\x02\x02", b"\x02\x04"), None),
    "a map key cut short": Bad({"type": "map", "values": "int"}, b"\x02\x08a", Reason.UNDECODABLE),
    "a map value that is no boolean": Bad({"type": "map", "values": "boolean"}, b"\x02\x02a\x05\x00", Reason.UNDECODABLE),
    "63 records inside the record": Bad(NODE, b"\x02" * 62 + b"\x00", None),
    "64 records inside the record": Bad(NODE, b"\x02" * 63 + b"\x00", Reason.UNDECODABLE),
    "1,900 records inside the record": Bad(NODE, b"\x02" * 1900 + b"\x00", Reason.UNDECODABLE),
    "arrays and records to level 63": Bad(NEST, b"\x02" * 30 + b"\x00" * 31, None),
    "an array at level 65": Bad(NEST, b"\x02" * 31 + b"\x00" * 32, Reason.UNDECODABLE),
    "a record that holds itself": Bad(LOOP, b"", Reason.UNDECODABLE),
    "one byte too many": Bad("int", b"\x02\x00", Reason.TRAILING_BYTES),
    "a second record behind the first": Bad("int", b"\x02" + TENANT + b"\x02", Reason.TRAILING_BYTES),
}


@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.parametrize("captured", [False, True], ids=["unread", "read"])
def test_a_bad_body_gets_its_reason_and_its_neighbours_are_sound(kind: str, captured: bool) -> None:  # noqa: FBT001 - parametrized
    bad = BODIES[kind]
    schema = record_type(tenant="string", x=bad.field)
    good = next((TENANT + other.after for other in BODIES.values() if other.field == bad.field and not other.reason), None)
    values: list[bytes | None] = [good or TENANT + bad.after, TENANT + bad.after, good or TENANT + bad.after]
    subject = decoder(schema, max_record_bytes=LIMIT)
    if captured:
        subject.decode(record_batch(values)).features(0, np.zeros(0, np.int64), ("x",))
    decoded = subject.decode(record_batch(values))
    assert decoded.status[1] == (bad.reason.code if bad.reason else 0)
    if good:
        assert decoded.status[[0, 2]].tolist() == [0, 0]
        assert decoded.tenants == ["t"]
    if bad.reason:
        error = decoded.error(1)
        assert (error.reason, error.stage) == (bad.reason, Stage.DECODE)
        assert error.message


class Framed(NamedTuple):
    framing: Framing
    value: bytes | None
    reason: Reason | None


SOUND = encoded(record_type(tenant="string"), {"tenant": "t"})
VALUES: dict[str, Framed] = {
    "a tombstone": Framed("confluent", None, Reason.EMPTY_VALUE),
    "no bytes": Framed("confluent", b"", Reason.EMPTY_VALUE),
    "a raw value of no bytes": Framed("raw", b"", Reason.EMPTY_VALUE),
    "another magic byte": Framed("confluent", b"\x01" + bytes(4) + SOUND, Reason.BAD_FRAMING),
    "JSON instead of Avro": Framed("confluent", b'{"tenant": "t"}', Reason.BAD_FRAMING),
    "a frame cut short": Framed("confluent", bytes(4), Reason.BAD_FRAMING),
    "one byte": Framed("confluent", bytes(1), Reason.BAD_FRAMING),
    "a frame without a body": Framed("confluent", bytes(5), Reason.UNDECODABLE),
    "a framed record": Framed("confluent", bytes(5) + SOUND, None),
    "half a marker": Framed("single_object", b"\xc3", Reason.BAD_FRAMING),
    "another marker": Framed("single_object", b"\xc3\x02" + bytes(8) + SOUND, Reason.BAD_FRAMING),
    "a fingerprint cut short": Framed("single_object", b"\xc3\x01" + bytes(7), Reason.BAD_FRAMING),
    "a fingerprint without a body": Framed("single_object", b"\xc3\x01" + bytes(8), Reason.UNDECODABLE),
    "a single object": Framed("single_object", b"\xc3\x01" + bytes(8) + SOUND, None),
    "a value at the limit": Framed("raw", encode_string("t" * 98), None),
    "a value above the limit": Framed("raw", encode_string("t" * 99), Reason.RECORD_TOO_LARGE),
}


@pytest.mark.parametrize("kind", VALUES)
def test_a_bad_frame_gets_its_reason(kind: str) -> None:
    bad = VALUES[kind]
    subject = decoder(record_type(tenant="string"), framing=bad.framing, max_record_bytes=100)
    decoded = subject.decode(record_batch([bad.value]))
    assert decoded.status[0] == (bad.reason.code if bad.reason else 0)
    if bad.reason:
        assert decoded.error(0).reason is bad.reason


class Tenant(NamedTuple):
    field: Json
    value: bytes
    expected: Reason | str


COLOUR = {"type": "enum", "name": "Colour", "symbols": ["red", "green"]}
UUID_FIXED = {"type": "fixed", "name": "Id", "size": 16, "logicalType": "uuid"}
TENANTS: dict[str, Tenant] = {
    "a string": Tenant("string", encode_string("acme"), "acme"),
    "a string of another alphabet": Tenant("string", encode_string("株式会社"), "株式会社"),
    "a string of 255 bytes": Tenant("string", encode_string("é" * 127 + "x"), "é" * 127 + "x"),
    "a string of 256 bytes": Tenant("string", encode_string("é" * 128), Reason.TENANT_INVALID),
    "an empty string": Tenant("string", b"\x00", Reason.TENANT_INVALID),
    "a line break": Tenant("string", encode_string("a\nb"), Reason.TENANT_INVALID),
    "a zero byte": Tenant("string", encode_string("a\0"), Reason.TENANT_INVALID),
    "a delete character": Tenant("string", encode_string("a\x7f"), Reason.TENANT_INVALID),
    "a C1 control character": Tenant("string", encode_string("a\x85"), Reason.TENANT_INVALID),
    "a path": Tenant("string", encode_string("../../etc/passwd"), "../../etc/passwd"),
    "no UTF-8": Tenant("string", b"\x04\xc3\x28", Reason.UNDECODABLE),
    "half a surrogate pair in UTF-8": Tenant("string", b"\x06\xed\xa0\x80", Reason.UNDECODABLE),
    "a nullable string": Tenant(["null", "string"], b"\x02" + encode_string("acme"), "acme"),
    "null": Tenant(["null", "string"], b"\x00", Reason.TENANT_MISSING),
    "an enum": Tenant(COLOUR, b"\x02", "green"),
    "an int": Tenant("int", encode_long(-7), "-7"),
    "a long": Tenant("long", encode_long(1 << 62), "4611686018427387904"),
    "a long or a string": Tenant(["string", "long"], b"\x02" + encode_long(7), "7"),
    "a UUID as text": Tenant({"type": "string", "logicalType": "uuid"}, encode_string("A-1"), "A-1"),
    "a UUID as bytes": Tenant(UUID_FIXED, bytes(range(16)), "00010203-0405-0607-0809-0a0b0c0d0e0f"),
    "a nullable UUID as bytes": Tenant(["null", UUID_FIXED], b"\x02" + bytes(16), "00000000-0000-0000-0000-000000000000"),
    "a boolean": Tenant("boolean", b"\x01", Reason.TENANT_INVALID),
    "a double": Tenant("double", bytes(8), Reason.TENANT_INVALID),
    "bytes": Tenant("bytes", encode_string("acme"), Reason.TENANT_INVALID),
    "another fixed": Tenant({"type": "fixed", "name": "F", "size": 4}, b"acme", Reason.TENANT_INVALID),
    "an array": Tenant(of("string"), b"\x00", Reason.TENANT_INVALID),
    "an array of numbers": Tenant(of("int"), b"\x00", Reason.TENANT_INVALID),
    "a map": Tenant({"type": "map", "values": "string"}, b"\x00", Reason.TENANT_INVALID),
    "a record": Tenant(record_type("Inner", id="string"), encode_string("acme"), Reason.TENANT_INVALID),
    "a double where it may be a string": Tenant(["string", "double"], b"\x02" + bytes(8), Reason.TENANT_INVALID),
}


@pytest.mark.parametrize("kind", TENANTS)
def test_a_tenant_is_found_or_refused_by_its_type_and_content(kind: str) -> None:
    tenant = TENANTS[kind]
    subject = decoder(record_type(before="long", tenant=tenant.field, after="int"), max_record_bytes=2000)
    decoded = subject.decode(record_batch([b"\x02" + tenant.value + b"\x04"]))
    if not isinstance(tenant.expected, Reason):
        assert decoded.status[0] == 0
        assert decoded.tenants[decoded.tenant[0]] == tenant.expected
    else:
        assert (decoded.status[0], decoded.tenant[0]) == (tenant.expected.code, -1)
        assert decoded.error(0).reason is tenant.expected
        assert "'tenant'" in decoded.error(0).message


@pytest.mark.parametrize(
    ("tenant", "named"),
    [
        (encode_string("acme"), "acme"),
        (encode_string("a\nb"), "a\nb"),
        (encode_string("é" * 500), "é" * 127),
        (encode_string("x" * 10_000), "x" * 255),
        (b"\x00", None),
        (b"\x04\xc3\x28", None),
    ],
)
def test_a_name_that_no_tenant_may_have_is_known_all_the_same(tenant: bytes, named: str | None) -> None:
    values: list[bytes | None] = [TENANT + b"\x00", None, tenant + b"\x00"]
    decoded = decoder(record_type(tenant="string", flag="boolean")).decode(record_batch(values))
    assert [decoded.named_tenant(1), decoded.named_tenant(2)] == [None, named]


def test_no_message_quotes_what_the_record_holds() -> None:
    secret = b"\x0csecret"
    values: list[bytes | None] = [secret + b"\xff", secret + b"\x04", b"\x0ese\x00cret\x00", secret[:4], b"\x0csec\xffet\x00"]
    decoded = decoder(record_type(tenant="string", flag="boolean")).decode(record_batch(values))
    assert decoded.status.all()
    assert not any("sec" in decoded.error(row).message for row in range(len(values)))


def test_a_message_names_the_field_that_could_not_be_read() -> None:
    schema = record_type(tenant="string", a=record_type("A", b=["null", record_type("B", c="boolean")]))
    decoded = decoder(schema).decode(record_batch([TENANT + b"\x02\x07"]))
    assert decoded.error(0).message == "a boolean is neither 0 nor 1 (byte 3 of the body, at field 'B.c')"
