"""Which model serves which tenant right now. Owned by the loop's thread; no lock guards it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from cachetools import LRUCache

from streamproc.errors import Reason, RecordError
from streamproc.models.base import Model, ModelInfo
from streamproc.models.loader import Arrival, Loaded, NotLoaded
from streamproc.models.observer import ModelObserver

_MAX_ROUTES = 250_000
"""Routes kept; a tenant whose route was dropped is looked up again. Bounds what a stream of invented tenants can use."""
_NEGATIVE_SECONDS = 30.0
"""How long a tenant without a working model is known as such; a changed assignment ends it at once."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Served:
    """This model predicts the tenant's records."""

    info: ModelInfo
    model: Model


@dataclass(frozen=True, slots=True)
class Unserved:
    """Nothing can predict the tenant's records; they become dead letters."""

    error: RecordError


@dataclass(frozen=True, slots=True)
class Waiting:
    """The tenant's records wait for an arrival."""


Route = Served | Unserved | Waiting


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


class TenantModels:
    """Routes tenants to models, asks the loader for what is missing, and installs what has arrived.

    A tenant that waits goes on waiting until its own arrival, even where its model turns up in the cache for another tenant's
    sake: its parked records must come first. A replacement serves only once it is loaded; if it can't be, the former model
    goes on. Routes name models, the cache alone holds them: a tenant whose model was evicted waits again.
    """

    def __init__(self, loader: Loader, cache: ModelCache, observer: ModelObserver, *, monotonic: Callable[[], float]) -> None:
        self._loader = loader
        self._cache = cache
        self._observer = observer
        self._monotonic = monotonic
        self._routes: LRUCache[str, ModelInfo | _Refused] = LRUCache(_MAX_ROUTES)
        self._waiting: set[str] = set()
        self._fresh: dict[str, Model] = {}

    def install_arrivals(self) -> None:
        """Take over what the loader has brought; to be called between batches.

        The models that arrived stay, whatever the cache does, until the next call.
        """
        self._fresh.clear()
        for tenant in self._loader.changed_tenants():
            if tenant in self._waiting or isinstance(self._routes.get(tenant), ModelInfo):
                self._loader.request_anew(tenant)
            else:
                self._routes.pop(tenant, None)
        for arrival in self._loader.arrivals():
            self._waiting.discard(arrival.tenant)
            match arrival:
                case Loaded(tenant, info, model):
                    self._routes[tenant] = info
                    self._fresh[info.model_id] = model
                case NotLoaded(tenant, error):
                    self._refuse(tenant, error)

    def is_waiting(self, tenant: str) -> bool:
        """The tenant's model has not arrived yet."""
        return tenant in self._waiting

    def route(self, tenant: str) -> Route:
        """The model for the tenant's records of this batch."""
        if tenant in self._waiting:
            return Waiting()
        known = self._routes.get(tenant)
        if isinstance(known, ModelInfo):
            model = self._fresh.get(known.model_id) or self._cache.cached(known.model_id)
            if model is not None:
                self._observer.model_requested("hit")
                return Served(known, model)
        elif known is not None and self._monotonic() < known.until:
            self._observer.model_requested("negative")
            return Unserved(known.error)
        self._observer.model_requested("miss")
        self._waiting.add(tenant)
        self._loader.request(tenant)
        return Waiting()

    def _refuse(self, tenant: str, error: RecordError) -> None:
        former = self._routes.get(tenant)
        fields = {"tenant": tenant, "reason": error.reason.value, "model_id": error.model_id}
        if isinstance(former, ModelInfo) and self._cache.cached(former.model_id) is not None:
            logger.warning("The tenant's new model can't be loaded; the former one goes on: %s", error, extra=fields)
            self._loader.request(tenant, delay_seconds=_NEGATIVE_SECONDS)
            return
        self._routes[tenant] = _Refused(error, self._monotonic() + _NEGATIVE_SECONDS)
        level = logging.DEBUG if error.reason is Reason.TENANT_UNKNOWN else logging.WARNING  # strangers must not flood the log
        logger.log(level, "The tenant has no model that can predict: %s", error, extra=fields)
