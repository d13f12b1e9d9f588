"""Where in a record's captured fields each model finds its columns. Models that read the same share the answer."""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from streamproc.captures import Captures
from streamproc.spaces import Space

_UNKNOWN: Final = -2
_UNREADABLE: Final = -1
_MAX_VERSIONS: Final = 256


class Reads(IntEnum):
    """What a model makes of a column."""

    NUMBER = 0
    TEXT = 1
    NOTHING = 2


class Layout(NamedTuple):
    """What a model reads."""

    names: tuple[str, ...]
    """Its features, see `ModelMetadata.feature_names`."""
    n_columns: int | None
    """How many columns they make; None: one each."""
    reads: tuple[Reads, ...]
    """Of each column."""


class CapturedRows(Protocol):
    """The captured fields of a batch's records of one schema."""

    @property
    def captures(self) -> Captures:
        """One row for each of `rows`."""

    @property
    def rows(self) -> NDArray[np.int64]:
        """(m,), ascending: the rows of the batch that have this schema."""

    @property
    def version(self) -> object:
        """The same object for as long as `sources` answers the same."""

    def sources(self, names: tuple[str, ...], n_columns: int | None, reads: tuple[int, ...]) -> NDArray[np.int32] | None:
        """(columns,): the capture slot of each column of a model with this layout, -1: always null.

        None: kernels can't read them as the model wants them.
        """


class _Sources:
    """The sources of all layouts that were met in records of one version."""

    def __init__(self, version: object) -> None:
        self.version = version
        self.starts = np.zeros(0, np.int64)
        self._lengths: dict[int, int] = {}
        self._space = Space(np.int32)

    @property
    def flat(self) -> NDArray[np.int32]:
        return self._space.array

    def make_room(self, layouts: int) -> None:
        if layouts > len(self.starts):
            more = np.full(2 * layouts - len(self.starts), _UNKNOWN, np.int64)
            self.starts = np.concatenate([self.starts, more])

    def learn(self, number: int, sources: NDArray[np.int32] | None) -> None:
        if sources is None:
            self.starts[number] = _UNREADABLE
            return
        self.starts[number], self._lengths[number] = self._space.place(sources), len(sources)

    def forget(self, number: int) -> None:
        if number in self._lengths:
            self._space.free(int(self.starts[number]), self._lengths.pop(number))
        if number < len(self.starts):
            self.starts[number] = _UNKNOWN


class Layouts:
    """Numbers the layouts of the installed models, and keeps their sources. Passive."""

    def __init__(self) -> None:
        self._numbers: dict[Layout, int] = {}
        self._layouts: dict[int, Layout] = {}
        self._users: dict[int, int] = {}
        self._free: list[int] = []
        self._sources: dict[int, _Sources] = {}

    def acquire(self, layout: Layout) -> int:
        """The layout's number, for one more model."""
        number = self._numbers.get(layout)
        if number is None:
            number = self._free.pop() if self._free else len(self._numbers)
            self._numbers[layout], self._layouts[number] = number, layout
        self._users[number] = self._users.get(number, 0) + 1
        return number

    def release(self, number: int) -> None:
        """One model less; where it was the last, the number may come to mean another layout."""
        self._users[number] -= 1
        if self._users[number]:
            return
        del self._users[number], self._numbers[self._layouts.pop(number)]
        self._free.append(number)
        for sources in self._sources.values():
            sources.forget(number)

    def sources(self, fields: CapturedRows, numbers: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """All sources one after another, and (m,): where those of each of `numbers` start; below 0: kernels can't read them."""
        known = self._of(fields.version)
        known.make_room(len(self._layouts) + len(self._free))
        starts = known.starts[numbers]
        if (starts == _UNKNOWN).any():
            for number in np.unique(numbers[starts == _UNKNOWN]).tolist():
                known.learn(number, fields.sources(*self._layouts[number]))
            starts = known.starts[numbers]
        return known.flat, starts

    def _of(self, version: object) -> _Sources:
        known = self._sources.get(id(version))
        if known is None or known.version is not version:
            if len(self._sources) >= _MAX_VERSIONS:
                self._sources.clear()
            known = self._sources[id(version)] = _Sources(version)
        return known
