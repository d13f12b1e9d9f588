"""Encoding predictions: fastavro reads what was predicted, and what can't be encoded is refused row by row."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.avro import Json, read

from streamproc.avro.encoder import EncodedPredictions, PredictionEncoder, encode_long
from streamproc.avro.output import PREDICTION_SCHEMA
from streamproc.errors import Reason
from streamproc.models.base import Variant

INVALID = Reason.PREDICTION_INVALID.code


def encode(
    values: NDArray[Any],  # of the dtype under test
    scores: NDArray[np.float64] | None = None,
    classes: tuple[str, ...] | None = None,
    *,
    written: bool | int = True,
    rows: int | None = None,
) -> EncodedPredictions:
    count = len(values) if rows is None else rows
    return PredictionEncoder(written).encode(
        values,
        scores,
        classes,
        model_id="churn@3",
        variant=Variant.FALLBACK,
        predicted_at_ms=1_700_000_000_123,
        topics=[f"t{row % 2}" for row in range(count)],
        partitions=np.arange(count, dtype=np.int32),
        offsets=np.arange(count, dtype=np.int64) + (1 << 40),
    )


def decoded(encoded: EncodedPredictions) -> list[Json]:
    predictions = []
    for suffix, status in zip(encoded.suffixes, encoded.status.tolist(), strict=True):
        if status:
            assert suffix == b""
            predictions.append(status)
            continue
        prediction, used = read(dict(PREDICTION_SCHEMA), suffix)
        assert used == len(suffix)
        predictions.append(prediction)
    return predictions


VALUES: dict[str, tuple[NDArray[Any], list[Json]]] = {
    "doubles": (np.array([0.5, -0.0, math.nan, math.inf, 1e308]), [0.5, -0.0, INVALID, INVALID, 1e308]),
    "floats": (np.array([0.1, math.nan], np.float32), [float(np.float32(0.1)), INVALID]),
    "longs": (np.array([1, -(1 << 63), (1 << 63) - 1]), [1, -(1 << 63), (1 << 63) - 1]),
    "small ints": (np.array([1, -128], np.int8), [1, -128]),
    "unsigned": (np.array([1, (1 << 63) - 1, 1 << 63], np.uint64), [1, (1 << 63) - 1, INVALID]),
    "booleans": (np.array([True, False]), [True, False]),
    "strings": (np.array(["yes", "nö"]), ["yes", "nö"]),
    "objects": (
        np.array(["a", 7, 0.5, True, np.int32(3), np.True_, None, b"x", 1 << 63, "\ud800", object()], object),
        ["a", 7, 0.5, True, 3, True, INVALID, INVALID, INVALID, INVALID, INVALID],
    ),
    "one column": (np.array([[1.5], [2.5]]), [1.5, 2.5]),
    "one column of strings": (np.array([["a"], ["b"]]), ["a", "b"]),
    "two columns": (np.array([[1.5, 2], [math.nan, 1]]), [[1.5, 2.0], INVALID]),
    "two columns of ints": (np.array([[1, 2], [3, 4]]), [[1.0, 2.0], [3.0, 4.0]]),
    "two columns of objects": (np.array([[1, 2.5], ["a", 1], [None, 1]], object), [[1.0, 2.5], INVALID, INVALID]),
    "two columns of strings": (np.array([["a", "b"]]), [INVALID]),
    "dates": (np.array(["2024-01-01"], "datetime64[D]"), [INVALID]),
    "complex": (np.array([1j]), [INVALID]),
    "bytes": (np.array([b"a"]), [INVALID]),
    "three dimensions": (np.zeros((2, 2, 2)), [INVALID, INVALID]),
}


@pytest.mark.parametrize("kind", VALUES)
def test_a_value_is_written_by_the_kind_of_its_elements(kind: str) -> None:
    values, expected = VALUES[kind]
    found = [row if isinstance(row, int) else row["value"] for row in decoded(encode(values))]
    assert found == expected
    assert [type(value) for value in found] == [type(value) for value in expected]


def test_the_rest_of_a_prediction_says_who_predicted_when_and_from_which_record() -> None:
    first, second = decoded(encode(np.array([0.5, 1.5])))
    assert first == {
        "model_id": "churn@3",
        "variant": "fallback",
        "value": 0.5,
        "scores": None,
        "predicted_at": first["predicted_at"],
        "source_topic": "t0",
        "source_partition": 0,
        "source_offset": 1 << 40,
    }
    assert first["predicted_at"].timestamp() == 1_700_000_000.123
    assert (second["source_topic"], second["source_partition"], second["source_offset"]) == ("t1", 1, (1 << 40) + 1)


SCORES = np.array([[0.25, 0.5, 0.25], [0.1, 0.2, 0.7]])
CLASSES = ("a", "b", "ç")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (True, [{"a": 0.25, "b": 0.5, "ç": 0.25}, {"a": 0.1, "b": 0.2, "ç": 0.7}]),
        (3, [{"a": 0.25, "b": 0.5, "ç": 0.25}, {"a": 0.1, "b": 0.2, "ç": 0.7}]),
        (9, [{"a": 0.25, "b": 0.5, "ç": 0.25}, {"a": 0.1, "b": 0.2, "ç": 0.7}]),
        (2, [{"b": 0.5, "a": 0.25}, {"ç": 0.7, "b": 0.2}]),
        (1, [{"b": 0.5}, {"ç": 0.7}]),
        (False, [None, None]),
        (0, [None, None]),
    ],
)
def test_scores_are_all_none_or_the_highest_with_ties_in_the_order_of_the_classes(
    written: bool | int,  # noqa: FBT001 - the setting
    expected: list[Json],
) -> None:
    rows = decoded(encode(np.array(["x", "y"]), SCORES, CLASSES, written=written))
    assert [row["scores"] for row in rows] == expected


@pytest.mark.parametrize("written", [True, 1])
def test_a_score_that_is_no_number_refuses_its_row_only(written: bool | int) -> None:  # noqa: FBT001 - the setting
    scores = np.array([[0.5, 0.5], [math.nan, 1.0], [0.0, math.inf]])
    assert encode(np.zeros(3), scores, ("a", "b"), written=written).status.tolist() == [0, INVALID, INVALID]
    assert encode(np.zeros(3), scores, ("a", "b"), written=False).status.tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("values", "scores"),
    [
        (np.zeros(3), None),
        (np.zeros((3, 2)), None),
        (np.float64(1.0), None),
        (np.zeros(2), np.zeros((2, 3))),
        (np.zeros(2), np.zeros(2)),
    ],
    ids=["rows", "rows of arrays", "a scalar", "columns of scores", "flat scores"],
)
def test_a_shape_that_does_not_fit_refuses_every_row(
    values: NDArray[Any], scores: NDArray[np.float64] | None
) -> None:  # shapes under test
    assert encode(values, scores, ("a", "b"), rows=2).status.tolist() == [INVALID, INVALID]


def test_no_rows_make_no_predictions() -> None:
    encoded = encode(np.zeros(0), np.zeros((0, 2)), ("a", "b"))
    assert (encoded.suffixes, len(encoded.status)) == ([], 0)


@pytest.mark.parametrize("value", [0, -1, 63, 64, -64, -65, 1 << 31, (1 << 63) - 1, -(1 << 63)])
def test_longs_are_written_as_fastavro_writes_them(value: int) -> None:
    assert read("long", encode_long(value)) == (value, len(encode_long(value)))
