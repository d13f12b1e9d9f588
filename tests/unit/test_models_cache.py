"""CachedModelRepository over any cachetools cache."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
from cachetools import Cache, FIFOCache, LFUCache, LRUCache, RRCache, TTLCache
from numpy.typing import NDArray

from streamproc.errors import Reason, RecordError, Stage, TransientError
from streamproc.models.base import Model, ModelMetadata, ModelRepository, OutputKind
from streamproc.models.cache import CachedModelRepository, byte_cache


class Sized(Model):
    """A model of so many bytes."""

    def __init__(self, nbytes: int = 1) -> None:
        self._nbytes = nbytes

    @property
    def nbytes(self) -> int:
        return self._nbytes

    @property
    def metadata(self) -> ModelMetadata:
        return ModelMetadata(("a",), OutputKind.DOUBLE)

    def predict(self, data: pd.DataFrame) -> NDArray[Any]:
        return np.zeros(len(data))


class Shelf(ModelRepository):
    """Gives models by what a function makes of their id, and counts."""

    def __init__(self, make: Callable[[str], Model] = lambda _: Sized()) -> None:
        self._make = make
        self.loaded: list[str] = []

    def get_model(self, model_id: str) -> Model:
        self.loaded.append(model_id)
        return self._make(model_id)


class Diary:
    """Notes what an observer is told."""

    def __init__(self) -> None:
        self.events: list[object] = []

    def model_requested(self, result: Literal["hit", "miss", "negative"], tenants: int = 1) -> None:
        self.events += [result] * tenants

    def model_loaded(self, seconds: float) -> None:
        self.events.append(("loaded", seconds))

    def model_load_failed(self, reason: str) -> None:
        self.events.append(("failed", reason))

    def cache_changed(self, models: int, nbytes: int) -> None:
        self.events.append(("cache", models, nbytes))

    def model_evicted(self) -> None:
        self.events.append("evicted")


CACHES: Sequence[Callable[[], Cache[str, Model]]] = (
    lambda: LRUCache(2),
    lambda: LFUCache(2),
    lambda: FIFOCache(2),
    lambda: RRCache(2),
    lambda: TTLCache(2, 3600),
)


@pytest.mark.parametrize("make", CACHES, ids=["lru", "lfu", "fifo", "rr", "ttl"])
def test_a_model_is_loaded_once_and_kept_by_any_cache(make: Callable[[], Cache[str, Model]]) -> None:
    shelf = Shelf()
    models = CachedModelRepository(shelf, make())
    assert models.get_model("x") is models.get_model("x")
    assert models.cached("x") is models.get_model("x")
    for model_id in ("y", "z"):
        models.get_model(model_id)
    assert len(shelf.loaded) == 3


def test_the_loop_never_loads() -> None:
    shelf = Shelf()
    assert CachedModelRepository(shelf, LRUCache(2)).cached("x") is None
    assert shelf.loaded == []


def test_the_loops_look_counts_as_a_use() -> None:
    models = CachedModelRepository(Shelf(), LRUCache(2))
    models.get_model("x")
    models.get_model("y")
    models.cached("x")
    models.get_model("z")
    assert [models.cached(model_id) is not None for model_id in "xyz"] == [True, False, True]


def test_the_products_cache_is_bounded_by_the_models_own_bytes() -> None:
    models = CachedModelRepository(Shelf(lambda model_id: Sized(int(model_id))), byte_cache(100))
    for model_id in ("40", "50", "30"):
        models.get_model(model_id)
    assert [models.cached(model_id) is not None for model_id in ("40", "50", "30")] == [False, True, True]


def test_a_model_larger_than_the_cache_is_rejected_with_the_setting() -> None:
    models = CachedModelRepository(Shelf(lambda _: Sized(101)), byte_cache(100))
    with pytest.raises(RecordError, match=r"needs 101 of the 100 bytes.*models\.cache_bytes") as caught:
        models.get_model("x@1")
    assert (caught.value.reason, caught.value.model_id) == (Reason.MODEL_REJECTED, "x@1")


class Gate:
    """Holds a load until it is opened, and says when one has come."""

    def __init__(self, result: Callable[[], Model] = Sized) -> None:
        self.entered, self.opened = threading.Event(), threading.Event()
        self._result = result

    def __call__(self, model_id: str) -> Model:
        del model_id
        self.entered.set()
        assert self.opened.wait(30)
        return self._result()


def in_threads(count: int, gate: Gate, models: CachedModelRepository) -> list[Model | Exception]:
    barrier = threading.Barrier(count + 1)

    def ask() -> Model | Exception:
        barrier.wait(30)
        try:
            return models.get_model("x")
        except RecordError as error:
            return error

    with ThreadPoolExecutor(count) as pool:
        asked = [pool.submit(ask) for _ in range(count)]
        barrier.wait(30)
        assert gate.entered.wait(30)
        gate.opened.set()
        return [future.result(30) for future in asked]


def test_threads_that_want_the_same_model_share_one_load() -> None:
    gate = Gate()
    shelf = Shelf(gate)
    answers = in_threads(8, gate, CachedModelRepository(shelf, LRUCache(2)))
    assert shelf.loaded == ["x"]
    assert len({id(answer) for answer in answers}) == 1


def test_threads_that_want_the_same_model_share_one_failure_and_the_next_call_tries_again() -> None:
    def fail() -> Model:
        raise RecordError(Reason.MODEL_MISSING, Stage.ROUTE, "not there")

    gate = Gate(fail)
    shelf = Shelf(gate)
    models = CachedModelRepository(shelf, LRUCache(2))
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(models.get_model, "x")
        assert gate.entered.wait(30)
        flight = models._flights["x"]  # what a second caller would wait for
        gate.opened.set()
        with pytest.raises(RecordError, match="not there"):
            first.result(30)
    with pytest.raises(RecordError, match="not there"):
        flight.result(30)
    with pytest.raises(RecordError, match="not there"):
        models.get_model("x")
    assert shelf.loaded == ["x", "x"]


def test_one_slow_load_holds_up_neither_other_models_nor_the_loop() -> None:
    gate = Gate()
    models = CachedModelRepository(Shelf(lambda model_id: gate(model_id) if model_id == "slow" else Sized()), LRUCache(4))
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(models.get_model, "slow")
        assert gate.entered.wait(30)
        assert models.get_model("quick") is models.cached("quick")
        assert models.cached("slow") is None
        gate.opened.set()
        assert slow.result(30) is models.cached("slow")


def test_whatever_a_load_raises_ends_the_wait_of_others() -> None:
    def fail(model_id: str) -> Model:
        raise KeyboardInterrupt(model_id)

    models = CachedModelRepository(Shelf(fail), LRUCache(2))
    with pytest.raises(KeyboardInterrupt):
        models.get_model("x")
    assert models._flights == {}


def test_the_observer_hears_of_loads_sizes_and_evictions() -> None:
    diary, clock = Diary(), iter([10.0, 12.5, 20.0, 20.25])
    shelf = Shelf(lambda model_id: Sized(int(model_id)))
    models = CachedModelRepository(shelf, byte_cache(100), observer=diary, monotonic=lambda: next(clock))
    models.get_model("60")
    models.get_model("70")
    assert diary.events == [("loaded", 2.5), ("cache", 1, 60), ("loaded", 0.25), "evicted", ("cache", 1, 70)]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RecordError(Reason.MODEL_MISSING, Stage.ROUTE, "x"), "model_missing"),
        (TransientError("x"), "unavailable"),
        (ValueError("x"), "model_rejected"),
    ],
)
def test_the_observer_hears_why_a_load_failed(error: Exception, reason: str) -> None:
    def fail(model_id: str) -> Model:
        del model_id
        raise error

    diary = Diary()
    with pytest.raises(type(error)):
        CachedModelRepository(Shelf(fail), LRUCache(2), observer=diary).get_model("x")
    assert diary.events == [("failed", reason)]


def test_what_the_cache_dropped_is_told_once_and_what_came_back_is_told_again_when_it_goes() -> None:
    models = CachedModelRepository(Shelf(lambda model_id: Sized(int(model_id))), byte_cache(100))
    assert models.evicted() == []
    for model_id in ("60", "30", "70"):
        models.get_model(model_id)
    assert models.evicted() == ["60"]
    assert models.evicted() == []
    models.get_model("60")
    models.get_model("50")
    assert sorted(models.evicted()) == ["30", "60", "70"]
