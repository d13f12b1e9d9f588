"""How kernels are compiled, and what all of them use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import numpy as np
from numba import njit
from numba.core import cgutils, types
from numba.extending import intrinsic
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


def _memcpy_code(typing: Any, source: Any, start: Any, out: Any, at: Any, count: Any) -> Any:  # noqa: ANN401 - numba's own types
    del typing, start, at, count

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:  # noqa: ANN401 - as above
        source_type, _, out_type, _, _ = signature.args
        read = _place(builder, context.make_array(source_type)(context, builder, given[0]).data, given[1])
        written = _place(builder, context.make_array(out_type)(context, builder, given[2]).data, given[3])
        _copy(builder, written, read, given[4], 1)
        return context.get_dummy_value()

    return types.void(source, types.int64, out, types.int64, types.int64), generate


_copy: Callable[..., Any] = cgutils.raw_memcpy
_place: Callable[..., Any] = cgutils.gep_inbounds  # a place in memory, as the compiler knows it
_memcpy: Callable[..., None] = intrinsic(_memcpy_code)
"""C's memcpy (source, start, out, at, count): ten times as fast as a loop, for numba can't tell that arrays don't overlap."""


@inlined
def copy_bytes(source: NDArray[np.uint8], start: int, end: int, out: NDArray[np.uint8], at: int) -> int:
    """Copy ``source[start:end]`` to ``out[at:]``, arrays that don't overlap; returns the place behind it.

    Raises:
        IndexError: a place lies outside of its array.

    """
    if not (0 <= start <= end <= len(source) and 0 <= at <= len(out) - (end - start)):
        raise IndexError("a copy leaves its array")
    _memcpy(source, start, out, at, end - start)
    return at + (end - start)
