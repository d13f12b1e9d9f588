"""Which model serves which tenant."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from streamproc.errors import Reason, RecordError, Stage
from streamproc.models.base import Model, ModelInfo, ModelMetadata, OutputKind
from streamproc.models.loader import Arrival, Loaded, NotLoaded
from streamproc.models.serving import Served, TenantModels, Unserved, Waiting


class ConstantModel(Model):
    metadata = ModelMetadata(("x",), OutputKind.DOUBLE)

    def predict(self, data: pd.DataFrame) -> NDArray[Any]:  # the base's signature
        return np.zeros(len(data))


class FakeLoader:
    """Answers when the test says so."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.anew: list[str] = []
        self.delayed: list[str] = []
        self.coming: list[Arrival] = []
        self.changes: list[str] = []

    def request(self, tenant: str, *, delay_seconds: float = 0.0) -> None:
        (self.delayed if delay_seconds else self.requests).append(tenant)

    def request_anew(self, tenant: str) -> None:
        self.anew.append(tenant)

    def arrivals(self) -> list[Arrival]:
        coming, self.coming = self.coming, []
        return coming

    def changed_tenants(self) -> list[str]:
        changes, self.changes = self.changes, []
        return changes


class FakeCache(dict[str, Model]):
    def cached(self, model_id: str) -> Model | None:
        return self.get(model_id)


class Observed:
    """Collects what is observed."""

    def __init__(self) -> None:
        self.results: list[str] = []

    def model_requested(self, result: str) -> None:
        self.results.append(result)

    def model_loaded(self, seconds: float) -> None:
        raise AssertionError(seconds)

    def model_load_failed(self, reason: str) -> None:
        raise AssertionError(reason)

    def cache_changed(self, models: int, nbytes: int) -> None:
        raise AssertionError(models, nbytes)

    def model_evicted(self) -> None:
        raise AssertionError


class World:
    def __init__(self) -> None:
        self.loader = FakeLoader()
        self.cache = FakeCache()
        self.observed = Observed()
        self.now = 0.0
        self.models = TenantModels(self.loader, self.cache, self.observed, monotonic=lambda: self.now)

    def arrive(self, *arrivals: Arrival) -> None:
        self.loader.coming += arrivals
        self.models.install_arrivals()


@pytest.fixture
def world() -> World:
    return World()


MODEL, NEWER = ConstantModel(), ConstantModel()
FIRST, SECOND = ModelInfo("m@1", revision=1), ModelInfo("m@2", revision=2)
REJECTED = RecordError(Reason.MODEL_REJECTED, Stage.ROUTE, "the digest differs", model_id="m@2")


def test_a_new_tenant_waits_and_is_requested_once(world: World) -> None:
    assert [world.models.route("a") for _ in range(3)] == [Waiting()] * 3
    assert world.loader.requests == ["a"]


def test_what_arrived_serves_even_if_the_cache_has_dropped_it_already(world: World) -> None:
    world.models.route("a")
    world.arrive(Loaded("a", FIRST, MODEL))
    assert world.models.route("a") == Served(FIRST, MODEL)


def test_a_tenant_whose_model_was_evicted_waits_again(world: World) -> None:
    world.models.route("a")
    world.arrive(Loaded("a", FIRST, MODEL))
    world.models.install_arrivals()
    assert world.models.route("a") == Waiting()
    assert world.loader.requests == ["a", "a"]


def test_a_tenant_that_waits_goes_on_waiting_though_another_brought_its_model(world: World) -> None:
    """Else its new records would overtake its parked ones."""
    for tenant in ("a", "b"):
        world.models.route(tenant)
    world.arrive(Loaded("a", FIRST, MODEL), Loaded("b", FIRST, MODEL))
    world.models.install_arrivals()
    world.models.route("a")
    world.cache["m@1"] = MODEL
    assert world.models.route("a") == Waiting()
    assert world.models.route("b") == Served(FIRST, MODEL)


def test_a_tenant_without_a_model_is_refused_until_some_time_has_passed(world: World) -> None:
    world.models.route("a")
    world.arrive(NotLoaded("a", REJECTED))
    assert world.models.route("a") == Unserved(REJECTED)
    world.now = 31
    assert world.models.route("a") == Waiting()


def test_a_tenant_without_a_model_is_looked_up_again_when_its_assignment_changes(world: World) -> None:
    world.models.route("a")
    world.arrive(NotLoaded("a", REJECTED))
    world.loader.changes = ["a", "never seen"]
    world.models.install_arrivals()
    assert world.models.route("a") == Waiting()
    assert world.loader.anew == []


def test_the_former_model_serves_until_the_replacement_has_arrived(world: World) -> None:
    world.cache["m@1"] = MODEL
    world.models.route("a")
    world.arrive(Loaded("a", FIRST, MODEL))
    world.loader.changes = ["a"]
    world.models.install_arrivals()
    assert world.loader.anew == ["a"]
    assert world.models.route("a") == Served(FIRST, MODEL)
    world.arrive(Loaded("a", SECOND, NEWER))
    assert world.models.route("a") == Served(SECOND, NEWER)


def test_the_former_model_goes_on_where_the_replacement_can_not_be_loaded(world: World) -> None:
    world.cache["m@1"] = MODEL
    world.models.route("a")
    world.arrive(Loaded("a", FIRST, MODEL))
    world.arrive(NotLoaded("a", REJECTED))
    assert world.models.route("a") == Served(FIRST, MODEL)
    assert world.loader.delayed == ["a"]


def test_look_ups_are_counted_as_hit_miss_and_negative(world: World) -> None:
    world.models.route("a")
    world.arrive(Loaded("a", FIRST, MODEL))
    world.models.route("a")
    world.models.route("b")
    world.arrive(NotLoaded("b", REJECTED))
    world.models.route("b")
    assert world.observed.results == ["miss", "hit", "miss", "negative"]
