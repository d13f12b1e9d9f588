"""Which model serves which tenant right now. Owned by the loop's thread; no lock guards it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from streamproc.errors import Reason, RecordError
from streamproc.models.base import Model, ModelInfo, Variant
from streamproc.models.loader import Arrival, Loaded, NotLoaded
from streamproc.models.observer import ModelObserver
from streamproc.models.routes import NO_SLOT, RouteTable

_MAX_ROUTES = 250_000
"""More are not carried into a new generation of tenant numbers; those tenants are looked up again."""
_TOUCH_SECONDS = 1.0
"""How often the cache hears which models are in use: once a batch would cost more than predicting."""
_NEGATIVE_SECONDS = 30.0
"""How long a tenant without a working model is known as such; a changed assignment ends it at once."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Served:
    """This model predicts the tenant's records."""

    info: ModelInfo
    model: Model
    slot: int = NO_SLOT
    """Of the model table, if the model is compiled."""


@dataclass(frozen=True, slots=True)
class Unserved:
    """Nothing can predict the tenant's records; they become dead letters."""

    error: RecordError


@dataclass(frozen=True, slots=True)
class Waiting:
    """The tenant's records wait for an arrival."""


Route = Served | Unserved | Waiting


class _Assigned(NamedTuple):
    info: ModelInfo
    number: int
    """The tenant's; -1: not known."""


@dataclass(frozen=True, slots=True)
class _Refused:
    error: RecordError
    until: float


class Loader(Protocol):
    """What `TenantModels` needs of `ModelLoader`."""

    def request(self, tenant: str, *, delay_seconds: float = 0.0) -> None:
        """See `ModelLoader.request`."""

    def request_anew(self, tenant: str) -> None:
        """See `ModelLoader.request_anew`."""

    def arrivals(self) -> list[Arrival]:
        """See `ModelLoader.arrivals`."""

    def changed_tenants(self) -> list[str]:
        """See `ModelLoader.changed_tenants`."""


class ModelCache(Protocol):
    """What `TenantModels` needs of `CachedModelRepository`."""

    def cached(self, model_id: str) -> Model | None:
        """The model, if it is here; counts as a use of it."""

    def evicted(self) -> list[str]:
        """The ids of models that were dropped since the last call; some may be here again."""


class CompiledModels(Protocol):
    """Where the loop keeps compiled models: `streamproc.pipeline` implements it."""

    def install(self, model_id: str, model: Model) -> int:
        """The slot that the model now has; NO_SLOT: it is not compiled.

        Raises:
            LookupError: the model was installed, and freed, before: nothing is left of it.

        """

    def free(self, slot: int) -> None:
        """The slot's model is not needed any more."""


_VARIANTS = {variant: number for number, variant in enumerate(Variant)}


