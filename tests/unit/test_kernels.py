"""What holds for every compiled kernel."""

from __future__ import annotations

import numpy as np
import pytest
from support.built_with import digest, modules_of_kernels, written

from streamproc.jit import copy_bytes


def test_kernels_are_compiled_anew_when_what_they_are_built_with_has_changed() -> None:
    """Where this fails: `python tests/support/built_with.py`."""
    stale = [module.name for module in modules_of_kernels() if written(module) != digest(module)]
    assert stale == []
    assert modules_of_kernels()


@pytest.mark.parametrize(("start", "end", "at"), [(-1, 2, 0), (2, 1, 0), (0, 9, 0), (0, 3, -1), (0, 3, 6), (0, 0, 9)])
def test_a_copy_that_would_leave_its_array_is_refused(start: int, end: int, at: int) -> None:
    source, out = np.arange(8, dtype=np.uint8), np.zeros(8, np.uint8)
    with pytest.raises(IndexError):
        copy_bytes(source, start, end, out, at)
    assert not out.any()


def test_a_copy_is_where_it_was_asked_for_and_nowhere_else() -> None:
    source, out = np.arange(8, dtype=np.uint8), np.zeros(8, np.uint8)
    assert copy_bytes(source, 5, 8, out, 2) == 5
    assert out.tolist() == [0, 0, 5, 6, 7, 0, 0, 0]
    assert copy_bytes(source, 8, 8, out, 8) == 8
