"""The loop on the broker in memory: the real pipeline, models that are functions, loaders that answer when the test says so."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from streamproc.avro.decoder import Decoder
from streamproc.avro.encoder import PredictionEncoder
from streamproc.avro.listed import ListedSchemas, SchemaEntry
from streamproc.avro.outputs import OutputWriter
from streamproc.batches import BatchResult, PartitionId, RecordBatch
from streamproc.clock import Clock, Shutdown, StageClock
from streamproc.dead_letters import StopShare, TooManyDeadLettersError
from streamproc.delivery import Delivery
from streamproc.errors import Reason, RecordError, Stage, TransientError
from streamproc.inference.predictor import LoopPredictor
from streamproc.models.base import Model, ModelInfo, ModelMetadata, OutputKind
from streamproc.models.loader import Arrival, Loaded, NotLoaded
from streamproc.models.serving import TenantModels
from streamproc.pipeline import Pipeline
from streamproc.pipeline.fused import FusedModels
from streamproc.pipeline.native import NativePath
from streamproc.ports import BatchReport, CommitReport
from streamproc.processor import LoopLimits, StreamProcessor
from streamproc.testing import InMemoryBroker, InMemorySink, InMemorySource

SCHEMA: Mapping[str, Any] = {
    "type": "record",
    "name": "Reading",
    "fields": [{"name": "tenant_id", "type": "string"}, {"name": "x", "type": "double"}],
}
LATER_SCHEMA: Mapping[str, Any] = {**SCHEMA, "fields": [*SCHEMA["fields"], {"name": "unit", "type": "string"}]}
UNKNOWN = RecordError(Reason.TENANT_UNKNOWN, Stage.ROUTE, "no assignment")


class Doubling(Model):
    """Twice x; a negative x it can't. Calls may take time."""

    metadata = ModelMetadata(("x",), OutputKind.DOUBLE)

    def __init__(self, take_time: Callable[[], None]) -> None:
        self._take_time = take_time

    def predict(self, data: pd.DataFrame) -> NDArray[Any]:  # the base's signature
        self._take_time()
        if (data["x"] < 0).any():
            raise ValueError
        return 2 * data["x"].to_numpy()


class HandLoader:
    """Answers at once, but for the tenants that the test holds back."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.held: set[str] = set()
        self._asked: list[str] = []

    def request(self, tenant: str, *, delay_seconds: float = 0.0) -> None:
        del delay_seconds
        self._asked.append(tenant)

    def request_anew(self, tenant: str) -> None:
        self._asked.append(tenant)

    def arrivals(self) -> list[Arrival]:
        coming = [tenant for tenant in self._asked if tenant not in self.held]
        self._asked = [tenant for tenant in self._asked if tenant in self.held]
        return [
            NotLoaded(tenant, UNKNOWN) if tenant.startswith("unknown") else Loaded(tenant, ModelInfo("m@1"), self._model)
            for tenant in coming
        ]

    def changed_tenants(self) -> list[str]:
        return []


class OneModel:
    """A cache that holds it."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def cached(self, model_id: str) -> Model | None:
        return self._model if model_id == "m@1" else None

    def evicted(self) -> list[str]:
        return []


class Ears:
    """Hears what the loop and the models report."""

    def __init__(self) -> None:
        self.reports: list[BatchReport] = []
        self.commits: list[CommitReport] = []
        self.waits: list[str | None] = []

    def batch_done(self, report: BatchReport) -> None:
        self.reports.append(report)

    def commit_done(self, report: CommitReport) -> None:
        self.commits.append(report)

    def delivery_failed(self) -> None:
        pass

    def rebalanced(self, event: str, partitions: object, assigned: int) -> None:
        pass

    def waiting(self, what: str | None) -> None:
        self.waits.append(what)

    def model_requested(self, result: str, tenants: int = 1) -> None:
        pass

    def model_loaded(self, seconds: float) -> None:
        pass

    def model_load_failed(self, reason: str) -> None:
        pass

    def cache_changed(self, models: int, nbytes: int) -> None:
        pass

    def model_evicted(self) -> None:
        pass


