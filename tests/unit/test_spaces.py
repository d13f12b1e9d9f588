"""Blocks in one growing array, and models in slots."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamproc.inference.arenas import ModelArenas
from streamproc.inference.engine import FusedEngine
from streamproc.inference.layouts import Layout, Reads
from streamproc.inference.packed import FLOATS, INTS, KIND, NODE, NUMBERS, Kind, Packed
from streamproc.spaces import Space


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 400)), max_size=120))
def test_blocks_never_overlap_and_keep_their_content_whatever_is_placed_and_freed(steps: list[tuple[bool, int]]) -> None:
    space = Space(np.int64)
    blocks: dict[int, tuple[int, int]] = {}
    for number, (frees, size) in enumerate(steps):
        if frees and blocks:
            start, length = blocks.pop(list(blocks)[size % len(blocks)])
            space.free(start, length)
        else:
            blocks[number] = (space.place(np.full(size, number, np.int64)), size)
        for owner, (start, length) in blocks.items():
            assert (space.array[start : start + length] == owner).all()
        assert space.used_bytes == 8 * sum(length for _, length in blocks.values())


def test_what_is_freed_is_used_again_before_the_array_grows() -> None:
    space = Space(np.int64)
    starts = [space.place(np.zeros(50, np.int64)) for _ in range(5)]
    reserved = space.reserved_bytes
    for _ in range(1000):
        space.free(starts[1], 50)
        space.free(starts[2], 50)
        starts[1], starts[2] = space.place(np.zeros(60, np.int64)), space.place(np.zeros(40, np.int64))
        space.free(starts[1], 60)
        space.free(starts[2], 40)
        starts[1], starts[2] = space.place(np.zeros(50, np.int64)), space.place(np.zeros(50, np.int64))
    assert space.reserved_bytes == reserved


def packed(size: int, numbers: int = 1) -> Packed:
    return Packed(
        kind=Kind.LINEAR,
        n_features=1,
        registers=1,
        first=0,
        columns=1,
        numbers=numbers,
        scores=0,
        ints=np.full(size, size, np.int32),
        floats=np.full(2 * size, size, np.float64),
        nodes=np.zeros(size, NODE),
        text=np.full(size, 1, np.uint8),
        estimator_ints=1,
        estimator_floats=2,
    )


def test_a_freed_slot_is_given_to_the_next_model_and_the_others_stay_as_they_are() -> None:
    arenas = ModelArenas()
    first, second, third = (arenas.install(packed(size)) for size in (3, 5, 4))
    used = arenas.used_bytes
    arenas.free(second)
    assert arenas.used_bytes == used - packed(5).nbytes
    assert arenas.install(packed(2, numbers=7)) == second
    table = arenas.arrays.table
    assert (table[second, NUMBERS], table[first, NUMBERS]) == (7, 1)
    assert table[third, KIND] == Kind.LINEAR
    for slot, size in ((first, 3), (second, 2), (third, 4)):
        assert (arenas.arrays.ints[table[slot, INTS] :][:size] == size).all()
        assert (arenas.arrays.floats[table[slot, FLOATS] :][: 2 * size] == size).all()


def test_the_bytes_used_are_those_that_the_models_say_they_take() -> None:
    arenas = ModelArenas()
    models = [packed(size) for size in (3, 100, 1000)]
    slots = [arenas.install(model) for model in models]
    assert arenas.used_bytes == sum(model.nbytes for model in models)
    for slot in slots:
        arenas.free(slot)
    assert (arenas.used_bytes, arenas.models) == (0, 0)


def test_a_freed_model_leaves_nothing_behind_not_even_what_it_read() -> None:
    engine = FusedEngine()
    for number in range(50):
        engine.free(engine.install(packed(3), Layout((f"feature{number}",), None, (Reads.NUMBER,))))
    assert (engine.used_bytes, engine._layouts._numbers) == (0, {})
