"""Which slot of the model table predicts which tenant's records, by the tenant's number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

NO_SLOT: Final = -1


class RouteTable:
    """Passive. A tenant without a slot has to be asked for by name."""

    def __init__(self) -> None:
        self._generation = 0
        self._slot = np.zeros(0, np.int32)
        self._variant = np.zeros(0, np.uint8)

    def begin(self, generation: int, tenants: int) -> bool:
        """Make room for that many tenant numbers. True where they mean other tenants than before: all routes are gone."""
        is_new = generation != self._generation
        if is_new:
            self._generation, self._slot, self._variant = generation, np.zeros(0, np.int32), np.zeros(0, np.uint8)
        if tenants > len(self._slot):
            more = max(tenants, 2 * len(self._slot)) - len(self._slot)
            self._slot = np.concatenate([self._slot, np.full(more, NO_SLOT, np.int32)])
            self._variant = np.concatenate([self._variant, np.zeros(more, np.uint8)])
        return is_new

    def slots(self, numbers: NDArray[np.int32]) -> NDArray[np.int32]:
        """(n,): the slots of these tenants; NO_SLOT also where the number is -1."""
        if not len(self._slot):
            return np.full(len(numbers), NO_SLOT, np.int32)
        found: NDArray[np.int32] = np.where(numbers >= 0, self._slot[numbers], np.int32(NO_SLOT))
        return found

    def variants(self, numbers: NDArray[np.int32]) -> NDArray[np.uint8]:
        """(n,): the index of the part that each tenant's model plays; anything where it has no slot."""
        return self._variant[numbers] if len(self._variant) else np.zeros(len(numbers), np.uint8)

    def set(self, number: int, slot: int, variant: int) -> None:
        """From now on this slot predicts the tenant's records."""
        self._slot[number], self._variant[number] = slot, variant

    def forget(self, number: int) -> None:
        """The tenant is to be asked for by name again."""
        if 0 <= number < len(self._slot):
            self._slot[number] = NO_SLOT

    def forget_slots(self, slots: Sequence[int]) -> None:
        """So is every tenant of these slots."""
        if slots and len(self._slot):
            freed = np.zeros(max(slots) + 1, np.bool_)
            freed[list(slots)] = True
            here = (self._slot >= 0) & (self._slot < len(freed))
            self._slot[here & freed[np.where(here, self._slot, 0)]] = NO_SLOT