class World:
    """One input partition, and members of the group."""

    def __init__(self, folder: Path) -> None:
        self.broker = InMemoryBroker()
        for topic in ("events", "predictions", "dead"):
            self.broker.create_topic(topic)
        first, second = folder / "reading.avsc", folder / "later.avsc"
        first.write_text(json.dumps(SCHEMA))
        second.write_text(json.dumps(LATER_SCHEMA))
        entries = [SchemaEntry(first, id=1, output_id=2), SchemaEntry(second, id=3, output_id=4)]
        self.schemas = ListedSchemas(entries, framing="confluent")
        self.now, self.seconds_a_call = 0.0, 0.0
        self.model = Doubling(lambda: self.sleep(self.seconds_a_call))
        self.loader, self.ears = HandLoader(self.model), Ears()
        self.sink = InMemorySink(self.broker)

    def produce(self, *readings: tuple[str, float], later: bool = False) -> None:
        for tenant, x in readings:
            body = io.BytesIO()
            reading = {"tenant_id": tenant, "x": x, "unit": "kW"}
            fastavro.schemaless_writer(body, dict(LATER_SCHEMA if later else SCHEMA), reading)
            self.broker.produce("events", (b"\0\0\0\0\3" if later else b"\0\0\0\0\1") + body.getvalue(), b"key", timestamp=1000)

    def processor(self, *, max_parked: int = 1000, stop_share: StopShare | None = None) -> StreamProcessor:
        clock = Clock(monotonic=lambda: self.now, wall=lambda: 2.0, sleep=self.sleep)
        stages = StageClock(clock)
        writer = OutputWriter(scores=True)
        fused = FusedModels(writer)
        models = TenantModels(self.loader, OneModel(self.model), fused, self.ears, monotonic=clock.monotonic)
        decoder = Decoder(
            self.schemas, framing="confluent", tenant_field="tenant_id", event_time_field=None, max_record_bytes=1000
        )
        pipeline = Pipeline(
            decoder,
            models,
            fused,
            NativePath(LoopPredictor(monotonic=clock.monotonic), PredictionEncoder(scores=True), stages=stages, clock=clock),
            writer,
            output_topic="predictions",
            max_seconds=5,
            stages=stages,
            clock=clock,
        )
        return StreamProcessor(
            InMemorySource(self.broker, "group", ["events"]),
            Delivery(self.sink, stop_share or StopShare(None, 1), dead_letter_topic="dead", flush_seconds=5),
            pipeline,
            models,
            self.ears,
            stages=stages,
            limits=LoopLimits(
                max_records=100,
                max_bytes=10**6,
                max_parked_records=max_parked,
                max_parked_bytes=10**6,
                commit_interval_seconds=1.0,
            ),
            shutdown=Shutdown(clock, 4.0),
            clock=clock,
        )

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def committed(self) -> int:
        committed = self.broker.committed("group", "events", 0)
        return committed.offset if committed else 0

    def predicted(self) -> list[float]:
        schemas = {one.output_ref.id: fastavro.parse_schema(json.loads(one.output.text)) for one in self.schemas.schemas}
        values = [record.value or b"" for record in self.broker.records("predictions")]
        decoded = [fastavro.schemaless_reader(io.BytesIO(value[5:]), schemas[value[4]], None) for value in values]
        return [reading["prediction"]["value"] for reading in decoded if isinstance(reading, dict)]

    def reasons(self) -> list[bytes | None]:
        return [dict(record.headers or ())["__streamproc.errors.reason"] for record in self.broker.records("dead")]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def run_until(world: World, processor: StreamProcessor, condition: Callable[[], bool]) -> None:
    """Passes of the loop, a second apart, until the condition holds."""
    for _ in range(50):
        processor.run_guarded()
        world.now += 1.0
        if condition():
            return
    raise AssertionError("fifty passes were not enough")


def joined(world: World, *, max_parked: int = 1000) -> StreamProcessor:
    processor = world.processor(max_parked=max_parked)
    processor._source.subscribe(processor)
    return processor


def test_every_record_ends_as_a_prediction_or_a_dead_letter_and_is_committed(world: World) -> None:
    world.produce(("a", 1.0), ("b", -1.0), ("a", 3.0), ("unknown", 1.0))
    world.broker.produce("events", b"rubbish", b"k")
    run_until(world, joined(world), lambda: world.committed() == 5)
    assert world.predicted() == [2.0, 6.0]
    assert sorted(filter(None, world.reasons())) == [b"bad_framing", b"prediction_failed", b"tenant_unknown"]


def test_nothing_is_committed_before_it_is_delivered(world: World) -> None:
    world.produce(("a", 1.0))
    processor = joined(world)
    run_until(world, processor, lambda: bool(world.ears.reports) and bool(world.ears.reports[-1].produced["predictions"]))
    assert world.committed() in (0, len(world.predicted()))


