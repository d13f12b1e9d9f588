"""End-to-end latency at fixed rates: from when a record was due to be sent until a reader of committed records has its output.

The load is open: `latency_feed` stamps each record with the time at which it was due, late or not, so a stall counts for every
record that it delays. The stamp is part of the record (the first half of its id) and arrives unchanged in the output.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.latency_feed import STAMP_DIGITS
from benchmarks.sessions import PARTITIONS
from confluent_kafka import Consumer, TopicPartition
from numpy.typing import NDArray

from streamproc.kafka.options import ConnectionOptions, reader_config
from streamproc.kafka.run_topics import Ends, Feed, RunTopics
from streamproc.operations.bench.children import Child, Contender, ContenderError
from streamproc.operations.bench.measure import wait_warm
from streamproc.operations.bench.rounds import Spread
from streamproc.operations.bench.workload import FIRST_EVENT_MS, Workload

SETTLE_SECONDS = 3.0
"""At the start of each run, not counted."""
_PATIENCE_SECONDS = 30.0


class LatencyRun:
    """Measures contenders with one workload on one broker, each run with topics of its own."""

    def __init__(self, workload: Workload, options: ConnectionOptions, folder: Path) -> None:
        self._workload = workload
        self._options = options
        self._folder = folder
        records = workload.records(max(20_000, workload.active_tenants))
        self._values, self._keys = records.values(), records.keys(workload)

    def measure(self, contender: Contender, rate: int, seconds: float) -> NDArray[np.float64]:
        """The latency of each record after the start, in milliseconds.

        Raises:
            ContenderError: it ended, or records are missing.

        """
        with RunTopics(self._options, partitions=PARTITIONS) as topics:
            warm = len(self._values)
            Feed(self._options, topics.input, self._values, self._keys, first_timestamp=FIRST_EVENT_MS).write_visible(warm)
            ends = Ends(self._options, topics.output, partitions=PARTITIONS)
            with Child(contender.launch(topics), self._folder / f"{contender.name}-latency.log") as child:
                wait_warm(child, ends, warm)
                stamps, seen = self._observed(topics, rate, seconds)
                child.check_alive()
                child.stop()
            ends.close()
        counted = stamps >= stamps.min() + SETTLE_SECONDS * 1e9
        milliseconds: NDArray[np.float64] = (seen - stamps)[counted] / 1e6
        return milliseconds

    def _observed(self, topics: RunTopics, rate: int, seconds: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """When each record was due and when its output was seen, in nanoseconds of the monotonic clock."""
        count = int(rate * (seconds + SETTLE_SECONDS))
        consumer = Consumer({**reader_config(self._options), "fetch.wait.max.ms": 10, "enable.partition.eof": False})
        places = [TopicPartition(topics.output, number) for number in range(PARTITIONS)]
        for place in places:
            place.offset = consumer.get_watermark_offsets(place, timeout=_PATIENCE_SECONDS)[1]
        consumer.assign(places)
        start = self._workload.id_start
        stamps: list[int] = []
        seen: list[int] = []
        with self._feed(topics, rate, count) as feed:
            deadline = time.monotonic() + seconds + SETTLE_SECONDS + _PATIENCE_SECONDS
            while len(stamps) < count and time.monotonic() < deadline:
                taken = consumer.consume(1, 0.1)
                if taken:
                    taken += consumer.consume(10_000, 0)
                    now = time.monotonic_ns()
                    values = [record.value() or b"" for record in taken]
                    stamps += [int(value[start : start + STAMP_DIGITS], 16) for value in values]
                    seen += [now] * len(values)
            feed.wait(_PATIENCE_SECONDS)
        consumer.close()
        if len(stamps) < count:
            raise ContenderError(f"{len(stamps)} of {count} records came out in {_PATIENCE_SECONDS:.0f} s more than they took")
        return np.array(stamps), np.array(seen)

    def _feed(self, topics: RunTopics, rate: int, count: int) -> subprocess.Popen[bytes]:
        given = {
            "options": asdict(self._options),
            "topic": topics.input,
            "rate": rate,
            "count": count,
            "workload": asdict(self._workload),
        }
        feed = subprocess.Popen([sys.executable, "-m", "benchmarks.latency_feed"], stdin=subprocess.PIPE)
        assert feed.stdin is not None
        feed.stdin.write(json.dumps(given).encode())
        feed.stdin.close()
        return feed


def percentiles(milliseconds: NDArray[np.float64]) -> Mapping[str, float]:
    """What is reported of one run."""
    p50, p99 = np.percentile(milliseconds, [50, 99])
    return {"p50": float(p50), "p99": float(p99), "max": float(milliseconds.max()), "records": len(milliseconds)}


def summary(runs: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """The runs, and the spread of each figure over them."""
    return {"runs": list(runs), **{name: asdict(Spread.of([run[name] for run in runs])) for name in ("p50", "p99", "max")}}
