"""One run of one contender: throughput, CPU and memory between the first and the last tenth of its records."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
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
    records_per_second: float
    cpu_microseconds_per_record: float
    """Of the contender's processes; not the broker's."""
    peak_resident_bytes: int
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
            feed.write_visible(load.warm_up)
            feed.write_hidden(load.records)
            if not contender.reads_committed:
                feed.release()
            ends = Ends(self._options, topics.output, partitions=self._partitions)
            try:
                with Child(contender.launch(topics), self._folder / f"{contender.name}.log") as child:
                    measured = _measured(child, ends, load, feed if contender.reads_committed else None)
                    child.stop()
            finally:
                ends.close()
            if check is not None:
                check(topics, contender.name)
        return measured


def _measured(child: Child, ends: Ends, load: Load, feed: Feed | None) -> Measured:
    _wait_warm(child, ends, load.warm_up)
    before = stage_seconds(child.metrics())
    if feed is not None:
        feed.release()
    samples, peak = _samples(child, ends, load)
    stages = {stage: seconds - before.get(stage, 0.0) for stage, seconds in stage_seconds(child.metrics()).items()}
    start, end = fixed_points(samples, load.records)
    done = end.records - start.records
    return Measured(
        records=load.records,
        records_per_second=done / (end.seconds - start.seconds),
        cpu_microseconds_per_record=(end.cpu_seconds - start.cpu_seconds) / done * 1e6,
        peak_resident_bytes=peak,
        stage_microseconds_per_record={stage: seconds / load.records * 1e6 for stage, seconds in stages.items()},
    )


def _wait_warm(child: Child, ends: Ends, records: int) -> None:
    deadline = time.monotonic() + WARM_SECONDS
    while ends.total() < records:
        child.check_alive()
        if time.monotonic() > deadline:
            raise ContenderError(f"not warm after {WARM_SECONDS:.0f} s: {ends.total()} of {records}; {child.last_lines()}")
        time.sleep(LOOK_SECONDS)


def _samples(child: Child, ends: Ends, load: Load) -> tuple[list[Sample], int]:
    """Everything that was seen until all records were out, and the most memory that was seen."""
    samples: list[Sample] = []
    peak, changed = 0, time.monotonic()
    while not samples or samples[-1].records < load.records:
        records, now = ends.total() - load.warm_up, time.monotonic()
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


def fixed_points(samples: Sequence[Sample], records: int) -> tuple[Sample, Sample]:
    """The first sample at or behind the first tenth, and the last one at or before the last tenth begins.

    Raises:
        ContenderError: there are no two such samples: too few records for the contender's speed.

    """
    after = [sample for sample in samples if records / 10 <= sample.records <= records * 9 / 10]
    if len(after) < 2 or after[-1].records == after[0].records:  # noqa: PLR2004 - two points make an interval
        raise ContenderError(f"{records} records are over too soon to be measured; take more")
    return after[0], after[-1]


def stage_seconds(exposition: str) -> dict[str, float]:
    """The seconds that a replica spent in each stage so far."""
    return {stage: float(seconds) for stage, seconds in _STAGE.findall(exposition)}
