"""Outputs and dead letters on their way to the producer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from support.records import record_batch, tenant_counts

from streamproc.batches import BatchResult, DeadLetter, OutgoingRecords, PartitionId
from streamproc.dead_letters import StopShare
from streamproc.delivery import Delivery
from streamproc.errors import Reason, Stage, TransientError
from streamproc.ports import DeliveryRefusedError, Refused


class FakeSink:
    """Delivers at a flush; refuses, at once or at the flush, the values it is told to."""

    def __init__(self, refuse_at_once: int = 10**9, refuse_at_flush: Sequence[bytes] = ()) -> None:
        self.largest = refuse_at_once
        self.refuse_at_flush = set(refuse_at_flush)
        self.queued: list[tuple[str, bytes | None]] = []
        self.delivered: list[tuple[str, bytes | None]] = []
        self.sent: list[OutgoingRecords] = []

    def send(self, records: OutgoingRecords) -> Sequence[Refused]:
        self.sent.append(records)
        refused = [Refused(row, "too large") for row, value in enumerate(records.values) if len(value or b"") > self.largest]
        rows = {row for row, _ in refused}
        self.queued += [(records.topic, value) for row, value in enumerate(records.values) if row not in rows]
        return refused

    def flush(self, timeout: float) -> None:
        del timeout
        queued, self.queued = self.queued, []
        if any(topic == "out" and value in self.refuse_at_flush for topic, value in queued):
            raise DeliveryRefusedError("the broker refuses its content")
        self.delivered += queued

    def close(self) -> None:
        self.queued.clear()


def delivery(sink: FakeSink) -> Delivery:
    return Delivery(sink, StopShare(None, 1), dead_letter_topic="dead", flush_seconds=1)


def result(
    outputs: list[bytes],
    dead: Sequence[DeadLetter] = (),
    inputs: list[bytes | None] | None = None,
    first_offset: int = 10,
) -> BatchResult:
    n = len(outputs)
    return BatchResult(
        records=record_batch(inputs or [b"in"] * n, first_offset=first_offset),
        outputs=OutgoingRecords("out", [*outputs], [b"k"] * n, [None] * n, np.zeros(n, np.int64)),
        predicted=np.arange(n),
        event_times=np.zeros(n, np.int64),
        dead=tuple(dead),
        parked={},
        tenants=tenant_counts({}),
    )


LETTER = DeadLetter(0, Reason.UNDECODABLE, Stage.DECODE, "RecordError", "our own text")


def test_outputs_and_dead_letters_are_handed_over_and_confirmed_together() -> None:
    sink = FakeSink()
    way = delivery(sink)
    way.send(result([b"p1", b"p2"], [LETTER]))
    way.confirm()
    assert sink.delivered == [("out", b"p1"), ("out", b"p2"), ("dead", b"in")]


def test_an_output_that_the_client_refuses_is_a_dead_letter_of_its_input() -> None:
    sink = FakeSink(refuse_at_once=3)
    sent = delivery(sink).send(result([b"p1", b"large"]))
    assert [(letter.row, letter.reason) for letter in sent.dead_letters] == [(1, Reason.OUTPUT_REFUSED)]
    assert sink.queued == [("out", b"p1"), ("dead", b"in")]


def test_a_dead_letter_refused_for_its_size_is_written_without_its_value() -> None:
    sink = FakeSink(refuse_at_once=3)
    delivery(sink).send(result([], [LETTER], inputs=[b"larger"]))
    assert sink.queued == [("dead", None)]


def test_a_dead_letter_that_is_refused_even_without_its_value_is_not_lost_but_waits() -> None:
    sink = FakeSink(refuse_at_once=-1)
    with pytest.raises(TransientError, match=r"max\.message\.bytes"):
        delivery(sink).send(result([], [LETTER], inputs=[b"any"]))


def test_after_a_refusal_the_span_goes_one_by_one_and_only_the_refused_record_dies() -> None:
    sink = FakeSink(refuse_at_flush=[b"bad"])
    way = delivery(sink)
    span = result([b"p1", b"bad", b"p3"])
    way.send(span)
    with pytest.raises(DeliveryRefusedError):
        way.confirm()
    sent = way.send(span)
    way.confirm()
    assert [letter.row for letter in sent.dead_letters] == [1]
    assert sent.produced == {"out": 2, "dead": 1}
    assert sink.delivered == [("out", b"p1"), ("out", b"p3"), ("dead", b"in")]


def refused_span() -> tuple[FakeSink, Delivery]:
    """A delivery that has seen the records 10 to 12 refused, and nothing sent since."""
    sink = FakeSink(refuse_at_flush=[b"bad"])
    way = delivery(sink)
    way.send(result([b"p1", b"bad", b"p3"]))
    with pytest.raises(DeliveryRefusedError):
        way.confirm()
    sink.sent.clear()
    return sink, way


def test_behind_the_span_batches_go_whole_again() -> None:
    sink, way = refused_span()
    way.send(result([b"p1", b"p2"], first_offset=13))
    assert [len(records) for records in sink.sent] == [2, 0]


def test_a_batch_that_reaches_into_the_span_goes_one_by_one() -> None:
    sink, way = refused_span()
    way.send(result([b"p3", b"p4"], first_offset=12))
    assert [len(records) for records in sink.sent] == [1, 1]


def test_the_span_of_a_partition_that_left_is_forgotten() -> None:
    sink, way = refused_span()
    way.forget([PartitionId("events", 0)])
    way.send(result([b"p1", b"p2"]))
    assert [len(records) for records in sink.sent] == [2, 0]
