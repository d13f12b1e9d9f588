"""The contenders beside streamproc and the pass-through: the hand-written loop, and each peer in its own environment."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp

from benchmarks.installed import Installation

from streamproc.kafka.options import ConnectionOptions, consumer_config, producer_config
from streamproc.kafka.run_topics import RunTopics
from streamproc.operations.bench.children import Launch
from streamproc.operations.bench.workload import OUTPUT_SCHEMA_ID

HERE = Path(__file__).parent
ENVIRONMENTS = HERE.parent / ".cache" / "peers"
JARS = ENVIRONMENTS / "pyspark-jars"


@dataclass(frozen=True, slots=True)
class Script:
    """One file of `contenders`, and what runs it."""

    name: str
    file: str
    environment: str | None = None
    """A folder of `ENVIRONMENTS`; None: this Python."""
    arguments: tuple[str, ...] = ()
    reads_committed: bool = True
    library: str | None = None
    least_records: int = 0
    """Fewer in a run would measure how it starts."""

    @property
    def python(self) -> Path:
        """The interpreter that runs it."""
        return Path(sys.executable) if self.environment is None else ENVIRONMENTS / self.environment / "bin" / "python"

    def version(self) -> str | None:
        """The peer's version, where it is installed."""
        if self.library is None:
            return None
        packages = ENVIRONMENTS / str(self.environment) / "lib"
        found = list(packages.glob(f"*/site-packages/{self.library.replace('-', '_')}-*.dist-info"))
        return found[0].name.removesuffix(".dist-info").rpartition("-")[2] if found else None


HAND_WRITTEN = Script("hand-written", "hand_written.py")
PEERS = (
    Script("Quix Streams", "quix_job.py", "quix", library="quixstreams"),
    Script("Bytewax", "bytewax_job.py", "bytewax", library="bytewax"),
    Script("FastStream", "faststream_job.py", "faststream", library="faststream", least_records=40_000),
    # Its Kafka driver reads uncommitted records unless it writes transactions itself.
    Script(
        "Faust",
        "faust_job.py",
        "faust",
        ("worker", "-l", "warn"),
        reads_committed=False,
        library="faust-streaming",
        least_records=20_000,
    ),
    Script("Arroyo", "arroyo_job.py", "arroyo", library="sentry-arroyo"),
    Script("PySpark", "pyspark_job.py", "pyspark", library="pyspark", least_records=200_000),
)


@dataclass(frozen=True, slots=True)
class ScriptContender:
    """A script with a workload's models."""

    script: Script
    installation: Installation
    options: ConnectionOptions
    partitions: int
    members: int = 1
    folder: Path = field(default_factory=lambda: Path(mkdtemp(prefix="bench-")))

    @property
    def name(self) -> str:
        """See `Contender`."""
        return self.script.name

    @property
    def reads_committed(self) -> bool:
        """See `Contender`."""
        return self.script.reads_committed

    def launch(self, topics: RunTopics) -> Launch:
        """See `Contender`."""
        job = {
            "bootstrap_servers": self.options.bootstrap_servers,
            "input": topics.input,
            "output": topics.output,
            "group": topics.group,
            "partitions": self.partitions,
            "folder": str(self.folder),
            "schema": self.installation.workload.schema,
            "output_schema": self.installation.output_schema,
            "output_id": OUTPUT_SCHEMA_ID,
            "features": self.installation.workload.feature_names,
            "models": str(self.installation.models_file),
        }
        consumer = {**consumer_config(self.options), "group.id": topics.group, "auto.offset.reset": "earliest"}
        environment = {
            "BENCH_JOB": json.dumps(job),
            "BENCH_CLIENTS": json.dumps({"consumer": consumer, "producer": producer_config(self.options)}),
            "BENCH_JARS": str(JARS),
            "PYSPARK_PYTHON": str(self.script.python),
            "PYTHONPATH": str(HERE.parent),
        }
        command = [str(self.script.python), str(HERE / "contenders" / self.script.file), *self.script.arguments]
        return Launch(command, environment=environment)
