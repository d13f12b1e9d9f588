"""How kernels are compiled, and what all of them use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

Function = TypeVar("Function", bound=Callable[..., object])

_jit: Callable[..., Callable[[Callable[..., object]], object]] = njit  # its own types know no private option
_OPTIONS: Final = {"nogil": True, "cache": True, "_nrt": False}
"""Kernels allocate nothing, so numba needs no reference counts: without them the walk takes a third of the time."""


def kernel(function: Function) -> Function:
    """Compile at the first call, once a machine: the result is kept in numba's cache. Runs without the interpreter's lock."""
    return cast("Function", _jit(**_OPTIONS)(function))


def inlined(function: Function) -> Function:
    """As `kernel`, for a function that kernels call: it becomes part of them."""
    return cast("Function", _jit(**_OPTIONS, forceinline=True)(function))


@inlined
def signed(bits: np.uint64) -> int:
    """The same 64 bits as a signed integer."""
    return np.int64(bits)  # type: ignore[return-value] # a 64-bit integer is an int to the compiler


@inlined
def byte_at(payload: NDArray[np.uint8], at: int) -> int:
    """The byte at `at`, unchecked; the unsigned index spares the compiler Python's negative ones."""
    return np.int64(payload[np.uint64(at)])  # type: ignore[return-value] # as above
