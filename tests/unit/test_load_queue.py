"""The queue of loads and the count of outages, without threads."""

from __future__ import annotations

import pytest

from streamproc.models.load_queue import LONGEST_RETRY_SECONDS, LoadQueue
from streamproc.models.outages import Outages


@pytest.fixture
def queue() -> LoadQueue:
    return LoadQueue()


def test_what_is_due_first_is_taken_first_and_equals_in_their_order(queue: LoadQueue) -> None:
    for tenant, due in (("late", 9.0), ("a", 1.0), ("b", 1.0), ("first", 0.5)):
        queue.add(tenant, due=due, waiting_since=0.0)
    assert queue.next_due == 0.5
    assert [queue.take() for _ in range(4)] == ["first", "a", "b", "late"]
    assert queue.next_due is None


def test_an_earlier_request_moves_a_later_one_forward_and_a_later_one_changes_nothing(queue: LoadQueue) -> None:
    queue.add("a", due=30.0, waiting_since=0.0)
    queue.add("a", due=2.0, waiting_since=1.0)
    queue.add("a", due=40.0, waiting_since=2.0)
    assert queue.next_due == 2.0
    assert queue.waiting_since("a") == 0.0
    assert queue.take() == "a"
    assert queue.next_due is None


def test_a_request_under_way_is_repeated_only_when_it_is_asked_for_anew(queue: LoadQueue) -> None:
    queue.add("a", due=0.0, waiting_since=0.0)
    queue.take()
    queue.add("a", due=1.0, waiting_since=1.0)
    assert queue.next_due is None
    queue.add_anew("a", due=1.0, waiting_since=1.0)
    assert queue.next_due is None
    queue.done("a", now=2.0, waiting_since=2.0)
    assert queue.next_due == 2.0
    queue.take()
    queue.done("a", now=3.0, waiting_since=3.0)
    assert queue.next_due is None


def test_retries_come_later_and_later_up_to_a_bound_and_the_wait_counts_from_the_first(queue: LoadQueue) -> None:
    queue.add("a", due=0.0, waiting_since=-7.0)
    now, pauses = 0.0, []
    for _ in range(7):
        queue.take()
        queue.retry("a", now=now)
        assert queue.next_due is not None
        pauses.append(queue.next_due - now)
        now = queue.next_due
    assert pauses == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, LONGEST_RETRY_SECONDS, LONGEST_RETRY_SECONDS])
    assert queue.waiting_since("a") == -7.0


def test_overlapping_outages_count_once_and_end_with_the_last() -> None:
    outages = Outages({})
    assert outages.missed("load", "the store is away", 10.0)
    assert not outages.missed("refresh", "the registry is away", 12.0)
    assert outages.seconds(15.0) == 5.0
    assert not outages.answered("load", 20.0)
    assert outages.reason == "the registry is away"
    assert outages.answered("refresh", 30.0)
    assert not outages.reason
    assert outages.seconds(99.0) == 20.0
    assert outages.missed("load", "again", 100.0)
    assert outages.seconds(101.0) == 21.0


def test_a_dependency_that_was_not_asked_yet_is_named_but_is_no_outage() -> None:
    outages = Outages({"refresh": "has not answered yet"})
    assert (outages.reason, outages.seconds(50.0)) == ("has not answered yet", 0.0)
    assert not outages.answered("refresh", 60.0)
    assert outages.seconds(70.0) == 0.0
    assert outages.reason is None
