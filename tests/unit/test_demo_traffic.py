from __future__ import annotations

from streamproc.demo.traffic import UNANSWERED_BYTES, UNCOMMITTED_BYTES, room


def test_events_that_have_not_come_back_take_room() -> None:
    empty = room(unanswered=0, uncommitted=0, event_bytes=100)
    assert empty == UNANSWERED_BYTES // 100
    assert room(unanswered=100, uncommitted=0, event_bytes=100) == empty - 100
    assert room(unanswered=empty + 1, uncommitted=0, event_bytes=100) == 0


def test_nothing_is_sent_while_a_partition_holds_too_much_that_is_not_committed() -> None:
    limit = UNCOMMITTED_BYTES // 100
    assert room(unanswered=0, uncommitted=limit, event_bytes=100) > 0
    assert room(unanswered=0, uncommitted=limit + 1, event_bytes=100) == 0
