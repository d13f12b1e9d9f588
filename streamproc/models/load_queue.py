"""Which tenants' models are to be loaded, and when. Passive: time comes in as an argument, in monotonic seconds."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

_FIRST_RETRY_SECONDS = 0.2
LONGEST_RETRY_SECONDS = 5.0


@dataclass(slots=True)
class _Request:
    waiting_since: float
    due: float | None = None
    """None while a thread is at it."""
    retry_seconds: float = _FIRST_RETRY_SECONDS
    again: bool = False
    """Asked anew while a thread was at it."""


class LoadQueue:
    """Requests by the time when they are due; one a tenant, from `add` over `take` to `done`."""

    def __init__(self) -> None:
        self._requests: dict[str, _Request] = {}
        self._heap: list[tuple[float, int, str]] = []
        self._sequence = 0

    def add(self, tenant: str, *, due: float, waiting_since: float) -> None:
        """Have the tenant loaded; a request that is due earlier, or under way, covers this one.

        Args:
            tenant: whose model.
            due: when.
            waiting_since: kept for `waiting_since`, by the caller's own clock.

        """
        request = self._requests.get(tenant)
        if request is None:
            request = self._requests[tenant] = _Request(waiting_since)
        elif request.due is None or request.due <= due:
            return
        self._schedule(tenant, request, due)

    def add_anew(self, tenant: str, *, due: float, waiting_since: float) -> None:
        """As `add`, but a request that is under way is followed by another: it may have read what was true before."""
        request = self._requests.get(tenant)
        if request is not None and request.due is None:
            request.again = True
        else:
            self.add(tenant, due=due, waiting_since=waiting_since)

    @property
    def next_due(self) -> float | None:
        """When the next request is due; None where there is none."""
        while self._heap and self._is_stale(self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take(self) -> str:
        """The tenant that is due first, under way until `retry` or `done`; only to be called if there is one."""
        tenant = heapq.heappop(self._heap)[2]
        self._requests[tenant].due = None
        return tenant

    def waiting_since(self, tenant: str) -> float:
        """What `add` was told of the tenant's request."""
        return self._requests[tenant].waiting_since

    def retry(self, tenant: str, *, now: float) -> None:
        """It could not be tried: once more, later each time."""
        request = self._requests[tenant]
        self._schedule(tenant, request, now + request.retry_seconds)
        request.retry_seconds = min(2 * request.retry_seconds, LONGEST_RETRY_SECONDS)

    def done(self, tenant: str, *, now: float, waiting_since: float) -> None:
        """It is answered; one that was added anew meanwhile begins again."""
        if self._requests.pop(tenant).again:
            self.add(tenant, due=now, waiting_since=waiting_since)

    def _schedule(self, tenant: str, request: _Request, due: float) -> None:
        """An entry that is in the heap already is stale from now on."""
        request.due = due
        self._sequence += 1
        heapq.heappush(self._heap, (due, self._sequence, tenant))

    def _is_stale(self, entry: tuple[float, int, str]) -> bool:
        request = self._requests.get(entry[2])
        return request is None or request.due != entry[0]
