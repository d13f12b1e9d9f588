"""Compiled reads of text: its length in the payload, whether it is UTF-8, and which of a model's categories it is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamproc.jit import byte_at, inlined, signed

BUILT_WITH = "0f6ba5ebbf20a5ab"
"""Digest of the imported modules; written by `python tests/support/built_with.py`."""


@inlined
def read_length(payload: NDArray[np.uint8], at: int) -> tuple[int, int]:
    """The length of the Avro string at `at`, which the decoder has walked, and where its bytes begin."""
    bits = np.uint64(0)
    shift = np.uint64(0)
    byte = np.uint64(0x80)
    while byte >= np.uint64(0x80):
        byte = np.uint64(payload[np.uint64(at)])
        bits |= (byte & np.uint64(0x7F)) << shift
        shift += np.uint64(7)
        at += 1
    return signed(bits >> np.uint64(1)), at


@inlined
def is_utf8(payload: NDArray[np.uint8], start: int, length: int) -> bool:
    """Whether these bytes are UTF-8 as Python decodes it: shortest forms only, no surrogates, nothing above U+10FFFF."""
    at = start
    end = start + length
    while at < end:
        lead = byte_at(payload, at)
        at += 1
        if lead < 0x80:  # noqa: PLR2004 - ASCII
            continue
        low = 0x80
        high = 0xBF
        more = 1
        if lead < 0xC2 or lead > 0xF4:  # noqa: PLR2004 - a continuation, an overlong form, or past the last plane
            return False
        if lead >= 0xE0:  # noqa: PLR2004 - three bytes or four
            more = 2 if lead < 0xF0 else 3  # noqa: PLR2004 - as above
            low = 0xA0 if lead == 0xE0 else 0x90 if lead == 0xF0 else 0x80  # noqa: PLR2004 - overlong below
            high = 0x9F if lead == 0xED else 0x8F if lead == 0xF4 else 0xBF  # noqa: PLR2004 - surrogates, past the last plane
        if end - at < more:
            return False
        for _ in range(more):
            byte = byte_at(payload, at)
            if byte < low or byte > high:
                return False
            low = 0x80
            high = 0xBF
            at += 1
    return True


@inlined
def code_of(
    data: NDArray[np.uint8],
    start: int,
    length: int,
    text: NDArray[np.uint8],
    text_at: int,
    bounds: NDArray[np.int32],
    bounds_at: int,
    count: int,
) -> int:
    """Which of `count` sorted keys these bytes are; `count`: none of them.

    Key i is `text[text_at + b[i]:text_at + b[i + 1]]`, b being `bounds` from `bounds_at` on.
    """
    low = 0
    high = count
    while low < high:
        middle = (low + high) // 2
        key = text_at + bounds[bounds_at + middle]
        size = bounds[bounds_at + middle + 1] - bounds[bounds_at + middle]
        order = _order(text, key, size, data, start, length)
        if order == 0:
            return middle
        if order < 0:
            low = middle + 1
        else:
            high = middle
    return count


@inlined
def _order(one: NDArray[np.uint8], one_at: int, one_size: int, other: NDArray[np.uint8], other_at: int, other_size: int) -> int:
    """Negative, 0 or positive, as bytes are ordered."""
    for i in range(min(one_size, other_size)):
        difference = byte_at(one, one_at + i) - byte_at(other, other_at + i)
        if difference != 0:
            return difference
    return one_size - other_size
