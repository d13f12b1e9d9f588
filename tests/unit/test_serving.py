"""Which model serves which tenant."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from streamproc.errors import Reason, RecordError, Stage
from streamproc.models.base import Model, ModelInfo, ModelMetadata, OutputKind, Variant
from streamproc.models.loader import Arrival, Loaded, NotLoaded
from streamproc.models.routes import NO_SLOT
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
    def __init__(self) -> None:
        super().__init__()
        self.dropped: list[str] = []
        self.touched: list[str] = []

    def cached(self, model_id: str) -> Model | None:
        self.touched.append(model_id)
        return self.get(model_id)

    def evicted(self) -> list[str]:
        dropped, self.dropped = self.dropped, []
        return dropped


class Compiled(ConstantModel):
    """Takes a slot."""


class FakeCompiled:
    """Slots for models of that kind; they can be installed once, as the real ones."""

    def __init__(self) -> None:
        self.installed: dict[int, str] = {}
        self.spent: set[Model] = set()

    def install(self, model_id: str, model: Model) -> int:
        if not isinstance(model, Compiled):
            return NO_SLOT
        if model in self.spent:
            raise LookupError(model_id)
        self.spent.add(model)
        slot = next(slot for slot in range(100) if slot not in self.installed)
        self.installed[slot] = model_id
        return slot

    def free(self, slot: int) -> None:
        del self.installed[slot]


class Observed:
    """Collects what is observed."""

    def __init__(self) -> None:
        self.results: list[str] = []

    def model_requested(self, result: str, tenants: int = 1) -> None:
        self.results += [result] * tenants

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
        self.compiled = FakeCompiled()
        self.models = TenantModels(self.loader, self.cache, self.compiled, self.observed, monotonic=lambda: self.now)

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
    assert [world.models.route("a", 0) for _ in range(3)] == [Waiting()] * 3
    assert world.loader.requests == ["a"]


def test_what_arrived_serves_even_if_the_cache_has_dropped_it_already(world: World) -> None:
    world.models.route("a", 0)
    world.arrive(Loaded("a", FIRST, MODEL))
    assert world.models.route("a", 0) == Served(FIRST, MODEL)


def test_a_tenant_whose_model_was_evicted_waits_again(world: World) -> None:
    world.models.route("a", 0)
    world.arrive(Loaded("a", FIRST, MODEL))
    world.models.install_arrivals()
    assert world.models.route("a", 0) == Waiting()
    assert world.loader.requests == ["a", "a"]


def test_a_tenant_that_waits_goes_on_waiting_though_another_brought_its_model(world: World) -> None:
    """Else its new records would overtake its parked ones."""
    for tenant in ("a", "b"):
        world.models.route(tenant, 0)
    world.arrive(Loaded("a", FIRST, MODEL), Loaded("b", FIRST, MODEL))
    world.models.install_arrivals()
    world.models.route("a", 0)
    world.cache["m@1"] = MODEL
    assert world.models.route("a", 0) == Waiting()
    assert world.models.route("b", 0) == Served(FIRST, MODEL)


def test_a_tenant_without_a_model_is_refused_until_some_time_has_passed(world: World) -> None:
    world.models.route("a", 0)
    world.arrive(NotLoaded("a", REJECTED))
    assert world.models.route("a", 0) == Unserved(REJECTED)
    world.now = 31
    assert world.models.route("a", 0) == Waiting()


def test_a_tenant_without_a_model_is_looked_up_again_when_its_assignment_changes(world: World) -> None:
    world.models.route("a", 0)
    world.arrive(NotLoaded("a", REJECTED))
    world.loader.changes = ["a", "never seen"]
    world.models.install_arrivals()
    assert world.models.route("a", 0) == Waiting()
    assert world.loader.anew == []


def test_the_former_model_serves_until_the_replacement_has_arrived(world: World) -> None:
    world.cache["m@1"] = MODEL
    world.models.route("a", 0)
    world.arrive(Loaded("a", FIRST, MODEL))
    world.loader.changes = ["a"]
    world.models.install_arrivals()
    assert world.loader.anew == ["a"]
    assert world.models.route("a", 0) == Served(FIRST, MODEL)
    world.arrive(Loaded("a", SECOND, NEWER))
    assert world.models.route("a", 0) == Served(SECOND, NEWER)


def test_the_former_model_goes_on_where_the_replacement_can_not_be_loaded(world: World) -> None:
    world.cache["m@1"] = MODEL
    world.models.route("a", 0)
    world.arrive(Loaded("a", FIRST, MODEL))
    world.arrive(NotLoaded("a", REJECTED))
    assert world.models.route("a", 0) == Served(FIRST, MODEL)
    assert world.loader.delayed == ["a"]


def test_look_ups_are_counted_as_hit_miss_and_negative(world: World) -> None:
    world.models.route("a", 0)
    world.arrive(Loaded("a", FIRST, MODEL))
    world.models.route("a", 0)
    world.models.route("b", 0)
    world.arrive(NotLoaded("b", REJECTED))
    world.models.route("b", 0)
    assert world.observed.results == ["miss", "hit", "miss", "negative"]


def slots(world: World, *numbers: int) -> list[int]:
    found: list[int] = world.models.slots(np.array(numbers, np.int32)).tolist()
    return found


def serve(world: World, tenant: str, number: int, info: ModelInfo, model: Model) -> None:
    """As a batch does that holds records of the tenant."""
    world.cache[info.model_id] = model
    world.models.begin_batch(0, 10)
    world.models.route(tenant, number)
    world.arrive(Loaded(tenant, info, model))
    world.models.route(tenant, number)


def test_a_compiled_model_is_known_by_its_slot_from_the_second_batch_on(world: World) -> None:
    serve(world, "a", 3, FIRST, Compiled())
    assert slots(world, 3, 4, -1) == [0, NO_SLOT, NO_SLOT]
    assert world.models.variants(np.array([3], np.int32)).tolist() == [list(Variant).index(Variant.CHAMPION)]


def test_tenants_of_one_model_share_its_slot(world: World) -> None:
    model = Compiled()
    serve(world, "a", 0, FIRST, model)
    serve(world, "b", 1, FIRST, model)
    assert slots(world, 0, 1) == [0, 0]


def test_a_new_assignment_changes_the_slot_when_its_model_has_arrived_and_not_before(world: World) -> None:
    serve(world, "a", 0, FIRST, Compiled())
    world.loader.changes = ["a"]
    world.models.install_arrivals()
    assert (world.loader.anew, slots(world, 0)) == (["a"], [0])
    newer = world.cache["m@2"] = Compiled()
    world.arrive(Loaded("a", SECOND, newer))
    assert slots(world, 0) == [NO_SLOT]
    assert world.models.route("a", 0) == Served(SECOND, newer, 1)
    assert slots(world, 0) == [1]


def test_an_evicted_models_slot_is_freed_and_its_tenants_wait_again(world: World) -> None:
    serve(world, "a", 0, FIRST, Compiled())
    serve(world, "b", 1, SECOND, Compiled())
    world.models.install_arrivals()
    del world.cache["m@1"]
    world.cache.dropped = ["m@1"]
    world.models.install_arrivals()
    assert slots(world, 0, 1) == [NO_SLOT, 1]
    assert world.compiled.installed == {1: "m@2"}
    assert world.models.route("a", 0) == Waiting()


def test_a_model_that_the_cache_never_kept_has_its_slot_for_one_pass(world: World) -> None:
    world.models.begin_batch(0, 10)
    world.models.route("a", 0)
    model = Compiled()
    world.arrive(Loaded("a", FIRST, model))
    assert world.models.route("a", 0) == Served(FIRST, model, 0)
    world.models.install_arrivals()
    assert (slots(world, 0), world.compiled.installed) == ([NO_SLOT], {})


def test_a_model_that_came_back_before_it_was_missed_keeps_its_slot(world: World) -> None:
    serve(world, "a", 0, FIRST, Compiled())
    world.cache["m@1"] = Compiled()
    world.cache.dropped = ["m@1"]
    world.models.install_arrivals()
    assert slots(world, 0) == [0]


def test_a_model_of_which_nothing_is_left_is_asked_for_again(world: World) -> None:
    spent = Compiled()
    world.compiled.spent.add(spent)
    world.models.route("a", 0)
    world.arrive(Loaded("a", FIRST, spent))
    assert world.loader.requests == ["a", "a"]
    assert world.models.is_waiting("a")


def test_a_new_generation_of_numbers_forgets_the_slots_and_keeps_who_is_assigned(world: World) -> None:
    model = Compiled()
    serve(world, "a", 3, FIRST, model)
    world.models.begin_batch(1, 1)
    assert slots(world, 0) == [NO_SLOT]
    assert world.models.route("a", 0) == Served(FIRST, model, 0)
    assert slots(world, 0) == [0]


def test_models_that_predict_without_being_asked_for_stay_in_the_cache(world: World) -> None:
    serve(world, "a", 0, FIRST, Compiled())
    world.cache.touched.clear()
    world.models.used(np.zeros(5, np.int32), 1)
    world.models.install_arrivals()
    assert "m@1" in world.cache.touched or not world.cache.touched
    world.cache.touched.clear()
    world.models.used(np.zeros(5, np.int32), 1)
    world.now += 2
    world.models.install_arrivals()
    assert world.cache.touched == ["m@1"]
    assert world.observed.results[-1] == "hit"
