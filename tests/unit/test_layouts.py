"""Models that read the same share their sources, and a number that comes to mean another layout forgets the old ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamproc.captures import Captures, Symbols
from streamproc.inference.layouts import Layout, Layouts, Reads


class Fields:
    """Records whose slots are the letters of the alphabet; counts how often it is asked."""

    def __init__(self, letters: str) -> None:
        self.version = object()
        self.rows = np.zeros(0, np.int64)
        self.captures = Captures(b"", np.zeros((0, 0), np.int64), np.zeros((0, 0), np.uint8), Symbols.of([]))
        self.asked: list[tuple[str, ...]] = []
        self._letters = letters

    def sources(self, names: tuple[str, ...], n_columns: int | None, reads: tuple[int, ...]) -> NDArray[np.int32] | None:
        del n_columns, reads
        self.asked.append(names)
        return np.array([self._letters.find(name) for name in names], np.int32) if "?" not in names else None


def layout(names: str) -> Layout:
    return Layout(tuple(names), None, (Reads.NUMBER,) * len(names))


def found(layouts: Layouts, fields: Fields, *numbers: int) -> list[list[int] | None]:
    """The sources of each number, of two columns each."""
    flat, starts = layouts.sources(fields, np.array(numbers, np.int32))
    return [flat[start : start + 2].tolist() if start >= 0 else None for start in starts.tolist()]


def test_equal_layouts_have_one_number_and_are_looked_up_once() -> None:
    layouts, fields = Layouts(), Fields("abc")
    one, other, same = (layouts.acquire(layout(names)) for names in ("ab", "ca", "ab"))
    assert one == same != other
    for _ in range(2):
        assert found(layouts, fields, one, other, same) == [[0, 1], [2, 0], [0, 1]]
    assert fields.asked == [("a", "b"), ("c", "a")]


def test_another_version_of_the_fields_is_asked_for_itself() -> None:
    layouts = Layouts()
    number = layouts.acquire(layout("ab"))
    assert found(layouts, Fields("ab"), number) == [[0, 1]]
    assert found(layouts, Fields("xba"), number) == [[2, 1]]


def test_what_kernels_cannot_read_is_said_each_time_and_asked_once() -> None:
    layouts, fields = Layouts(), Fields("ab")
    number = layouts.acquire(layout("a?"))
    assert found(layouts, fields, number) == [None]
    assert found(layouts, fields, number) == [None]
    assert len(fields.asked) == 1


def test_a_number_that_was_freed_means_the_next_layout_only() -> None:
    layouts, fields = Layouts(), Fields("abcd")
    first, second = layouts.acquire(layout("ab")), layouts.acquire(layout("ab"))
    assert found(layouts, fields, first) == [[0, 1]]
    layouts.release(first)
    assert layouts.acquire(layout("cd")) != second
    layouts.release(second)
    assert layouts.acquire(layout("dc")) == second
    assert found(layouts, fields, second) == [[3, 2]]


def test_there_is_room_for_thousands_of_layouts() -> None:
    letters = "".join(map(chr, range(200, 400)))
    layouts, fields = Layouts(), Fields(letters)
    numbers = [layouts.acquire(layout(letters[place % 200] + letters[place // 200])) for place in range(5000)]
    expected = [[place % 200, place // 200] for place in range(5000)]
    assert found(layouts, fields, *numbers) == expected
