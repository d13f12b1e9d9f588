"""Tenants keep their numbers from batch to batch."""

from __future__ import annotations

import json
import random
from pathlib import Path
from uuid import UUID

from support.avro import Json, decoder, encoded, record_type
from support.records import record_batch

from streamproc.avro.decoder import DecodedBatch, Decoder
from streamproc.avro.listed import ListedSchemas, SchemaEntry
from streamproc.avro.tenants import TenantDirectory

BY_NAME = record_type(tenant="string", x="int")
BY_ENUM = record_type(tenant={"type": "enum", "name": "Who", "symbols": ["red", "green", "blue"]}, x="int")
BY_NUMBER = record_type(tenant="long", x="int")


def decode(reader: Decoder, schema: Json, tenants: list[Json]) -> DecodedBatch:
    return reader.decode(record_batch([encoded(schema, {"tenant": tenant, "x": 1}) for tenant in tenants]))


def named(decoded: DecodedBatch) -> list[str | None]:
    return [decoded.tenants[number] if number >= 0 else None for number in decoded.tenant.tolist()]


def test_ten_thousand_tenants_are_known_again_by_the_numbers_they_got() -> None:
    reader = decoder(BY_NAME)
    seeded = random.Random(1)  # noqa: S311 - test data
    names = [f"tenant-{number}{'é' * (number % 7)}" for number in range(10_000)]
    numbers: dict[str, int] = {}
    for _ in range(8):
        chosen = seeded.sample(names, 4000)
        decoded = decode(reader, BY_NAME, [*chosen, "", "\x07"])
        assert named(decoded) == [*chosen, None, None]
        for name, number in zip(chosen, decoded.tenant.tolist(), strict=False):
            assert numbers.setdefault(name, number) == number
    assert sorted(numbers.values()) == list(range(len(numbers)))


def test_a_tenant_has_one_number_however_records_name_it() -> None:
    reader = decoder(BY_NUMBER)
    first = decode(reader, BY_NUMBER, [7, 8, 7])
    assert (named(first), first.tenant.tolist()) == (["7", "8", "7"], [0, 1, 0])
    assert reader.tenants.names == ["7", "8"]
    again = decode(reader, BY_NUMBER, [8, -(2**63), 7])
    assert (named(again), again.tenant.tolist()) == (["8", str(-(2**63)), "7"], [1, 2, 0])


def test_enums_are_known_by_their_symbol_and_not_by_its_place() -> None:
    reader = decoder(BY_ENUM)
    assert decode(reader, BY_ENUM, ["blue", "red"]).tenant.tolist() == [0, 1]
    assert named(decode(reader, BY_ENUM, ["red", "green", "blue"])) == ["red", "green", "blue"]
    assert reader.tenants.names == ["blue", "red", "green"]


def test_a_full_directory_starts_a_new_generation_between_two_batches() -> None:
    reader = decoder(BY_NAME)
    reader.tenants = TenantDirectory(max_tenants=3)
    before = decode(reader, BY_NAME, ["a", "b", "c", "d"])
    assert (named(before), reader.tenants.generation) == (["a", "b", "c", "d"], 0)
    after = decode(reader, BY_NAME, ["d", "a"])
    assert (named(after), after.tenant.tolist(), reader.tenants.generation) == (["d", "a"], [0, 1], 1)
    assert named(before) == ["a", "b", "c", "d"]


def test_a_uuid_and_a_text_of_the_same_sixteen_bytes_are_two_tenants(tmp_path: Path) -> None:
    raw = b"0123456789abcdef"
    uuid = {"type": "fixed", "name": "Id", "size": 16, "logicalType": "uuid"}
    for number, schema in enumerate((BY_NAME, record_type(tenant=uuid, x="int"))):
        (tmp_path / f"{number}.avsc").write_text(json.dumps(schema))
    entries = [SchemaEntry(tmp_path / f"{number}.avsc", number, number + 10) for number in range(2)]
    reader = Decoder(
        ListedSchemas(entries, framing="confluent"),
        framing="confluent",
        tenant_field="tenant",
        event_time_field=None,
        max_record_bytes=1000,
    )
    text, fixed = b"\0\0\0\0\0" + b"\x20" + raw + b"\x02", b"\0\0\0\0\1" + raw + b"\x02"
    expected = [raw.decode(), str(UUID(bytes=raw))]
    for first, second in ((text, fixed), (fixed, text)):
        assert sorted(map(str, named(reader.decode(record_batch([first, second]))))) == sorted(expected)
    assert reader.tenants.names == expected
