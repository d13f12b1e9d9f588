"""One run of one contender: throughput, CPU and memory between the first and the last tenth of its records."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final

from streamproc.kafka.options import ConnectionOptions
from streamproc.kafka.run_topics import Ends, Feed, RunTopics
from streamproc.operations.bench.children import Child, Contender, ContenderError
from streamproc.operations.bench.usage import usage_of
from streamproc.operations.bench.workload import FIRST_EVENT_MS

LOOK_SECONDS: Final = 0.02
WARM_SECONDS: Final = 300.0
STALL_SECONDS: Final = 60.0
SETTLE_SECONDS: Final = 3.0
"""For a group to share its partitions among members that have joined."""
Check = Callable[[RunTopics, str], None]
"""Looks at the topics that the contender of that name leaves behind; raises `ContenderError` where they aren't right."""
_STAGE: Final = re.compile(r'^streamproc_stage_duration_seconds_sum\{stage="(\w+)"\} (\S+)$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Sample:
    """What was seen at one moment, all within about a millisecond."""

    seconds: float
    """Monotonic."""
    records: int
    """In the output topic, of those that are measured."""
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Measured:
    """One run."""

    records: int
    """Written in all, without the warm-up."""
    seconds: float
    """From their release until all were out."""
    records_per_second: float
    cpu_microseconds_per_record: float
    """Of the contender's processes; not the broker's."""
    peak_resident_bytes: int
    largest_step: int
    """The most records that came between two looks."""
    stage_microseconds_per_record: Mapping[str, float] = field(default_factory=dict)
    """Wall time of the loop's thread by stage, where the contender tells it."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent in a run."""

    values: Sequence[bytes]
    keys: Sequence[bytes]
    warm_up: int
    """Records that are answered before the measured ones are let go."""
    records: int
    """Measured; repeats the values as often as that takes."""


class Run:
    """Measures contenders on one cluster, one at a time, each with topics and a group of its own."""

    def __init__(self, options: ConnectionOptions, folder: Path, *, partitions: int = 4) -> None:
        """Compose; talks to nobody yet. `folder` takes the contenders' logs."""
        self._options = options
        self._folder = folder
        self._partitions = partitions

    def measure(self, contender: Contender, load: Load, *, check: Check | None = None) -> Measured:
        """Run it once.

        Raises:
            ContenderError: it ended, stood still, or what it wrote is wrong.

        """
        with RunTopics(self._options, partitions=self._partitions) as topics:
            feed = Feed(self._options, topics.input, load.values, load.keys, first_timestamp=FIRST_EVENT_MS)
            feed.write_visible(load.warm_up // contender.members)
            if contender.members == 1:
                feed.write_hidden(load.records)
            if not contender.reads_committed:
                feed.release()
            measured = self._watched(contender, load, topics, feed)
            if check is not None:
                check(topics, contender.name)
        return measured

    def _watched(self, contender: Contender, load: Load, topics: RunTopics, feed: Feed) -> Measured:
        launch, log = contender.launch(topics), self._folder / f"{contender.name}.log"
        with closing(Ends(self._options, topics.output, partitions=self._partitions)) as ends, Child(launch, log) as child:
            if contender.members > 1:
                _warm_members(child, ends, feed, topics, contender.members, load)
            measured = _measured(child, ends, load, feed if contender.reads_committed else None)
            child.stop()
            return measured


def _measured(child: Child, ends: Ends, load: Load, feed: Feed | None) -> Measured:
    wait_warm(child, ends, load.warm_up)
    before = stage_seconds(child.metrics())
    already = (
        load.warm_up if feed is None else ends.total()
    )  # more than the warm-up where members of a group repeated some of it
    if feed is not None:
        feed.release()
    samples, peak = _samples(child, ends, load, already)
    stages = {stage: seconds - before.get(stage, 0.0) for stage, seconds in stage_seconds(child.metrics()).items()}
    start, end = fixed_points(samples, load.records)
    done = end.records - start.records
    return Measured(
        records=load.records,
        seconds=samples[-1].seconds - samples[0].seconds,
        records_per_second=done / (end.seconds - start.seconds),
        cpu_microseconds_per_record=(end.cpu_seconds - start.cpu_seconds) / done * 1e6,
        peak_resident_bytes=peak,
        largest_step=max(later.records - earlier.records for earlier, later in pairwise(samples)),
        stage_microseconds_per_record={stage: seconds / load.records * 1e6 for stage, seconds in stages.items()},
    )


def _warm_members(child: Child, ends: Ends, feed: Feed, topics: RunTopics, members: int, load: Load) -> None:
    """Give the rest of the warm-up to all members of a group, once they have joined; then write what is measured."""
    first = load.warm_up // members
    wait_warm(child, ends, first)
    deadline = time.monotonic() + WARM_SECONDS
    while topics.members() < members:
        child.check_alive()
        if time.monotonic() > deadline:
            raise ContenderError(f"{topics.members()} of {members} members after {WARM_SECONDS:.0f} s; {child.last_lines()}")
        time.sleep(LOOK_SECONDS)
    time.sleep(SETTLE_SECONDS)
    feed.write_visible(load.warm_up - first)
    wait_warm(child, ends, load.warm_up)
    feed.write_hidden(load.records)


def wait_warm(child: Child, ends: Ends, records: int) -> None:
    """Return when so many records are out; raises `ContenderError` where that takes too long."""
    deadline = time.monotonic() + WARM_SECONDS
    while ends.total() < records:
        child.check_alive()
        if time.monotonic() > deadline:
            raise ContenderError(f"not warm after {WARM_SECONDS:.0f} s: {ends.total()} of {records}; {child.last_lines()}")
        time.sleep(LOOK_SECONDS)


def _samples(child: Child, ends: Ends, load: Load, already: int) -> tuple[list[Sample], int]:
    """Everything that was seen until all records were out, and the most memory that was seen."""
    samples: list[Sample] = []
    peak, changed = 0, time.monotonic()
    while not samples or samples[-1].records < load.records:
        records, now = ends.total() - already, time.monotonic()
        usage = usage_of(child.pid)
        peak = max(peak, usage.resident_bytes)
        if not samples or records > samples[-1].records:
            changed = now
        samples.append(Sample(now, records, usage.cpu_seconds))
        child.check_alive()
        if now - changed > STALL_SECONDS:
            raise ContenderError(f"no record for {STALL_SECONDS:.0f} s, {records} of {load.records}; {child.last_lines()}")
        time.sleep(LOOK_SECONDS)
    return samples, peak


class TooFewRecordsError(ContenderError):
    """The records went by between two looks, in `seconds` from their release to the last one's output."""

    def __init__(self, records: int, seconds: float) -> None:
        super().__init__(f"{records} records are over too soon to be measured; take more")
        self.seconds = seconds


def fixed_points(samples: Sequence[Sample], records: int) -> tuple[Sample, Sample]:
    """The first sample at or behind the first tenth, and the first one at or behind the last tenth's begin.

    So both lie where output has just come, also for who writes in bursts.

    Raises:
        TooFewRecordsError: they are the same sample.

    """
    start, end = (next(one for one in samples if one.records >= records * share) for share in (0.1, 0.9))
    if start.records == end.records:
        raise TooFewRecordsError(records, samples[-1].seconds - samples[0].seconds)
    return start, end


def stage_seconds(exposition: str) -> dict[str, float]:
    """The seconds that a replica spent in each stage so far."""
    return {stage: float(seconds) for stage, seconds in _STAGE.findall(exposition)}
