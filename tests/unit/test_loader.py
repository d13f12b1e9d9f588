"""Loader threads; each test hands them their answers and waits for an event, never for time."""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from streamproc.errors import Reason, RecordError, Stage, TransientError
from streamproc.models.base import (
    AssignmentChanges,
    Model,
    ModelInfo,
    ModelInfoRepository,
    ModelMetadata,
    ModelRepository,
    OutputKind,
)
from streamproc.models.loader import Arrival, Loaded, ModelLoader, NotLoaded


class ConstantModel(Model):
    metadata = ModelMetadata(("x",), OutputKind.DOUBLE)

    def predict(self, data: pd.DataFrame) -> NDArray[Any]:  # the base's signature
        return np.zeros(len(data))


class ScriptedInfos(ModelInfoRepository):
    def __init__(self) -> None:
        self.answers: dict[str, Callable[[], ModelInfo]] = {}
        self.changes: queue.Queue[AssignmentChanges | TransientError] = queue.Queue()
        self.asked_since: queue.Queue[int] = queue.Queue()

    def get_model_info(self, tenant: str) -> ModelInfo:
        return self.answers.get(tenant, lambda: ModelInfo(f"{tenant}@1"))()

    def changes_since(self, revision: int) -> AssignmentChanges:
        self.asked_since.put(revision)
        answer = self.changes.get(timeout=10)
        if isinstance(answer, TransientError):
            raise answer
        return answer


class ScriptedModels(ModelRepository):
    def __init__(self) -> None:
        self.answers: dict[str, Callable[[], Model]] = {}

    def get_model(self, model_id: str) -> Model:
        return self.answers.get(model_id, ConstantModel)()


