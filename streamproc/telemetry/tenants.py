"""Which tenants have series of their own: there may be more tenants than Prometheus can bear."""

from __future__ import annotations

from collections.abc import Iterable

OTHER = "__other__"


class TenantLabels:
    """Tenant → label value: those named, then first come up to the limit, the rest `__other__`. Passive."""

    def __init__(self, named: Iterable[str], limit: int) -> None:
        self._labelled = {tenant for tenant in named if tenant != OTHER}
        self._limit = limit

    def label(self, tenant: str) -> str:
        """The label value of a tenant; stays the same for as long as the process lives."""
        if tenant in self._labelled:
            return tenant
        if tenant == OTHER or len(self._labelled) >= self._limit:
            return OTHER
        self._labelled.add(tenant)
        return tenant
