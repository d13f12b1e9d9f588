"""The toy broker of the demo, with the real source and sink."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

import numpy as np
import psutil

from streamproc.batches import OutgoingRecords, PartitionId
from streamproc.kafka.embedded import EmbeddedBroker
from streamproc.kafka.options import ConnectionOptions
from streamproc.kafka.reader import TopicReader
from streamproc.kafka.sink import KafkaSink
from streamproc.kafka.source import KafkaSource
from streamproc.ports import Committed

LOGGER = logging.getLogger("tests.embedded")
MANY_BYTES = 1 << 30


class Nobody:
    def assigned(self, partitions: Mapping[PartitionId, Committed]) -> None: ...

    def revoked(self, partitions: Sequence[PartitionId]) -> None: ...

    def lost(self, partitions: Sequence[PartitionId]) -> None: ...


def test_records_pass_through_the_embedded_broker() -> None:
    with EmbeddedBroker(["in"]) as broker:
        options = ConnectionOptions(broker.bootstrap_servers)
        contents: list[bytes | None] = [b"%d" % number for number in range(1000)]
        sink = KafkaSink(options, logger=LOGGER)
        times = np.full(1000, 1_357_000_000_000, np.int64)
        assert not sink.send(OutgoingRecords("in", contents, [b"k"] * 1000, [None] * 1000, times))
        sink.flush(30)
        sink.close()
        source = KafkaSource(options, ["in"], auto_offset_reset="earliest", logger=LOGGER)
        source.subscribe(Nobody())
        found: list[bytes | None] = []
        deadline = time.monotonic() + 30
        while len(found) < 1000 and time.monotonic() < deadline:
            batch = source.poll(10_000, MANY_BYTES, 0.1)
            found += [batch.value(row) for row in range(len(batch))]
            source.commit({batch.partitions[0]: Committed(int(batch.offsets[-1]) + 1)} if len(batch) else {})
        source.close()
        with TopicReader(options, "in", logger=LOGGER) as reader:
            assert [record.value for record in reader.read()] == contents
    assert found == contents


def test_the_embedded_broker_ends_with_its_context() -> None:
    with EmbeddedBroker() as broker:
        assert broker.bootstrap_servers.startswith("127.0.0.1:")
        (process,) = [child for child in psutil.Process().children() if "streamproc.kafka.embedded" in child.cmdline()]
    assert not process.is_running()


def test_the_embedded_broker_ends_with_who_started_it() -> None:
    script = (
        "import psutil, sys; from streamproc.kafka.embedded import EmbeddedBroker; EmbeddedBroker().__enter__();"
        "print(psutil.Process().children()[0].pid, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        orphan = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    psutil.wait_procs([orphan], timeout=30)
    assert not orphan.is_running()
