"""Which tenants have series of their own: there may be more tenants than Prometheus can bear."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from streamproc.batches import TenantCounts

OTHER: Final = "__other__"
_UNSEEN: Final = -1


class TenantLabels:
    """Tenant → label value: those named, then first come up to the limit, the rest `__other__`. Passive."""

    def __init__(self, named: Iterable[str], limit: int) -> None:
        self._values = [OTHER]
        self._places = {OTHER: 0}
        self._limit = limit
        for tenant in named:
            self._add(tenant)
        self._place_of_number = np.full(0, _UNSEEN, np.int32)
        self._generation = 0

    def tally(self, tenants: TenantCounts) -> list[tuple[str, int]]:
        """The records of each label value that has any. A tenant's value stays the same for as long as the process lives."""
        if not len(tenants.numbers):
            return []
        self._make_room(tenants)
        places = self._place_of_number[tenants.numbers]
        for number in tenants.numbers[places == _UNSEEN].tolist():
            self._place_of_number[number] = self._place(tenants.names[number])
        sums = np.bincount(self._place_of_number[tenants.numbers], weights=tenants.counts).astype(np.int64)
        return [(self._values[place], int(sums[place])) for place in np.flatnonzero(sums).tolist()]

    def _make_room(self, tenants: TenantCounts) -> None:
        if tenants.generation != self._generation:
            self._generation, self._place_of_number = tenants.generation, np.full(0, _UNSEEN, np.int32)
        missing = len(tenants.names) - len(self._place_of_number)
        if missing > 0:
            more = np.full(max(missing, len(self._place_of_number)), _UNSEEN, np.int32)
            self._place_of_number = np.concatenate([self._place_of_number, more])

    def _place(self, tenant: str) -> int:
        if tenant not in self._places and len(self._places) - 1 < self._limit:
            self._add(tenant)
        return self._places.get(tenant, 0)

    def _add(self, tenant: str) -> None:
        if tenant not in self._places:
            self._places[tenant] = len(self._values)
            self._values.append(tenant)
