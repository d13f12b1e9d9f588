"""Models in memory, loaded once at a time each."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

from cachetools import Cache, LRUCache

from streamproc.errors import Reason, RecordError, Stage, TransientError
from streamproc.models.base import Model, ModelRepository
from streamproc.models.observer import ModelObserver


def byte_cache(max_bytes: int) -> LRUCache[str, Model]:
    """The product's cache: bounded by the measured bytes of its models, drops what was not used for longest."""
    return LRUCache(max_bytes, getsizeof=_size)


def _size(model: Model) -> int:
    return max(model.nbytes, 1)


class CachedModelRepository(ModelRepository):
    """A repository behind any cachetools cache.

    Safe to be used by several threads. Each id is loaded by one of them at a time; the others that want it wait for the same
    model, or the same exception. Failures are not kept: the next call tries again. No lock is held while a model loads.
    """

    def __init__(
        self,
        repository: ModelRepository,
        cache: Cache[str, Model],
        *,
        observer: ModelObserver | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Compose.

        Args:
            repository: asked for what is not in the cache.
            cache: used through this object only from now on.
            observer: told of loads, failures, evictions and sizes.
            monotonic: seconds.

        """
        self._repository = repository
        self._cache = cache
        self._observer = observer
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._flights: dict[str, Future[Model]] = {}
        self._present: set[str] = set()
        self._evicted: list[str] = []

    def get_model(self, model_id: str) -> Model:
        """See `ModelRepository`.

        Raises:
            RecordError: also `model_rejected`: the model is larger than the cache.

        """
        with self._lock:
            model = self._cache.get(model_id)
            if model is not None:
                return model
            flight = self._flights.get(model_id)
            ours = flight is None
            if flight is None:
                flight = self._flights[model_id] = Future()
        if ours:
            self._fly(model_id, flight)
        return flight.result()

    def cached(self, model_id: str) -> Model | None:
        """The model, if it is here; counts as a use of it. Never waits for a load."""
        with self._lock:
            return self._cache.get(model_id)

    def evicted(self) -> list[str]:
        """The ids of models that the cache dropped since the last call; some may be back. Noticed when a model is added."""
        with self._lock:
            evicted, self._evicted = self._evicted, []
            return evicted

    def _fly(self, model_id: str, flight: Future[Model]) -> None:
        """Load and keep the model. The flight ends, whatever happens, and only after the cache has what it brought."""
        try:
            model = self._load(model_id)
            self._keep(model_id, model)
        except BaseException as error:  # noqa: BLE001 - those who wait must hear of anything; `result` raises it here too
            self._land(model_id)
            flight.set_exception(error)
        else:
            self._land(model_id)
            flight.set_result(model)

    def _land(self, model_id: str) -> None:
        with self._lock:
            del self._flights[model_id]

    def _load(self, model_id: str) -> Model:
        started = self._monotonic()
        try:
            model = self._repository.get_model(model_id)
            self._check_fits(model_id, model)
        except Exception as error:
            if self._observer is not None:
                self._observer.model_load_failed(_reason(error))
            raise
        if self._observer is not None:
            self._observer.model_loaded(self._monotonic() - started)
        return model

    def _check_fits(self, model_id: str, model: Model) -> None:
        size = self._cache.getsizeof(model)
        if size > self._cache.maxsize:
            text = (
                f"model {model_id} needs {size:g} of the {self._cache.maxsize:g} bytes that the model cache has; raise "
                "models.cache_bytes, or publish a smaller model"
            )
            raise RecordError(Reason.MODEL_REJECTED, Stage.ROUTE, text, model_id=model_id)

    def _keep(self, model_id: str, model: Model) -> None:
        with self._lock:
            self._cache[model_id] = model
            self._present.add(model_id)
            models, size = len(self._cache), self._cache.currsize
            gone = [one for one in self._present if one not in self._cache] if len(self._present) > models else []
            self._present.difference_update(gone)
            self._evicted += gone
        if self._observer is not None:
            for _ in gone:
                self._observer.model_evicted()
            self._observer.cache_changed(models, int(size))


def _reason(error: Exception) -> str:
    if isinstance(error, RecordError):
        return error.reason.value
    return "unavailable" if isinstance(error, TransientError) else Reason.MODEL_REJECTED.value
