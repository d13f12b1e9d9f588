"""The compiled writing of output records: frame, input body, prediction, one after another into one buffer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamproc.jit import copy_bytes, inlined, kernel

BUILT_WITH = "0f6ba5ebbf20a5ab"
"""Digest of the imported modules; written by `python tests/support/built_with.py`."""

DOUBLE_BRANCH = 0x02
ARRAY_BRANCH = 0x08
NO_SCORES = 0x00
SCORES = 0x02
END = 0x00
_EXPONENT = 0x7FF0000000000000
LABELS, LABEL_TEXT, CLASSES, CLASS_TEXT = 0, 1, 2, 3
"""Columns of a table of classes: how many labels, where their bounds start, how many classes, where theirs do."""


@inlined
def _write_long(out: NDArray[np.uint8], at: int, value: int) -> int:
    rest = (np.uint64(value) << np.uint64(1)) ^ np.uint64(value >> 63)
    while rest >= np.uint64(0x80):
        out[np.uint64(at)] = np.uint8(rest & np.uint64(0x7F)) | np.uint8(0x80)
        rest >>= np.uint64(7)
        at += 1
    out[np.uint64(at)] = np.uint8(rest)
    return at + 1


@inlined
def _write_double(out: NDArray[np.uint8], at: int, bits: int) -> int:
    """-1 where it is NaN or infinite."""
    if (bits & _EXPONENT) == _EXPONENT:
        return -1
    for byte in range(8):
        out[np.uint64(at + byte)] = np.uint8((bits >> (8 * byte)) & 0xFF)
    return at + 8


@inlined
def _write_numbers(out: NDArray[np.uint8], at: int, bits: NDArray[np.int64], start: int, count: int) -> int:
    if count == 1:
        out[at] = DOUBLE_BRANCH
        return _write_double(out, at + 1, bits[start])
    out[at] = ARRAY_BRANCH
    at = _write_long(out, at + 1, count)
    for number in range(count):
        at = _write_double(out, at, bits[start + number])
        if at < 0:
            return at
    out[at] = END
    return at + 1


@inlined
def _next_highest(outputs: NDArray[np.float64], start: int, count: int, last: int) -> int:
    """The place of the highest score that comes after that at `last` (-1: of all), equal ones in their order."""
    best = -1
    for place in range(count):
        score = outputs[start + place]
        if last >= 0 and (score > outputs[start + last] or (score == outputs[start + last] and place <= last)):
            continue
        if best < 0 or score > outputs[start + best]:
            best = place
    return best


@inlined
def _write_scores(  # noqa: PLR0913, PLR0917 - as below
    out: NDArray[np.uint8],
    at: int,
    outputs: NDArray[np.float64],
    bits: NDArray[np.int64],
    start: int,
    count: int,
    limit: int,
    text: NDArray[np.uint8],
    bounds: NDArray[np.int64],
    first: int,
) -> int:
    """All of them, or the `limit` highest; -1 where one, written or not, is NaN or infinite."""
    for place in range(count):
        if (bits[start + place] & _EXPONENT) == _EXPONENT:
            return -1
    written = min(count, limit)
    out[at] = SCORES
    at += 1
    if written:
        at = _write_long(out, at, written)
    place = -1
    for number in range(written):
        place = number if written == count else _next_highest(outputs, start, count, place)
        at = copy_bytes(text, bounds[first + place], bounds[first + place + 1], out, at)
        at = _write_double(out, at, bits[start + place])
    out[at] = END
    return at + 1


@kernel
def write_outputs(  # noqa: PLR0913, PLR0917 - a kernel takes plain arrays
    rows: NDArray[np.int64],
    payload: NDArray[np.uint8],
    body: NDArray[np.int64],
    bounds: NDArray[np.int64],
    prefix: NDArray[np.int32],
    prefixes: NDArray[np.uint8],
    slots: NDArray[np.int32],
    variants: NDArray[np.uint8],
    label: NDArray[np.int32],
    numbers: NDArray[np.int32],
    scores: NDArray[np.int32],
    outputs: NDArray[np.float64],
    bits: NDArray[np.int64],
    output_start: NDArray[np.int64],
    limit: int,
    heads: NDArray[np.int64],
    classes: NDArray[np.int64],
    class_bounds: NDArray[np.int64],
    text: NDArray[np.uint8],
    suffix_start: NDArray[np.int64],
    suffixes: NDArray[np.uint8],
    partition: NDArray[np.int32],
    tail_bounds: NDArray[np.int64],
    tails: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    out: NDArray[np.uint8],
    ends: NDArray[np.int64],
) -> None:
    """Write the output record of each of `rows`; `ends[i]` becomes where it ends; -1 minus that where there is none.

    A row without a slot takes its whole suffix from `suffixes`, between `suffix_start[row]` and the next; others are encoded
    from their outputs: there is no record where one of these is NaN or infinite, or the label can't be encoded.

    Args:
        rows: (m,)
        payload: the batch's buffer; a row's body is between `body[row]` and `bounds[row + 1]`.
        body: (n,)
        bounds: (n + 1,)
        prefix: (n,): the row of `prefixes` that stands before the body; -1: none.
        prefixes: (schemas, width)
        slots: (n,): the model that predicted the row, -1: see above.
        variants: (n,): index of the variant's symbol, below 64.
        label: (n,), with `numbers`, `scores`, `outputs` and `output_start` as in `Predictions`; `bits` are those of `outputs`.
        numbers: (n,)
        scores: (n,)
        outputs: flat
        bits: flat
        output_start: (n,)
        limit: how many scores are written at most; below 0: null instead.
        heads: (slots, 3): where the encoded model id starts and ends in `text`, and the row of `classes`.
        classes: (tables, 4), see the columns above.
        class_bounds: flat: where each label and each class name starts and ends in `text`.
        text: flat
        suffix_start: (n + 1,)
        suffixes: flat
        partition: (n,): what follows the scores, the offset apart: between `tail_bounds[p]` and the next in `tails`.
        tail_bounds: (partitions + 1,)
        tails: flat
        offsets: (n,)
        out: large enough for whatever comes.
        ends: (m,)

    """
    at = 0
    for i in range(len(rows)):
        row = rows[i]
        start = at
        if prefix[row] >= 0:
            for byte in range(prefixes.shape[1]):
                out[at + byte] = prefixes[prefix[row], byte]
            at += prefixes.shape[1]
        at = copy_bytes(payload, body[row], bounds[row + 1], out, at)
        slot = slots[row]
        if slot < 0:
            at = copy_bytes(suffixes, suffix_start[row], suffix_start[row + 1], out, at)
            ends[i] = at
            continue
        at = copy_bytes(text, heads[slot, 0], heads[slot, 1], out, at)
        out[at] = np.uint8(2) * variants[row]
        at += 1
        table = heads[slot, 2]
        if numbers[row] > 0:
            at = _write_numbers(out, at, bits, output_start[row], numbers[row])
        else:
            place = classes[table, LABEL_TEXT] + label[row]
            empty = class_bounds[place] == class_bounds[place + 1]
            at = -1 if empty else copy_bytes(text, class_bounds[place], class_bounds[place + 1], out, at)
        if at >= 0 and (limit < 0 or scores[row] == 0):
            out[at] = NO_SCORES
            at += 1
        elif at >= 0:
            first = output_start[row] + numbers[row]
            names = classes[table, CLASS_TEXT]
            at = _write_scores(out, at, outputs, bits, first, scores[row], limit, text, class_bounds, names)
        if at < 0:
            at = start
            ends[i] = -at - 1
            continue
        at = copy_bytes(tails, tail_bounds[partition[row]], tail_bounds[partition[row] + 1], out, at)
        at = _write_long(out, at, offsets[row])
        ends[i] = at
