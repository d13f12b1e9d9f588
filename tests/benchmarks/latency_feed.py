"""Sends records at a fixed rate, whatever becomes of them: an open loop. Run as a module; reads a JSON object from stdin."""

from __future__ import annotations

import json
import sys
import time
from itertools import cycle

from confluent_kafka import Producer

from streamproc.kafka.options import producer_config
from streamproc.kafka.pass_through import options_of
from streamproc.operations.bench.workload import Workload

STAMP_DIGITS = 16
_TICK_SECONDS = 0.001


def main() -> None:
    """Send `count` records, each with the nanosecond at which it was due."""
    given = json.load(sys.stdin)
    workload = Workload(**given["workload"])
    records = workload.records(max(20_000, workload.active_tenants))
    start = workload.id_start
    parts = [(value[:start], value[start + STAMP_DIGITS :]) for value in records.values()]
    rest = cycle(zip(parts, records.keys(workload), strict=True))
    producer = Producer({**producer_config(options_of(given["options"])), "queue.buffering.max.ms": 0})
    producer.list_topics(given["topic"], timeout=10)
    interval = 1e9 / given["rate"]
    begin = time.monotonic_ns() + 200_000_000
    sent = 0
    while sent < given["count"]:
        due = min(given["count"], int((time.monotonic_ns() - begin) / interval) + 1)
        for number in range(sent, due):
            (head, tail), key = next(rest)
            stamp = begin + int(number * interval)
            producer.produce(given["topic"], head + b"%016x" % stamp + tail, key)
        sent = max(sent, due)
        producer.poll(0)
        time.sleep(_TICK_SECONDS)
    producer.flush()


if __name__ == "__main__":
    main()
