"""The travelling values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.records import record_batch

from streamproc.batches import RecordBatch, Spans
from streamproc.errors import Reason


def test_a_null_value_stays_distinct_from_an_empty_one() -> None:
    both = record_batch([None, b""])
    assert (both.value(0), both.value(1)) == (None, b"")


def test_concatenation_keeps_every_record_its_order_and_its_partition() -> None:
    parts = [
        record_batch([b"x", None], topic="a"),
        RecordBatch.empty(),
        record_batch([b"yz"], topic="b", first_offset=5),
        record_batch([b"w"], topic="a", first_offset=9),
    ]
    joined = RecordBatch.concatenate(parts)
    assert [joined.value(row) for row in range(len(joined))] == [b"x", None, b"yz", b"w"]
    assert [joined.partition_id(row).topic for row in range(len(joined))] == ["a", "a", "b", "a"]
    assert {p.topic: o.tolist() for p, o in joined.offsets_by_partition().items()} == {"a": [0, 1, 9], "b": [5]}


def test_taking_rows_keeps_their_bytes_and_positions() -> None:
    taken = record_batch([b"one", b"two", None, b"four"]).take(np.array([3, 0, 2]))
    assert [taken.value(row) for row in range(3)] == [b"four", b"one", None]
    assert taken.offsets.tolist() == [3, 0, 2]
    assert taken.keys == [b"k3", b"k0", b"k2"]


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_a_code_of_its_own_that_is_not_zero(reason: Reason) -> None:
    assert reason.code > 0
    assert Reason.from_code(reason.code) is reason


@given(st.lists(st.binary(max_size=9), max_size=50))
@example([bytes([row % 251]) * (row % 7) for row in range(1600)])
def test_spans_are_the_strings_that_they_were_made_of(strings: list[bytes]) -> None:
    ends = np.cumsum([len(string) for string in strings]).astype(np.int64)
    spans = Spans(np.frombuffer(b"".join(strings) + b"more", np.uint8), ends)
    assert list(spans) == strings
    assert [spans[row] for row in range(len(spans))] == strings
    assert spans[1:-1] == strings[1:-1]
