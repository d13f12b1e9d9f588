"""Blocks of one growing array: what many models share lies together, and what one leaves is used by the next."""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

_GROWTH: Final = 1.25
_FIRST: Final = 256


class Space:
    """One array whose blocks are placed and freed. Freed neighbours join; the lowest hole that is large enough is used first.

    `array` is grown in place: whoever reads it holds no view of it from one change to the next.
    """

    def __init__(self, dtype: DTypeLike, width: int | None = None) -> None:
        """A space of single values, or of rows of `width` values."""
        self._row = () if width is None else (width,)
        self.array: NDArray[Any] = np.zeros((_FIRST, *self._row), dtype)  # of `dtype`
        self._end = 0
        self._holes: list[tuple[int, int]] = []
        """(start, length), ascending, never touching each other or the end."""

    @property
    def used_bytes(self) -> int:
        """What the blocks take, holes left out."""
        return (self._end - sum(length for _, length in self._holes)) * int(self.array[:1].nbytes)

    @property
    def reserved_bytes(self) -> int:
        """What the array takes."""
        return self.array.nbytes

    def place(self, block: NDArray[Any]) -> int:  # of the space's dtype
        """Copy `block` to a place of its own; returns where it starts."""
        start = self._room(len(block))
        self.array[start : start + len(block)] = block
        return start

    def free(self, start: int, length: int) -> None:
        """Give back a block of this length."""
        if not length:
            return
        place = bisect_left(self._holes, (start, 0))
        if place < len(self._holes) and self._holes[place][0] == start + length:
            length += self._holes.pop(place)[1]
        if place and sum(self._holes[place - 1]) == start:
            start, before = self._holes.pop(place - 1)
            length += before
        if start + length == self._end:
            self._end = start
        else:
            insort(self._holes, (start, length))

    def _room(self, length: int) -> int:
        for place, (start, available) in enumerate(self._holes):
            if available >= length > 0:
                self._holes[place : place + 1] = [(start + length, available - length)] if available > length else []
                return start
        start, self._end = self._end, self._end + length
        if self._end > len(self.array):
            rows = max(self._end, int(len(self.array) * _GROWTH))
            self.array.resize((rows, *self._row), refcheck=False)
        return start
