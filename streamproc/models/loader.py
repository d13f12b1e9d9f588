"""Loads tenants' models on threads of its own, and watches for changed assignments.

Concurrency: `threads` loader threads and one refresh thread share the request queue under one condition. What they produce
crosses to the loop as frozen values through `arrivals` and `changed_tenants`; they never touch what the loop owns.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from streamproc.errors import Reason, RecordError, Stage, StreamprocError
from streamproc.models.base import Model, ModelInfo, ModelInfoRepository, ModelRepository
from streamproc.models.load_queue import LONGEST_RETRY_SECONDS, LoadQueue
from streamproc.models.outages import Outages

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A tenant's model is ready to predict."""

    tenant: str
    info: ModelInfo
    model: Model


@dataclass(frozen=True, slots=True)
class NotLoaded:
    """A tenant has no model that could predict, and why."""

    tenant: str
    error: RecordError


Arrival = Loaded | NotLoaded


class ModelLoader:
    """Answers each requested tenant with one arrival, sooner or later.

    A dependency that does not answer delays arrivals and is retried with backoff for ever; a model's own fault is an arrival.
    """

    def __init__(
        self,
        infos: ModelInfoRepository,
        models: ModelRepository,
        *,
        threads: int,
        refresh_seconds: float,
        max_wait_seconds: float | None,
        monotonic: Callable[[], float],
        probes: Sequence[Callable[[], None]] = (),
        answered: Callable[[], None] = lambda: None,
    ) -> None:
        """Make the threads; `start` starts them.

        Args:
            infos: tenant → model id.
            models: model id → model.
            threads: how many models load at the same time.
            refresh_seconds: how often changed assignments are looked for.
            max_wait_seconds: how long a tenant may wait while other models load, outages not counted; None: for ever.
            monotonic: the clock.
            probes: each raises `TransientError` while its dependency does not answer; asked until all have answered once.
            answered: called once, when they and the registry have.

        """
        self._infos = infos
        self._models = models
        self._probes = tuple(probes)
        self._tell_answered = answered
        self._refresh_seconds = refresh_seconds
        self._max_wait_seconds = max_wait_seconds
        self._monotonic = monotonic
        self._changed = threading.Condition()
        self._queue = LoadQueue()
        self._arrivals: list[Arrival] = []
        self._changed_tenants: list[str] = []
        self._revision: int | None = None
        self._outages = Outages({"refresh": "the model registry has not answered yet"})
        self._closing = False
        self._threads = [threading.Thread(target=self._refresh_for_ever, name="model-refresh", daemon=True)]
        self._threads += [
            threading.Thread(target=self._load_for_ever, name=f"model-loader-{number}", daemon=True)
            for number in range(threads)
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Tell the threads to end after what they are doing; does not wait for a load that hangs."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    @property
    def unavailable(self) -> str | None:
        """Our text for the dependency that does not answer; None while all do."""
        return self._outages.reason

    def request(self, tenant: str, *, delay_seconds: float = 0.0) -> None:
        """Ask for the tenant's model, at once or later. A request that is due earlier, or under way, covers this one."""
        with self._changed:
            self._queue.add(tenant, due=self._monotonic() + delay_seconds, waiting_since=self._time_without_outages())
            self._changed.notify_all()

    def request_anew(self, tenant: str) -> None:
        """Ask for the tenant's model as it is assigned now: a request under way may have read the former assignment."""
        with self._changed:
            self._queue.add_anew(tenant, due=self._monotonic(), waiting_since=self._time_without_outages())
            self._changed.notify_all()

    def arrivals(self) -> list[Arrival]:
        """What has arrived since the last call."""
        with self._changed:
            arrived, self._arrivals = self._arrivals, []
        return arrived

    def changed_tenants(self) -> list[str]:
        """The tenants whose assignment has changed since the last call."""
        with self._changed:
            changed, self._changed_tenants = self._changed_tenants, []
        return changed

    def _load_for_ever(self) -> None:
        while (tenant := self._next_tenant()) is not None:
            try:
                arrival = self._load(tenant)
            except Exception as error:  # noqa: BLE001 - a thread that ends would leave its tenants waiting for ever
                self._retry(tenant, _text_of(error))
            else:
                self._arrived(tenant, arrival)

    def _next_tenant(self) -> str | None:
        """The next tenant that is due; None when closing. Waits for the first revision: see `_refresh`."""
        with self._changed:
            while not self._closing:
                seconds = self._seconds_until_due()
                if seconds == 0:
                    return self._queue.take()
                self._changed.wait(seconds)
            return None

    def _seconds_until_due(self) -> float | None:
        """None: until something changes."""
        due = self._queue.next_due if self._revision is not None else None
        return None if due is None else max(0.0, due - self._monotonic())

    def _load(self, tenant: str) -> Arrival:
        try:
            self._check_wait(tenant)
            info = self._infos.get_model_info(tenant)
            return Loaded(tenant, info, self._model(info.model_id))
        except RecordError as error:
            return NotLoaded(tenant, error)

    def _model(self, model_id: str) -> Model:
        try:
            model = self._models.get_model(model_id)
            _ = model.null_features  # probed here, so that the loop never waits for it
        except (StreamprocError, MemoryError):  # memory is this process's need, not the model's fault: try again
            raise
        except Exception as error:
            text = f"loading model {model_id} raised {type(error).__name__}; publish a model that loads, and assign it"
            raise RecordError(Reason.MODEL_REJECTED, Stage.ROUTE, text, model_id=model_id) from error
        return model

    def _check_wait(self, tenant: str) -> None:
        if self._max_wait_seconds is None:
            return
        with self._changed:
            waited = self._time_without_outages() - self._queue.waiting_since(tenant)
        if waited > self._max_wait_seconds:
            raise _waited_too_long(self._max_wait_seconds)

    def _arrived(self, tenant: str, arrival: Arrival) -> None:
        with self._changed:
            self._answered("load")
            self._arrivals.append(arrival)
            self._queue.done(tenant, now=self._monotonic(), waiting_since=self._time_without_outages())
            self._changed.notify_all()

    def _retry(self, tenant: str, why: str) -> None:
        with self._changed:
            self._missed("load", why)
            self._queue.retry(tenant, now=self._monotonic())
            self._changed.notify_all()

    def _refresh_for_ever(self) -> None:
        while not self._closing:
            pause = self._refresh_seconds
            try:
                self._refresh()
            except Exception as error:  # noqa: BLE001 - without this thread no change would ever be served
                with self._changed:
                    self._missed("refresh", _text_of(error))
                pause = min(LONGEST_RETRY_SECONDS, pause)
            with self._changed:
                self._changed.wait_for(lambda: self._closing, pause)

    def _refresh(self) -> None:
        """Read what changed.

        The first call only learns the current revision, before any tenant is looked up, so that no change is missed; it also
        asks whether the dependencies answer, so that a replica is ready only when they do.
        """
        if self._revision is None:
            for probe in self._probes:
                probe()
        changes = self._infos.changes_since(sys.maxsize if self._revision is None else self._revision)
        if self._revision is None:
            self._tell_answered()
        with self._changed:
            self._answered("refresh")
            self._revision = changes.revision
            self._changed_tenants.extend(changes.tenants)
            self._changed.notify_all()

    def _missed(self, who: str, why: str) -> None:
        if self._outages.missed(who, why, self._monotonic()):
            logger.warning("Models can't be loaded for now: %s", why)

    def _answered(self, who: str) -> None:
        if self._outages.answered(who, self._monotonic()):
            logger.warning("Models can be loaded again")

    def _time_without_outages(self) -> float:
        """A clock that stands still while a dependency is away: then nobody waits for other models."""
        now = self._monotonic()
        return now - self._outages.seconds(now)


def _waited_too_long(seconds: float) -> RecordError:
    text = (
        f"the tenant's model waited more than models.max_wait_seconds = {seconds:g} s while other models loaded; raise "
        "models.loader_threads or models.cache_bytes, then send the records again"
    )
    return RecordError(Reason.MODEL_UNAVAILABLE, Stage.ROUTE, text)


def _text_of(error: Exception) -> str:
    """Our own errors explain themselves; others may quote what nobody should read."""
    return (
        str(error) if isinstance(error, StreamprocError) else f"the model registry or store failed with {type(error).__name__}"
    )
