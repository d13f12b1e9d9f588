"""A model's DataFrame as the decoder would have captured it: what kernels read."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from streamproc.captures import IS_DOUBLE, IS_STRING, NULL, Captures, Symbols
from streamproc.inference.packed import IGNORED, KNOWS_NUMBERS, TAKES_TEXT

_NO_SYMBOLS = Symbols.of(())


def captured_frame(data: pd.DataFrame, flags: NDArray[np.int32]) -> Captures:
    """One slot a column, in the frame's order.

    Args:
        data: n rows; as many columns as there are flags.
        flags: of each feature, see `packed`. Where text is read a string is itself, None and NaN are null, and anything else
            in a column of objects is a category that no model knows; elsewhere a value is what numpy makes of it as float64.

    Raises:
        ValueError: another number of columns; as numpy says it, a value that is no number; a column of numbers where the model
            knows texts, a text where it knows numbers as categories.

    """
    if data.shape[1] != len(flags):
        raise ValueError(f"expected the model's {len(flags)} columns, found {data.shape[1]}")
    values = np.zeros(data.shape, np.int64)
    kinds = np.full(data.shape, IS_DOUBLE, np.uint8)
    payload = bytearray(b"\0")  # an empty buffer is no array
    if not (flags & (TAKES_TEXT | KNOWS_NUMBERS | IGNORED)).any():
        values[:] = _numbers(data)
        return Captures(bytes(payload), values, kinds, _NO_SYMBOLS)
    for place, flag in enumerate(flags.tolist()):
        column = data.iloc[:, place]
        if flag & IGNORED:
            kinds[:, place] = NULL
        elif flag & TAKES_TEXT:
            _capture_text(column, payload, values[:, place], kinds[:, place])
        elif flag & KNOWS_NUMBERS and any(isinstance(value, str) for value in column.tolist()):
            raise ValueError("a text where the model knows numbers as categories")
        else:
            values[:, place] = _numbers(column)
    return Captures(bytes(payload), values, kinds, _NO_SYMBOLS)


def _numbers(data: pd.DataFrame | pd.Series[float]) -> NDArray[np.int64]:
    return np.ascontiguousarray(np.asarray(data, np.float64)).view(np.int64)


def _capture_text(column: pd.Series[str], payload: bytearray, values: NDArray[np.int64], kinds: NDArray[np.uint8]) -> None:
    if column.dtype.kind in "biuf" and not column.isna().all():
        raise ValueError("a number where the model knows texts")
    places: dict[str, int] = {}
    for row, value in enumerate(column.tolist()):
        if isinstance(value, str):
            if value not in places:
                places[value] = len(payload)
                payload += _avro_string(value)
            values[row], kinds[row] = places[value], IS_STRING
        elif value is None or value is pd.NA or value != value:  # noqa: PLR0124 - NaN
            kinds[row] = NULL


def _avro_string(text: str) -> bytes:
    encoded = text.encode(errors="surrogatepass")  # what isn't UTF-8 then is found as such
    length = 2 * len(encoded)  # zigzag
    prefix = bytearray()
    while length > 0x7F:  # noqa: PLR2004 - seven bits a byte
        prefix.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes([*prefix, length]) + encoded
