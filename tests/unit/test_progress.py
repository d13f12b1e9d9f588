"""What may be committed, and where reading goes on."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamproc.progress import PartitionProgress


def received(progress: PartitionProgress, offsets: list[int], timestamp: int = 0) -> None:
    progress.received(np.array(offsets, np.int64), timestamp)


def test_all_that_was_received_and_not_parked_may_be_committed() -> None:
    progress = PartitionProgress(5)
    received(progress, [5, 6, 9])
    assert progress.committable == progress.position == 10


def test_the_commit_stops_below_the_first_parked_offset_until_it_is_finished() -> None:
    progress = PartitionProgress(0)
    received(progress, [0, 1, 2, 3])
    progress.parked([3, 1])
    assert progress.committable == 1
    progress.finished([1])
    assert progress.committable == 3
    progress.finished([3])
    assert progress.committable == 4


def test_nothing_received_means_nothing_to_commit() -> None:
    assert PartitionProgress(42).is_committed


def test_a_rewind_goes_back_to_the_commit_and_forgets_what_waited() -> None:
    progress = PartitionProgress(0)
    received(progress, [0, 1, 2])
    progress.parked([1])
    progress.committed(1)
    received(progress, [3, 4])
    assert progress.rewind() == 1
    assert (progress.position, progress.committable) == (1, 1)


def test_the_lag_counts_records_backlog_and_the_age_of_the_oldest_uncommitted_batch() -> None:
    progress = PartitionProgress(0)
    received(progress, [0, 1], timestamp=1_000)
    received(progress, [2, 3], timestamp=3_000)
    progress.parked([3])
    assert progress.lag(10, 5_000) == (10, 7, 4.0)
    progress.committed(3)
    assert progress.lag(10, 5_000) == (7, 7, 2.0)
    progress.finished([3])
    progress.committed(4)
    assert progress.lag(None, 5_000) == (None, None, 0.0)


@given(st.lists(st.tuples(st.integers(1, 5), st.booleans()), max_size=50))
def test_a_commit_never_passes_a_record_that_is_not_finished(steps: list[tuple[int, bool]]) -> None:
    """Against a naive model: the set of unfinished offsets."""
    progress = PartitionProgress(0)
    offset, unfinished = 0, set[int]()
    for gap, park in steps:
        offset += gap
        received(progress, [offset])
        if park:
            progress.parked([offset])
            unfinished.add(offset)
        elif unfinished:
            done = max(unfinished) if gap % 2 else min(unfinished)
            progress.finished([done])
            unfinished.remove(done)
        assert progress.committable == min(unfinished, default=offset + 1)