def test_a_cold_tenant_waits_while_a_warm_one_flows_and_the_commit_stays_below_it(world: World) -> None:
    world.loader.held = {"cold"}
    world.produce(("warm", 1.0), ("cold", 10.0), ("warm", 2.0), ("cold", 20.0))
    processor = joined(world)
    run_until(world, processor, lambda: world.predicted() == [2.0, 4.0])
    run_until(world, processor, lambda: world.committed() == 1)
    world.loader.held = set()
    run_until(world, processor, lambda: world.committed() == 4)
    assert world.predicted() == [2.0, 4.0, 20.0, 40.0]


def test_records_of_a_tenant_that_arrive_later_do_not_overtake_its_parked_ones(world: World) -> None:
    world.loader.held = {"cold"}
    world.produce(("cold", 1.0))
    processor = joined(world)
    run_until(world, processor, lambda: world.ears.reports[-1].parked_records == 1)
    world.produce(("cold", 2.0), ("cold", 3.0))
    run_until(world, processor, lambda: world.ears.reports[-1].parked_records == 3)
    world.loader.held = set()
    world.produce(("cold", 4.0))
    run_until(world, processor, lambda: world.committed() == 4)
    assert world.predicted() == [2.0, 4.0, 6.0, 8.0]


def test_a_full_parking_stops_reading_until_it_has_room(world: World) -> None:
    world.loader.held = {"cold"}
    world.produce(*[("cold", float(n)) for n in range(8)])
    processor = joined(world, max_parked=8)
    run_until(world, processor, lambda: world.ears.reports[-1].parked_records == 8)
    world.produce(("warm", 1.0))
    for _ in range(3):
        processor.run_guarded()
        world.now += 2.0
    assert world.predicted() == []
    world.loader.held = set()
    run_until(world, processor, lambda: world.committed() == 9)
    assert len(world.predicted()) == 9


def test_a_failed_delivery_is_sent_again_and_only_then_committed(world: World) -> None:
    world.produce(("a", 1.0), ("a", 2.0))
    processor = joined(world)
    flush, failures = world.sink.flush, iter([TransientError("a delivery failed")])

    def flaky(timeout: float) -> None:
        for error in failures:
            world.sink._queue.clear()
            raise error
        flush(timeout)

    world.sink.flush = flaky  # type: ignore[method-assign]  # the broker in memory loses nothing by itself
    run_until(world, processor, lambda: world.committed() == 2)
    assert world.predicted() == [2.0, 4.0]
    assert "a delivery failed" in world.ears.waits


def test_a_broker_that_is_away_is_waited_for_and_nothing_is_lost_or_doubled(world: World) -> None:
    world.produce(("a", 1.0))
    processor = joined(world)
    run_until(world, processor, lambda: world.committed() == 1)
    world.broker.available = False
    processor.run_guarded()
    assert world.ears.waits[-1] is not None
    world.broker.available = True
    world.produce(("a", 2.0))
    run_until(world, processor, lambda: world.committed() == 2)
    assert world.ears.waits[-1] is None
    assert world.predicted() == [2.0, 4.0]


