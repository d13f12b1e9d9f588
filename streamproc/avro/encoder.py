"""Predictions to Avro: the bytes that follow an input record's to make it an output record."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamproc.errors import Reason
from streamproc.models.base import Variant

_LONG, _DOUBLE, _BOOLEAN, _STRING, _ARRAY = b"\x00", b"\x02", b"\x04", b"\x06", b"\x08"
"""The branches of `value`."""
_NO_SCORES: Final = b"\x00"
_SCORES: Final = b"\x02"
_END: Final = b"\x00"
_VARIANTS: Final = {variant: number for number, variant in enumerate(Variant)}
_MAX_LONG: Final = (1 << 63) - 1
_double = struct.Struct("<d").pack


@dataclass(frozen=True, slots=True)
class EncodedPredictions:
    """One suffix a row; empty where the status, a reason's code, is not 0."""

    suffixes: list[bytes]
    status: NDArray[np.uint8]


class PredictionEncoder:
    """Encodes predictions as `schemas/prediction.avsc` has them."""

    def __init__(self, scores: bool | int) -> None:  # noqa: FBT001 - the setting models.scores as it is
        """Write every class's score (True), none (False, 0), or those of the `scores` highest."""
        self._scores = scores

    def encode(  # noqa: PLR0913 - what a prediction is made of
        self,
        values: NDArray[Any],  # the elements' dtype is the model's own
        scores: NDArray[np.float64] | None,
        classes: tuple[str, ...] | None,
        *,
        model_id: str,
        variant: Variant,
        predicted_at_ms: int,
        topics: Sequence[str],
        partitions: NDArray[np.int32],
        offsets: NDArray[np.int64],
    ) -> EncodedPredictions:
        """Encode the predictions that one model made at one time.

        A row that can't be encoded (NaN, infinity, None, a number above 64 bits, a text that is no Unicode) has status
        `prediction_invalid`, as have all rows where an array's shape does not fit.

        Args:
            values: (n,) or (n, 1): one scalar a row; (n, k) numbers: one array a row.
            scores: (n, len(classes)), or None.
            classes: `str(class)` in the order of the scores' columns.
            model_id: the artifact that predicted.
            variant: its part for the tenant.
            predicted_at_ms: when, in ms since the epoch.
            topics: (n,) where the input records came from, with `partitions` and `offsets`.
            partitions: (n,)
            offsets: (n,)

        """
        head = encode_string(model_id) + encode_long(_VARIANTS[variant])
        bodies = self._bodies(values, scores, classes, len(topics))
        tails: dict[tuple[str, int], bytes] = {}
        suffixes = []
        for body, topic, partition, offset in zip(bodies, topics, partitions.tolist(), offsets.tolist(), strict=True):
            if body is None:
                suffixes.append(b"")
                continue
            tail = tails.get((topic, partition))
            if tail is None:
                source = encode_string(topic) + encode_long(partition)
                tail = tails[topic, partition] = encode_long(predicted_at_ms) + source
            suffixes.append(head + body + tail + encode_long(offset))
        status = np.array([0 if body is not None else Reason.PREDICTION_INVALID.code for body in bodies], np.uint8)
        return EncodedPredictions(suffixes, status)

    def _bodies(
        self,
        values: NDArray[Any],  # as in `encode`
        scores: NDArray[np.float64] | None,
        classes: tuple[str, ...] | None,
        count: int,
    ) -> list[bytes | None]:
        """`value` and `scores` of each row; None where they can't be encoded."""
        encoded = _encode_values(np.asarray(values), count)
        if scores is None or classes is None or not self._scores:
            return [None if value is None else value + _NO_SCORES for value in encoded]
        if scores.shape != (count, len(classes)):
            return [None] * count
        unsound = set(np.flatnonzero(~np.isfinite(scores).all(axis=1)).tolist())
        maps = self._score_maps(np.asarray(scores, np.float64), classes)
        return [
            value + score_map if value is not None and row not in unsound else None
            for row, (value, score_map) in enumerate(zip(encoded, maps, strict=True))
        ]

    def _score_maps(self, scores: NDArray[np.float64], classes: tuple[str, ...]) -> list[bytes]:
        if self._scores is True or self._scores >= len(classes):
            return _all_scores(scores, classes)
        names = [encode_string(name) for name in classes]
        highest = np.argsort(-scores, axis=1, kind="stable")[:, : self._scores]
        start = _SCORES + encode_long(int(self._scores))
        return [
            start + b"".join([names[column] + _double(row[column]) for column in columns]) + _END
            for row, columns in zip(scores.tolist(), highest.tolist(), strict=True)
        ]


