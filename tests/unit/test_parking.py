"""Records that wait."""

from __future__ import annotations

from support.records import record_batch

from streamproc.batches import PartitionId, RecordBatch
from streamproc.parking import Parking


def parking(max_records: int = 10, max_bytes: int = 1000) -> Parking:
    return Parking(max_records=max_records, max_bytes=max_bytes)


def offsets(batch: RecordBatch) -> list[int]:
    return [int(offset) for offset in batch.offsets]


def test_a_tenants_records_come_back_in_the_order_in_which_they_were_parked() -> None:
    lot = parking()
    lot.park({"a": record_batch([b"1", b"2"]), "b": record_batch([b"x"], first_offset=2)})
    lot.park({"a": record_batch([b"3"], first_offset=3)})
    assert {tenant: offsets(batch) for tenant, batch in lot.ready(lambda _: False).items()} == {"a": [0, 1, 3], "b": [2]}


def test_a_tenant_that_waits_is_not_ready() -> None:
    lot = parking()
    lot.park({"a": record_batch([b"1"]), "b": record_batch([b"2"])})
    assert set(lot.ready(lambda tenant: tenant == "a")) == {"b"}


def test_ready_records_stay_until_they_are_removed() -> None:
    lot = parking()
    lot.park({"a": record_batch([b"1", b"2"])})
    lot.ready(lambda _: False)
    assert lot.records == 2
    lot.remove(["a", "never parked"])
    assert (lot.records, list(lot.tenants)) == (0, [])


def test_records_of_dropped_partitions_are_forgotten_and_no_others() -> None:
    lot = parking()
    mixed = RecordBatch.concatenate([record_batch([b"1", b"2"], partition=0), record_batch([b"3"], partition=1)])
    lot.park({"a": mixed, "b": record_batch([b"4"], partition=0)})
    lot.drop({PartitionId("events", 0)})
    assert lot.records == 1
    assert {tenant: batch.value(0) for tenant, batch in lot.ready(lambda _: False).items()} == {"a": b"3"}


def test_it_is_full_at_either_bound_and_has_room_again_at_half_of_both() -> None:
    by_records, by_bytes = parking(max_records=4), parking(max_bytes=4)
    by_records.park({"a": record_batch([b""] * 4)})
    by_bytes.park({"a": record_batch([b"1234"])})
    assert by_records.is_full
    assert by_bytes.is_full
    assert not by_bytes.has_room
    by_bytes.remove(["a"])
    assert by_bytes.has_room