class World:
    def __init__(self, max_wait_seconds: float | None = None, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.infos, self.models = ScriptedInfos(), ScriptedModels()
        self.loader = ModelLoader(
            self.infos,
            self.models,
            threads=2,
            refresh_seconds=0.01,
            max_wait_seconds=max_wait_seconds,
            monotonic=monotonic,
        )

    def start(self, revision: int = 3) -> None:
        self.infos.changes.put(AssignmentChanges(revision, ()))
        self.loader.start()

    def wait_for_arrival(self) -> Arrival:
        deadline = time.monotonic() + 10
        with self.loader._changed:
            while not self.loader._arrivals:
                assert time.monotonic() < deadline
                self.loader._changed.wait(0.01)
            return self.loader._arrivals.pop(0)

    def close(self) -> None:
        self.loader.close()
        self.infos.changes.put(TransientError("closing"))
        for thread in self.loader._threads:
            if thread.is_alive():
                thread.join(10)


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.close()


def test_a_requested_tenant_arrives_with_its_model(world: World) -> None:
    world.start()
    world.loader.request("a")
    arrival = world.wait_for_arrival()
    assert isinstance(arrival, Loaded)
    assert (arrival.tenant, arrival.info.model_id) == ("a", "a@1")


def test_a_models_own_fault_is_an_arrival_that_names_it(world: World) -> None:
    def missing() -> Model:
        raise RecordError(Reason.MODEL_MISSING, Stage.ROUTE, "no such artifact", model_id="a@1")

    world.models.answers["a@1"] = missing
    world.start()
    world.loader.request("a")
    arrival = world.wait_for_arrival()
    assert isinstance(arrival, NotLoaded)
    assert arrival.error.reason is Reason.MODEL_MISSING


def test_whatever_a_models_code_raises_ends_as_that_tenants_rejection_without_its_text(world: World) -> None:
    def explode() -> Model:
        raise ZeroDivisionError("secret")

    world.models.answers["a@1"] = explode
    world.start()
    world.loader.request("a")
    arrival = world.wait_for_arrival()
    assert isinstance(arrival, NotLoaded)
    assert arrival.error.reason is Reason.MODEL_REJECTED
    assert "ZeroDivisionError" in arrival.error.message
    assert "secret" not in arrival.error.message


def test_a_dependency_that_is_away_delays_the_arrival_and_is_named_meanwhile(world: World) -> None:
    seen: queue.Queue[str | None] = queue.Queue()
    failures = iter([TransientError("the store is away")])

    def flaky() -> Model:
        for error in failures:
            raise error
        seen.put(world.loader.unavailable)
        return ConstantModel()

    world.models.answers["a@1"] = flaky
    world.start()
    world.loader.request("a")
    assert isinstance(world.wait_for_arrival(), Loaded)
    assert seen.get(timeout=10) == "the store is away"
    assert world.loader.unavailable is None


def test_memory_that_is_short_is_not_the_models_fault(world: World) -> None:
    failures = iter([MemoryError()])

    def heavy() -> Model:
        for error in failures:
            raise error
        return ConstantModel()

    world.models.answers["a@1"] = heavy
    world.start()
    world.loader.request("a")
    assert isinstance(world.wait_for_arrival(), Loaded)


def test_one_tenants_slow_load_does_not_hold_up_another(world: World) -> None:
    may_go = threading.Event()

    def slow() -> Model:
        assert may_go.wait(10)
        return ConstantModel()

    world.models.answers["slow@1"] = slow
    world.start()
    world.loader.request("slow")
    world.loader.request("quick")
    assert world.wait_for_arrival().tenant == "quick"
    may_go.set()
    assert world.wait_for_arrival().tenant == "slow"


def test_a_tenant_whose_assignment_changes_while_it_loads_is_loaded_anew(world: World) -> None:
    loading, may_go = threading.Event(), threading.Event()
    ids = iter(["a@1", "a@2"])

    def slow() -> Model:
        loading.set()
        assert may_go.wait(10)
        return ConstantModel()

    world.infos.answers["a"] = lambda: ModelInfo(next(ids))
    world.models.answers["a@1"] = slow
    world.start()
    world.loader.request("a")
    assert loading.wait(10)
    world.loader.request("a")
    world.loader.request_anew("a")
    may_go.set()
    arrivals = [world.wait_for_arrival() for _ in range(2)]
    assert [arrival.info.model_id for arrival in arrivals if isinstance(arrival, Loaded)] == ["a@1", "a@2"]


def test_no_tenant_is_looked_up_before_the_current_revision_is_known(world: World) -> None:
    """Else a change between the look-up and the first refresh would never be seen."""
    looked_up: queue.Queue[bool] = queue.Queue()

    def look_up() -> ModelInfo:
        looked_up.put(world.loader._revision is not None)
        return ModelInfo("a@1")

    world.infos.answers["a"] = look_up
    world.loader.request("a")
    world.start()
    assert looked_up.get(timeout=10)
    assert world.infos.asked_since.get(timeout=10) == sys.maxsize


def test_changed_tenants_are_reported_and_the_next_refresh_asks_from_the_new_revision(world: World) -> None:
    world.start(revision=3)
    world.infos.changes.put(AssignmentChanges(5, ("a", "b")))
    assert [world.infos.asked_since.get(timeout=10) for _ in range(3)] == [sys.maxsize, 3, 5]
    assert world.loader.changed_tenants() == ["a", "b"]
    assert world.loader.changed_tenants() == []


def test_a_replica_is_not_ready_before_each_dependency_has_answered_once() -> None:
    world = World()
    answers: queue.Queue[TransientError | None] = queue.Queue()
    asked: queue.Queue[str | None] = queue.Queue()

    def probe() -> None:
        asked.put(world.loader.unavailable)
        if error := answers.get(timeout=10):
            raise error

    world.loader._probes = (probe,)
    world.start()
    answers.put(TransientError("the store is away"))
    answers.put(None)
    assert asked.get(timeout=10) == "the model registry has not answered yet"
    assert asked.get(timeout=10) == "the store is away"
    world.loader.request("a")
    assert isinstance(world.wait_for_arrival(), Loaded)
    assert world.loader.unavailable is None
    world.close()


def test_a_registry_that_fails_in_an_unforeseen_way_is_asked_again(world: World) -> None:
    failures = iter([ZeroDivisionError("secret")])

    def look_up() -> ModelInfo:
        for error in failures:
            raise error
        return ModelInfo("a@1")

    world.infos.answers["a"] = look_up
    world.start()
    world.loader.request("a")
    assert isinstance(world.wait_for_arrival(), Loaded)


def test_a_tenant_that_waited_too_long_behind_other_models_is_given_up() -> None:
    now = [0.0]
    world = World(max_wait_seconds=900, monotonic=lambda: now[0])
    world.loader.request("a")
    now[0] = 901.0
    world.start()
    arrival = world.wait_for_arrival()
    world.close()
    assert isinstance(arrival, NotLoaded)
    assert arrival.error.reason is Reason.MODEL_UNAVAILABLE


def test_the_time_of_an_outage_is_not_waiting_for_other_models() -> None:
    now = [0.0]
    world = World(max_wait_seconds=900, monotonic=lambda: now[0])
    world.loader._missed("load", "the store is away")
    world.loader.request("a")
    now[0] = 5000.0
    world.loader._answered("load")
    world.loader._answered("refresh")
    world.start()
    arrival = world.wait_for_arrival()
    world.close()
    assert isinstance(arrival, Loaded)