def _all_scores(scores: NDArray[np.float64], classes: tuple[str, ...]) -> list[bytes]:
    """One map a row with every class: rows differ in the doubles only, so all are cut from one array."""
    if not classes:
        return [_SCORES + _END] * len(scores)
    parts = [_SCORES + encode_long(len(classes))]
    places = []
    for name in classes:
        parts.append(encode_string(name) + bytes(8))
        places.append(sum(map(len, parts)) - 8)
    template = np.frombuffer(b"".join(parts) + _END, np.uint8)
    rows = np.tile(template, (len(scores), 1))
    doubles = np.ascontiguousarray(scores, "<f8").view(np.uint8).reshape(len(scores), len(classes), 8)
    for column, place in enumerate(places):
        rows[:, place : place + 8] = doubles[:, column]
    return _slices(rows.tobytes(), len(template), len(scores))


def _slices(encoded: bytes, width: int, count: int) -> list[bytes]:
    return [encoded[start : start + width] for start in range(0, count * width, width)]


def _encode_values(values: NDArray[Any], count: int) -> list[bytes | None]:  # as in `encode`
    if values.ndim not in (1, 2) or len(values) != count:
        return [None] * count
    if values.ndim == 2 and values.shape[1] != 1:  # noqa: PLR2004 - rows and columns
        return [_encode_array(row) for row in values]
    values = values.reshape(count)
    if values.dtype.kind == "f":
        encoded = _slices(values.astype("<f8").tobytes(), 8, count)
        sound: list[bool] = np.isfinite(values.astype(np.float64)).tolist()
        return [_DOUBLE + double if is_sound else None for double, is_sound in zip(encoded, sound, strict=True)]
    return [encode_scalar(value) for value in values.tolist()]


def _encode_array(row: NDArray[Any]) -> bytes | None:  # as in `encode`
    if row.dtype.kind not in "fiubO" or (row.dtype.kind == "O" and not all(_is_number(value) for value in row.tolist())):
        return None
    try:
        doubles = row.astype("<f8")
    except OverflowError:
        return None
    if not np.isfinite(doubles).all():
        return None
    return _ARRAY + (encode_long(len(doubles)) + doubles.tobytes() if len(doubles) else b"") + _END


def _is_number(value: object) -> bool:
    return isinstance(value, bool | int | float | np.bool_ | np.number) and not isinstance(value, complex | np.complexfloating)


def encode_scalar(value: object) -> bytes | None:
    """A value of the union `value`, by its kind; None where it fits no branch."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool):  # an int to Python, so it comes first
        return _BOOLEAN + (b"\x01" if value else b"\x00")
    if isinstance(value, int):
        return _LONG + encode_long(value) if -_MAX_LONG - 1 <= value <= _MAX_LONG else None
    if isinstance(value, float):
        return _DOUBLE + _double(value) if np.isfinite(value) else None
    try:
        return _STRING + encode_string(value) if isinstance(value, str) else None
    except UnicodeEncodeError:
        return None


def encode_long(value: int) -> bytes:
    """An int or long of 64 bits: zigzag, then 7 bits a byte."""
    zigzag = (value << 1) ^ (value >> 63)
    if zigzag < 0x80:  # noqa: PLR2004 - what fits one byte
        return zigzag.to_bytes(1, "little")
    encoded = bytearray()
    while zigzag >= 0x80:  # noqa: PLR2004 - as above
        encoded.append(zigzag & 0x7F | 0x80)
        zigzag >>= 7
    encoded.append(zigzag)
    return bytes(encoded)


def encode_string(text: str) -> bytes:
    """A string; raises UnicodeEncodeError where it holds half a surrogate pair."""
    raw = text.encode()
    return encode_long(len(raw)) + raw
