"""Fields of records as the decoder captures them and kernels read them: a kind and 64 bits each.

Plain integers, because kernels compare them millions of times a second. A capture writes a slot: `kinds[row, slot]` and
`values[row, slot]`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

NULL: Final = 0
"""Null or absent; what slots hold before anything is captured."""
IS_INTEGER: Final = 1
"""The int64 itself."""
IS_DOUBLE: Final = 2
"""The bits of a float64."""
IS_FLOAT: Final = 3
"""The bits of a float32."""
IS_BOOLEAN: Final = 4
"""0 or 1."""
IS_STRING: Final = 5
"""Where the string's length starts in the payload."""
IS_ENUM: Final = 6
"""Index into the program's list of symbols."""
IS_ARRAY: Final = 7
"""Where the array's first block starts in the payload; only arrays of numbers."""
IS_UUID: Final = 8
"""Where a fixed of 16 bytes with logical type uuid starts in the payload."""
IS_OTHER: Final = 9
"""A value of a type that can be no tenant, time or feature."""


class Symbols(NamedTuple):
    """The symbols of enums as kernels read them: symbol s is ``text[bounds[s]:bounds[s + 1]]``."""

    text: NDArray[np.uint8]
    bounds: NDArray[np.int64]

    @classmethod
    def of(cls, names: Sequence[str]) -> Self:
        """The UTF-8 of `names`."""
        encoded = [name.encode() for name in names]
        bounds = np.cumsum([0, *map(len, encoded)]).astype(np.int64)
        return cls(np.frombuffer(b"".join(encoded) or b"\0", np.uint8), bounds)


@dataclass(frozen=True, slots=True)
class Captures:
    """Captured fields of m records."""

    buffer: bytes
    """What positions in `values` count bytes of: a string is its length as an Avro long, then its bytes."""
    values: NDArray[np.int64]
    """(m, slots)"""
    kinds: NDArray[np.uint8]
    """(m, slots)"""
    symbols: Symbols
    """The symbols of all captured enums."""