def test_a_source_of_schemas_that_is_away_makes_records_wait(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    by_id, outage = world.schemas.by_id, [TransientError("the registry is away")] * 2

    def flaky(schema_id: int, topic: str) -> object:
        if outage:
            raise outage.pop()
        return by_id(schema_id, topic)

    monkeypatch.setattr(world.schemas, "by_id", flaky)
    world.produce(("a", 1.0), ("b", 2.0))
    run_until(world, joined(world), lambda: world.committed() == 2)
    assert (sorted(world.predicted()), world.reasons()) == ([2.0, 4.0], [])


def test_what_is_finished_of_a_revoked_partition_is_committed_and_what_waits_is_left_to_the_next_owner(world: World) -> None:
    world.loader.held = {"cold"}
    world.produce(("warm", 1.0), ("cold", 5.0))
    first = joined(world)
    for _ in range(3):
        first.run_once()
    assert world.ears.reports[-1].parked_records == 1
    assert world.committed() == 0
    first._source.close()
    assert world.committed() == 1
    world.loader.held = set()
    run_until(world, joined(world), lambda: world.committed() == 2)
    assert world.predicted() == [2.0, 10.0]


def test_a_bug_ends_the_process_without_a_commit(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.produce(("a", 1.0))
    processor = world.processor()
    process, passes = processor._pipeline.process, []

    def fails_at_last(records: RecordBatch) -> BatchResult:
        passes.append(len(records))
        if len(passes) == 4:
            raise ZeroDivisionError
        return process(records)

    monkeypatch.setattr(processor._pipeline, "process", fails_at_last)
    with pytest.raises(ZeroDivisionError):
        processor.run()
    assert sum(report.produced["predictions"] for report in world.ears.reports) == 1
    assert world.committed() == 0


def test_what_waited_when_a_delivery_failed_is_read_again_and_predicted_once(world: World) -> None:
    world.loader.held = {"cold"}
    world.produce(("warm", 1.0), ("cold", 5.0))
    processor = joined(world)
    for _ in range(3):
        processor.run_once()
    flush, failures = world.sink.flush, iter([TransientError("a delivery failed")])

    def flaky(timeout: float) -> None:
        for error in failures:
            world.sink._queue.clear()
            raise error
        flush(timeout)

    world.sink.flush = flaky  # type: ignore[method-assign]  # the broker in memory loses nothing by itself
    world.now += 5.0
    processor.run_guarded()
    world.loader.held = set()
    run_until(world, processor, lambda: world.committed() == 2)
    assert world.predicted() == [2.0, 10.0]


def test_tenants_for_whom_a_pass_has_no_time_left_get_their_turn_in_the_next(world: World) -> None:
    world.produce(("a", 1.0), ("b", 2.0))
    processor = joined(world)
    run_until(world, processor, lambda: world.committed() == 2)
    world.seconds_a_call = 6.0
    world.produce(("a", 3.0), ("b", 4.0), ("a", 5.0))
    world.ears.reports.clear()
    run_until(world, processor, lambda: world.committed() == 5)
    turns = [turn for report in world.ears.reports if (turn := report.tenants.by_name())]
    assert turns == [{"a": 2}, {"b": 1}]


def test_records_behind_a_deferred_one_of_their_tenant_wait_with_it(world: World) -> None:
    """Two writer's schemas are two calls of the model; the second must not overtake what the first left undone."""
    world.produce(("a", 1.0))
    processor = joined(world)
    run_until(world, processor, lambda: world.committed() == 1)
    world.seconds_a_call = 3.0
    world.produce(("a", -1.0), ("a", -1.0))
    world.produce(("a", 5.0), later=True)
    world.produce(("a", 7.0))
    world.produce(("a", 9.0), later=True)
    run_until(world, processor, lambda: world.committed() == 6)
    assert world.predicted() == [2.0, 10.0, 14.0, 18.0]
    assert world.reasons() == [b"prediction_failed"] * 2


def test_a_lost_partition_is_not_committed(world: World) -> None:
    world.produce(("a", 1.0))
    processor = joined(world)
    processor.run_once()
    processor.run_once()
    processor.lost([PartitionId("events", 0)])
    world.now += 5
    processor.run_once()
    assert world.committed() == 0


def test_an_output_that_the_broker_refuses_is_a_dead_letter_and_its_neighbours_are_delivered(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.broker = InMemoryBroker()
    world.broker.create_topic("events")
    world.broker.create_topic("dead")
    world.broker.create_topic("predictions", max_record_bytes=200)
    world.sink = InMemorySink(world.broker)
    world.produce(("a", 1.0), ("a" * 200, 2.0), ("a", 3.0))
    run_until(world, joined(world), lambda: world.committed() == 3)
    assert sorted(set(world.predicted())) == [2.0, 6.0]
    assert world.reasons() == [b"output_refused"]


def test_too_many_failures_stop_the_process_before_they_are_committed(world: World) -> None:
    world.produce(("a", 1.0))
    for _ in range(20):
        world.broker.produce("events", b"rubbish")
    processor = world.processor(stop_share=StopShare(0.5, 10))
    with pytest.raises(TooManyDeadLettersError):
        processor.run()
    assert world.committed() == 0


def test_stop_finishes_commits_and_leaves_the_group(world: World) -> None:
    world.produce(("a", 1.0), ("b", 2.0))
    processor = world.processor()
    poll, polls = processor._source.poll, []

    def counted(max_records: int, max_bytes: int, timeout: float) -> object:
        polls.append(1)
        if len(polls) == 2:
            processor.stop()
        return poll(max_records, max_bytes, timeout)

    processor._source.poll = counted  # type: ignore[method-assign, assignment]  # stops in the middle, as a signal does
    processor.run()
    assert sorted(world.predicted()) == [2.0, 4.0]
    assert world.committed() == 2


def test_assignments_are_logged(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="streamproc")
    processor = joined(world)
    run_until(world, processor, lambda: "Partitions assigned: events/0; 1 held now" in caplog.text)
    processor._source.close()
    assert "Partitions revoked: events/0; 0 held now" in caplog.text


def test_the_latency_counts_from_the_records_time(world: World) -> None:
    world.produce(("a", 1.0))
    processor = joined(world)
    run_until(world, processor, lambda: world.committed() == 1)
    latencies = np.concatenate([report.latencies for report in world.ears.reports])
    assert latencies.tolist() == [1.0]
