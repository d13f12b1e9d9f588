"""Dead letters: what is written, and when too many of them stop the process."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.records import record_batch, tenant_counts

from streamproc.batches import BatchResult, DeadLetter, Headers, OutgoingRecords, RecordBatch
from streamproc.dead_letters import StopShare, TooManyDeadLettersError, dead_letter_records, without_values
from streamproc.errors import Reason, Stage


def letter(
    row: int = 0, reason: Reason = Reason.UNDECODABLE, tenant: str | None = None, model_id: str | None = None
) -> DeadLetter:
    return DeadLetter(row, reason, Stage.DECODE, "RecordError", "our own text", tenant, model_id)


def with_headers(headers: Headers) -> RecordBatch:
    return replace(record_batch([b"original"], partition=3, first_offset=41, timestamp=99), headers=[headers])


def ours(records: OutgoingRecords) -> dict[str, bytes | None]:
    prefix = "__streamproc.errors."
    return {name.removeprefix(prefix): value for name, value in records.headers[0] or () if name.startswith(prefix)}


def test_key_and_value_are_the_originals_even_where_they_are_null() -> None:
    written = dead_letter_records("dead", record_batch([b"x", None]), [letter(1), letter(0)])
    assert (written.values, written.keys) == ([None, b"x"], [b"k1", b"k0"])


def test_the_headers_say_why_and_where_it_came_from() -> None:
    written = dead_letter_records("dead", with_headers([]), [letter(tenant="shop-1", model_id="m@1")])
    assert ours(written) == {
        "reason": b"undecodable",
        "stage": b"decode",
        "exception": b"RecordError",
        "message": b"our own text",
        "topic": b"events",
        "partition": b"3",
        "offset": b"41",
        "timestamp": b"99",
        "attempt": b"1",
        "tenant": b"shop-1",
        "model_id": b"m@1",
    }


def test_original_headers_are_kept_but_for_those_of_our_names() -> None:
    original = [
        ("trace", b"1"),
        ("trace", None),
        ("__streamproc.errors.reason", b"forged"),
        ("__streamproc.errors.attempt", b"2"),
    ]
    written = dead_letter_records("dead", with_headers(original), [letter()])
    assert list(written.headers[0] or ())[:2] == [("trace", b"1"), ("trace", None)]
    assert ours(written)["reason"] == b"undecodable"
    assert ours(written)["attempt"] == b"3"


@pytest.mark.parametrize("forged", [b"-1", b"x", b"", b"9" * 50, "²".encode()])
def test_an_attempt_that_is_no_number_counts_as_none(forged: bytes) -> None:
    written = dead_letter_records("dead", with_headers([("__streamproc.errors.attempt", forged)]), [letter()])
    assert ours(written)["attempt"] == b"1"


def test_a_hostile_tenant_name_is_escaped_and_cut() -> None:
    written = dead_letter_records("dead", with_headers([]), [letter(tenant="a\n\x1b[2Jé" + "é" * 500)])
    tenant = ours(written)["tenant"] or b""
    assert tenant.startswith(b"a\\n\\x1b[2J")
    assert len(tenant) <= 255
    tenant.decode()


def test_one_too_large_goes_without_its_value_but_with_its_length_and_digest() -> None:
    written = without_values(dead_letter_records("dead", with_headers([("trace", b"1")]), [letter()]))
    assert written.values == [None]
    assert ours(written)["value_bytes"] == b"8"
    assert ours(written)["value_sha256"] == b"0682c5f2076f099c34cfdd15a9e063849ed437a49677e6fcc5b4198c76575be5"
    assert ("trace", b"1") in (written.headers[0] or ())


def result(predicted: int, *dead: DeadLetter) -> BatchResult:
    return BatchResult(
        records=RecordBatch.empty(),
        outputs=OutgoingRecords("out", [], [], [], np.zeros(0, np.int64)),
        predicted=np.arange(predicted),
        event_times=np.zeros(0, np.int64),
        dead=dead,
        parked={},
        tenants=tenant_counts({}),
    )


def test_too_many_dead_letters_without_a_tenant_stop_the_process() -> None:
    share = StopShare(0.5, 10)
    share.check(result(5, *[letter()] * 5))
    with pytest.raises(TooManyDeadLettersError, match=r"dead_letters\.stop_share"):
        share.check(result(0, *[letter()] * 10))


def test_too_few_records_stop_nobody() -> None:
    StopShare(0.5, 10).check(result(0, *[letter()] * 9))


def test_one_bad_tenant_however_busy_stops_nobody() -> None:
    share = StopShare(0.5, 10)
    for _ in range(20):
        share.check(result(0, *[letter(tenant="a", reason=Reason.FEATURE_MISSING)] * 10))


def test_the_same_fault_at_three_tenants_stops_the_process() -> None:
    dead = [letter(tenant=tenant, reason=Reason.MODEL_MISSING) for tenant in "abc" * 4]
    with pytest.raises(TooManyDeadLettersError, match="model_missing"):
        StopShare(0.5, 10).check(result(0, *dead))


def test_old_records_leave_the_window() -> None:
    share = StopShare(0.5, 10)
    share.check(result(0, *[letter()] * 5))
    for _ in range(10):
        share.check(result(10))
    share.check(result(5, *[letter()] * 5))


def test_without_a_share_nothing_stops_the_process() -> None:
    StopShare(None, 1).check(result(0, *[letter()] * 100))
