"""Bad records of many kinds, each with the reason that it has to die for."""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from support.shops import SCHEMA, Sale, encode, sale


@dataclass(frozen=True, slots=True)
class BadRecord:
    """What is sent, and what has to become of it."""

    kind: str
    value: bytes | None
    reason: str
    headers: tuple[tuple[str, bytes | None], ...] = ()


def _sale(tenant: str, **changes: object) -> Sale:
    return {**sale(tenant, random.Random(3)), **changes}  # noqa: S311 - test data


def _with_type(field: str, avro_type: object, tenant: str, value: object) -> bytes:
    """A sale whose writer took the field for another type, but framed it as ours: the bytes are wrong just there."""
    schema: dict[str, Any] = copy.deepcopy(dict(SCHEMA))  # Avro's own JSON
    for one in schema["fields"]:
        if one["name"] == field:
            one["type"] = avro_type
    return encode(_sale(tenant, **{field: value}), schema=schema)


def wrong_bytes(tenant: str) -> Iterator[BadRecord]:
    """Values that are not what their frame says; `tenant` has a model."""
    good = encode(_sale(tenant))
    yield BadRecord("null", None, "empty_value")
    yield BadRecord("empty", b"", "empty_value")
    yield BadRecord("one byte", b"\0", "bad_framing")
    yield BadRecord("half a frame", b"\0\0\0\0", "bad_framing")
    yield BadRecord("another magic byte", b"\1" + good[1:], "bad_framing")
    yield BadRecord("JSON", b'{"tenant_id": "x"}', "bad_framing")
    yield BadRecord("an id that nobody knows", b"\0\0\0\x03\xe7" + good[5:], "unknown_schema")
    yield BadRecord("the id of the output's schema", b"\0\0\0\0\x08" + good[5:], "unknown_schema")
    yield BadRecord("a frame without a body", good[:5], "undecodable")
    yield BadRecord("cut in the middle", good[: len(good) // 2], "undecodable")
    yield BadRecord("cut by one byte", good[:-1], "undecodable")
    yield BadRecord("one byte too many", good + b"\0", "trailing_bytes")
    yield BadRecord("twice the record", good + good[5:], "trailing_bytes")
    yield BadRecord("larger than allowed", encode(_sale(tenant, notes={"x": "y" * 1_000_000})), "record_too_large")
    yield BadRecord("a number that never ends", good[:5] + b"\xff" * 40, "undecodable")
    yield BadRecord("a negative length", good[:5] + b"\x01" + good[6:], "undecodable")
    yield BadRecord("a length beyond the end", good[:5] + b"\xfe\xff\xff\xff\x0f" + good[6:], "undecodable")
    yield BadRecord("a union's branch 7", _with_type("maybe", "int", tenant, 7), "undecodable")
    yield BadRecord("a union's branch -1", _with_type("maybe", "int", tenant, -1), "undecodable")
    yield BadRecord("an enum's symbol 99", _with_type("colour", "int", tenant, 99), "undecodable")
    yield BadRecord("an enum's symbol -1", _with_type("colour", "int", tenant, -1), "undecodable")
    yield BadRecord("a boolean of 4", _with_type("open", "int", tenant, 2), "undecodable")
    yield BadRecord("an int of 2^40", _with_type("count", "long", tenant, 2**40), "undecodable")
    yield BadRecord("an array of 2^40 items", _with_type("parts", "long", tenant, 2**40), "undecodable")
    yield BadRecord("an array of -2^62 items", _with_type("parts", "long", tenant, -(2**62)), "undecodable")
    yield BadRecord("a header that is no GUID", good, "bad_framing", (("__value_schema_id", b"\x01short"),))
    yield BadRecord("a GUID that nobody knows", good[5:], "unknown_schema", (("__value_schema_id", b"\x01" + b"\x07" * 16),))


def wrong_tenants() -> Iterator[BadRecord]:
    """Values that decode, with tenants that can't be."""
    yield BadRecord("an empty tenant", encode(_sale("")), "tenant_invalid")
    yield BadRecord("a tenant with a line break", encode(_sale("shop\n-1")), "tenant_invalid")
    yield BadRecord("a tenant with a NUL", encode(_sale("shop\0-1")), "tenant_invalid")
    yield BadRecord("a tenant with DEL", encode(_sale("shop\x7f")), "tenant_invalid")
    yield BadRecord("a tenant of 256 bytes", encode(_sale("é" * 128)), "tenant_invalid")
    yield BadRecord("a tenant that is no UTF-8", _with_type("tenant_id", "bytes", "x", b"\xff\xfe"), "undecodable")
    for tenant in ("../../etc/passwd", "'; DROP TABLE assignments;--", "nobody", "Ünïcode 東京", "%s%n{0}${x}", " "):
        yield BadRecord(f"tenant {tenant}", encode(_sale(tenant)), "tenant_unknown")


def wrong_features(tenant: str, needs_maybe: str) -> Iterator[BadRecord]:
    """Sound records that a model can't take: `tenant` reads a and count, `needs_maybe` reads maybe and takes no null."""
    yield BadRecord("NaN", encode(_sale(tenant, a=math.nan)), "feature_invalid")
    yield BadRecord("infinity", encode(_sale(tenant, a=math.inf)), "feature_invalid")
    yield BadRecord("minus infinity", encode(_sale(tenant, b=-math.inf)), "feature_invalid")
    yield BadRecord("null", encode(_sale(needs_maybe, maybe=None)), "feature_missing")


def by_value(records: list[BadRecord]) -> dict[tuple[bytes | None, tuple[tuple[str, bytes | None], ...]], BadRecord]:
    """To find a bad record again in the dead-letter topic."""
    return {(record.value, record.headers): record for record in records}