class TenantModels:
    """Routes tenants to models, asks the loader for what is missing, and installs what has arrived.

    A tenant that waits goes on waiting until its own arrival, even where its model turns up in the cache for another tenant's
    sake: its parked records must come first. A replacement serves only once it is loaded; if it can't be, the former model
    goes on. Routes name models, the cache alone holds them: a tenant whose model was evicted waits again.
    """

    def __init__(
        self,
        loader: Loader,
        cache: ModelCache,
        compiled: CompiledModels,
        observer: ModelObserver,
        *,
        monotonic: Callable[[], float],
    ) -> None:
        self._loader = loader
        self._cache = cache
        self._compiled = compiled
        self._observer = observer
        self._monotonic = monotonic
        self._table = RouteTable()
        self._known: dict[str, _Assigned | _Refused] = {}
        self._waiting: set[str] = set()
        self._fresh: dict[str, Model] = {}
        self._slots: dict[str, int] = {}
        self._ids: dict[int, str] = {}
        self._used = np.zeros(0, np.bool_)
        self._touched = monotonic()

    def install_arrivals(self) -> None:
        """Take over what the loader has brought; to be called between batches.

        The models that arrived stay, whatever the cache does, until the next call.
        """
        self._touch()
        gone, self._fresh = [*self._cache.evicted(), *self._fresh], {}
        for tenant in self._loader.changed_tenants():
            if tenant in self._waiting or isinstance(self._known.get(tenant), _Assigned):
                self._loader.request_anew(tenant)
            else:
                self._known.pop(tenant, None)
        for arrival in self._loader.arrivals():
            self._waiting.discard(arrival.tenant)
            match arrival:
                case Loaded():
                    self._serve(arrival)
                case NotLoaded(tenant, error):
                    self._refuse(tenant, error)
        self._free(gone)

    def is_waiting(self, tenant: str) -> bool:
        """The tenant's model has not arrived yet."""
        return tenant in self._waiting

    def begin_batch(self, generation: int, tenants: int) -> None:
        """Hear of the tenant numbers of a batch: there are so many, and within one generation they mean the same."""
        if self._table.begin(generation, tenants):
            kept = {tenant: known.info for tenant, known in self._known.items() if isinstance(known, _Assigned)}
            self._known.clear()
            if len(kept) < _MAX_ROUTES:
                self._known.update({tenant: _Assigned(info, -1) for tenant, info in kept.items()})

    def slots(self, numbers: NDArray[np.int32]) -> NDArray[np.int32]:
        """(n,): the slots of the compiled models of these tenants; NO_SLOT: ask `route`."""
        return self._table.slots(numbers)

    def variants(self, numbers: NDArray[np.int32]) -> NDArray[np.uint8]:
        """(n,): the index of the part that each tenant's compiled model plays."""
        return self._table.variants(numbers)

    def used(self, slots: NDArray[np.int32], tenants: int) -> None:
        """These slots, of so many tenants, predict records of this batch without having been asked for by name."""
        if len(slots):
            if int(slots.max()) >= len(self._used):
                self._used = np.concatenate([self._used, np.zeros(int(slots.max()) + 256, np.bool_)])
            self._used[slots] = True
            self._observer.model_requested("hit", tenants)

    def route(self, tenant: str, number: int) -> Route:
        """The model for the records of the tenant with this number; from the next time on `slots` knows a compiled one."""
        if tenant in self._waiting:
            return Waiting()
        known = self._known.get(tenant)
        if isinstance(known, _Assigned):
            served = self._served(tenant, known.info, number)
            if served is not None:
                return served
        elif known is not None and self._monotonic() < known.until:
            self._observer.model_requested("negative")
            return Unserved(known.error)
        self._observer.model_requested("miss")
        self._waiting.add(tenant)
        self._loader.request(tenant)
        return Waiting()

    def _served(self, tenant: str, info: ModelInfo, number: int) -> Served | None:
        model = self._fresh.get(info.model_id) or self._cache.cached(info.model_id)
        if model is None:
            return None
        try:
            slot = self._slot(info.model_id, model)
        except LookupError:
            return None
        if slot == NO_SLOT:
            self._observer.model_requested("hit")
        else:
            self._table.set(number, slot, _VARIANTS[info.variant])
            self._known[tenant] = _Assigned(info, number)
        return Served(info, model, slot)

    def _slot(self, model_id: str, model: Model) -> int:
        slot = self._slots.get(model_id)
        if slot is None:
            slot = self._compiled.install(model_id, model)
            if slot != NO_SLOT:
                self._slots[model_id], self._ids[slot] = slot, model_id
        return slot

    def _serve(self, arrival: Loaded) -> None:
        tenant, info, model = arrival.tenant, arrival.info, arrival.model
        try:
            self._slot(info.model_id, model)
        except LookupError:  # evicted since it was loaded for somebody else
            self._waiting.add(tenant)
            self._loader.request(tenant)
            return
        former = self._known.get(tenant)
        if isinstance(former, _Assigned):
            self._table.forget(former.number)
        self._known[tenant] = _Assigned(info, -1)
        self._fresh[info.model_id] = model

    def _refuse(self, tenant: str, error: RecordError) -> None:
        former = self._known.get(tenant)
        fields = {"tenant": tenant, "reason": error.reason.value, "model_id": error.model_id}
        if isinstance(former, _Assigned):
            if self._cache.cached(former.info.model_id) is not None:
                logger.warning("The tenant's new model can't be loaded; the former one goes on: %s", error, extra=fields)
                self._loader.request(tenant, delay_seconds=_NEGATIVE_SECONDS)
                return
            self._table.forget(former.number)
        self._known[tenant] = _Refused(error, self._monotonic() + _NEGATIVE_SECONDS)
        level = logging.DEBUG if error.reason is Reason.TENANT_UNKNOWN else logging.WARNING  # strangers must not flood the log
        logger.log(level, "The tenant has no model that can predict: %s", error, extra=fields)

    def _free(self, model_ids: Sequence[str]) -> None:
        """Free the slots of those that are neither in the cache nor fresh."""
        freed = []
        for model_id in model_ids:
            if model_id in self._slots and model_id not in self._fresh and self._cache.cached(model_id) is None:
                slot = self._slots.pop(model_id)
                del self._ids[slot]
                self._compiled.free(slot)
                freed.append(slot)
        self._table.forget_slots(freed)

    def _touch(self) -> None:
        if self._monotonic() - self._touched < _TOUCH_SECONDS:
            return
        self._touched = self._monotonic()
        for slot in np.flatnonzero(self._used).tolist():
            if slot in self._ids:
                self._cache.cached(self._ids[slot])
        self._used[:] = False
