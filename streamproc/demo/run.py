"""The demonstration: train, publish, run the real processor, stream, and account for every record."""

from __future__ import annotations

import json
import logging
import signal
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Final, Literal

from rich.console import Console
from threadpoolctl import threadpool_limits

from streamproc.avro.schemas import SchemaIds, record_schema
from streamproc.demo.flights import flights
from streamproc.demo.generated import generated
from streamproc.demo.installation import publish_models, write_configuration
from streamproc.demo.ledger import INPUT_SCHEMA_ID, OUTPUT_SCHEMA_ID, EventCodec, Ledger
from streamproc.demo.replica import Replica, ReplicaError
from streamproc.demo.report import report
from streamproc.demo.scenario import Say, Scenario
from streamproc.demo.table import display
from streamproc.demo.traffic import Topics, Traffic
from streamproc.kafka.embedded import EmbeddedBroker
from streamproc.kafka.options import ConnectionOptions
from streamproc.kafka.topics import TopicAdmin

Data = Literal["generated", "flights"]

RECORDS: Final[Mapping[Data, int]] = {"generated": 50_000, "flights": 112_000}
SITES: Final = 50
PARTITIONS: Final = 4
_INTERRUPTED: Final = 130

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user asked for; see `streamproc.demo.run_demo`."""

    data: Data
    records: int | None
    tenants: int | None
    bootstrap_servers: str | None


def run(wish: Wish, *, started: float) -> int:
    """See `streamproc.demo.run_demo`; `started` is when, in monotonic seconds."""
    progress = Console(stderr=True, highlight=False, soft_wrap=True)

    def say(line: str) -> None:
        progress.out(f"[{time.monotonic() - started:3.0f} s] {line}", highlight=False)

    try:
        # One thread for each process: a pool that finds the cores taken by another waits ten times longer than it computes.
        with threadpool_limits(1), ended_like_by_ctrl_c(), TemporaryDirectory(prefix="streamproc-demo-") as folder:
            scenario = _scenario(wish, say)
            ledger = _streamed(scenario, Path(folder), wish.bootstrap_servers, say, progress)
            return report(scenario, ledger, Console(highlight=False, soft_wrap=True))
    except KeyboardInterrupt:
        say("stopped")
        return _INTERRUPTED
    except ReplicaError as error:
        say(str(error))
        return 1


@contextmanager
def ended_like_by_ctrl_c() -> Iterator[None]:
    """SIGTERM and a closed terminal end the block as Ctrl-C does, so that no child outlives it."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise KeyboardInterrupt

    ends = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]  # Windows has one of them
    former = {number: signal.signal(number, interrupt) for number in ends}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _scenario(wish: Wish, say: Say) -> Scenario:
    records = RECORDS[wish.data] if wish.records is None else wish.records
    if wish.data == "flights":
        return flights(say, records=records, tenants=wish.tenants)
    return generated(say, records=records, tenants=SITES if wish.tenants is None else wish.tenants)


def _streamed(scenario: Scenario, folder: Path, bootstrap_servers: str | None, say: Say, console: Console) -> Ledger:
    """Publish the models, start broker and processor, and send everything through them."""
    run = uuid.uuid4().hex[:8]
    topics = Topics(f"demo-{run}.events", f"demo-{run}.predictions", f"demo-{run}.dead-letters")
    schema = record_schema(scenario.schema, SchemaIds(id=INPUT_SCHEMA_ID, output_id=OUTPUT_SCHEMA_ID))
    codec = EventCodec(scenario.schema, json.loads(schema.output.text))
    with _cluster(bootstrap_servers, topics, say) as servers:
        options = ConnectionOptions(servers, group_id=f"demo-{run}")
        config = write_configuration(folder, scenario, bootstrap_servers=servers, group_id=options.group_id, topics=topics)
        say(f"publishing the {len(scenario.models) + 1} models: artifacts in files, assignments in SQLite …")
        publish_models(config, scenario)
        say(f"starting the processor: streamproc run -c {config.name} …")
        with Replica(config) as replica:
            replica.wait_until_ready()
            say(f"streaming {len(scenario):,} events: {scenario.title} …")
            with Traffic(scenario, codec, options, topics, replica) as traffic, display(console) as shown:
                traffic.run(shown)
                _stop(replica, say)
                traffic.take_late()
    return traffic.ledger


def _stop(replica: Replica, say: Say) -> None:
    say("stopping the processor …")
    if (code := replica.stop()) != 0:
        say(f"the processor ended with exit code {code}")


@contextmanager
def _cluster(bootstrap_servers: str | None, topics: Topics, say: Say) -> Iterator[str]:
    """The address of a cluster that has the topics."""
    if bootstrap_servers is None:
        say("starting a toy broker inside this machine …")
        with EmbeddedBroker(list(topics)) as broker:
            yield broker.bootstrap_servers
        return
    say(f"making the topics {', '.join(topics)} on {bootstrap_servers}; they stay there …")
    admin = TopicAdmin(ConnectionOptions(bootstrap_servers), logger=logger)
    admin.create(dict.fromkeys(topics, PARTITIONS), replicas=-1)  # as many replicas as the cluster gives by default
    yield bootstrap_servers
