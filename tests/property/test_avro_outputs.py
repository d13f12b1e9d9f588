"""Outputs written by the kernel are those that the plain encoder writes, row for row."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.avro import decoder, encoded, record_type
from support.records import record_batch

from streamproc.avro.encoder import PredictionEncoder
from streamproc.avro.outputs import OutputWriter
from streamproc.batches import Predictions
from streamproc.models.base import Variant

SCHEMA = record_type(tenant="string", x="double")
VARIANTS = list(Variant)
DOUBLES = st.floats(width=64) | st.sampled_from([0.0, -0.0, 0.5, 1.0, 5e-324, 1.7976931348623157e308])
LABELS = st.one_of(
    st.lists(st.text(max_size=6), min_size=2, max_size=5, unique=True),
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=2, max_size=5, unique=True),
    st.just([False, True]),
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=4, unique=True),
    st.just(["sound", None]),
)


@st.composite
def models(draw: st.DrawFn) -> dict[str, Any]:
    """A regressor of some outputs, or a classifier with or without scores."""
    model_id = draw(st.text(min_size=1, max_size=9)) + "@1"
    if draw(st.booleans()):
        return {"model_id": model_id, "numbers": draw(st.integers(1, 4)), "labels": [], "classes": ()}
    labels = draw(LABELS)
    return {
        "model_id": model_id,
        "numbers": 0,
        "labels": labels,
        "classes": tuple(map(str, labels)) if draw(st.booleans()) else (),
    }


@st.composite
def batches(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Some models, and rows that they predicted."""
    chosen = draw(st.lists(models(), min_size=1, max_size=4))
    rows = []
    for _ in range(draw(st.integers(1, 12))):
        slot = draw(st.integers(0, len(chosen) - 1))
        model = chosen[slot]
        width = model["numbers"] + len(model["classes"])
        rows.append(
            {
                "slot": slot,
                "outputs": draw(st.lists(DOUBLES, min_size=width, max_size=width)),
                "label": draw(st.integers(0, len(model["labels"]) - 1)) if model["labels"] else -1,
                "variant": draw(st.integers(0, len(VARIANTS) - 1)),
            }
        )
    return chosen, rows


def predictions(chosen: list[dict[str, Any]], rows: list[dict[str, Any]]) -> Predictions:
    widths = np.array([len(row["outputs"]) for row in rows])
    slots = np.array([row["slot"] for row in rows], np.int32)
    return replace(
        Predictions.none(len(rows)),
        slots=slots,
        label=np.array([row["label"] for row in rows], np.int32),
        numbers=np.array([chosen[slot]["numbers"] for slot in slots], np.int32),
        scores=np.array([len(chosen[slot]["classes"]) for slot in slots], np.int32),
        outputs=np.array([double for row in rows for double in row["outputs"]], np.float64),
        output_start=np.cumsum(widths) - widths,
    )


def plain(model: dict[str, Any], row: dict[str, Any], offset: int, scores: bool | int) -> bytes | None:  # noqa: FBT001 - a setting
    numbers = row["outputs"][: model["numbers"]]
    values: NDArray[Any] = np.array([numbers]) if numbers else np.array([model["labels"][row["label"]]], object)
    encoded_row = PredictionEncoder(scores).encode(
        values,
        np.array([row["outputs"][model["numbers"] :]]) if model["classes"] else None,
        model["classes"] or None,
        model_id=model["model_id"],
        variant=VARIANTS[row["variant"]],
        predicted_at_ms=1_700_000_000_123,
        topics=["events"],
        partitions=np.array([0], np.int32),
        offsets=np.array([offset]),
    )
    return None if encoded_row.status[0] else encoded_row.suffixes[0]


@settings(max_examples=300, deadline=None)
@given(batches(), st.sampled_from([True, False, 1, 2, 9]), st.integers(0, 2**40))
def test_each_row_is_written_as_the_plain_encoder_writes_it(
    drawn: tuple[list[dict[str, Any]], list[dict[str, Any]]],
    scores: bool | int,  # noqa: FBT001 - a setting
    first_offset: int,
) -> None:
    chosen, rows = drawn
    writer = OutputWriter(scores)
    for slot, model in enumerate(chosen):
        writer.templates.install(slot, model["model_id"], model["labels"], model["classes"])
    bodies = [encoded(SCHEMA, {"tenant": "t" * (row % 5 + 1), "x": float(row)}) for row in range(len(rows))]
    batch = record_batch([*bodies], first_offset=first_offset)
    decoded = decoder(SCHEMA).decode(batch)
    variants = np.array([row["variant"] for row in rows], np.uint8)
    written = writer.write(batch, decoded, predictions(chosen, rows), variants, {}, 1_700_000_000_123)
    suffixes = [plain(chosen[row["slot"]], row, first_offset + place, scores) for place, row in enumerate(rows)]
    sound = [place for place, suffix in enumerate(suffixes) if suffix is not None]
    assert written.rows.tolist() == sound
    assert written.invalid.tolist() == [place for place, suffix in enumerate(suffixes) if suffix is None]
    assert list(written.values) == [bodies[place] + (suffixes[place] or b"") for place in sound]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), models()), min_size=1, max_size=40))
def test_a_slots_template_is_its_last_models_whatever_was_there_before(steps: list[tuple[int, dict[str, Any]]]) -> None:
    writer = OutputWriter(scores=True)
    held: dict[int, dict[str, Any]] = {}
    batch = record_batch([encoded(SCHEMA, {"tenant": "t", "x": 1.0})])
    decoded = decoder(SCHEMA).decode(batch)
    for slot, model in steps:
        if held.pop(slot, None) is not None:
            writer.templates.free(slot)
        writer.templates.install(slot, model["model_id"], model["labels"], model["classes"])
        held[slot] = model
        for other, own in held.items():
            row = {"slot": other, "outputs": [0.25] * (own["numbers"] + len(own["classes"])), "label": 0, "variant": 1}
            made = replace(predictions(list(held.values()), [{**row, "slot": 0}]), slots=np.array([other], np.int32))
            made = replace(
                made,
                numbers=np.array([own["numbers"]], np.int32),
                scores=np.array([len(own["classes"])], np.int32),
                label=np.array([0 if own["labels"] else -1], np.int32),
            )
            value = list(writer.write(batch, decoded, made, np.ones(1, np.uint8), {}, 1_700_000_000_123).values)
            expected = plain(own, {**row, "label": 0}, 0, scores=True)
            assert value == ([] if expected is None else [batch.payload + expected])
    for slot in held:
        writer.templates.free(slot)
    assert writer.templates.used_bytes == 0
