"""Throughput of one replica on a real broker: `make bench`. Prints one JSON object.

Events of Zipf-distributed tenants with 16 doubles lie in the topic before the replica starts; each tenant has a
StandardScaler and LogisticRegression of its own. Rate and CPU are taken between the first and the last tenth, when all models
are loaded. Broker and replica share the machine: compare runs of one machine side by side, never absolute numbers.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import tempfile
import time
from pathlib import Path

import fastavro
import numpy as np
import pandas as pd
import psutil
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from support.deployment import Deployment
from support.kafka import session_broker
from support.processes import Replica, wait_until
from support.publishing import publish_estimator

FEATURES = [f"f{number}" for number in range(16)]
SCHEMA = {
    "type": "record",
    "name": "Reading",
    "fields": [
        {"name": "tenant_id", "type": "string"},
        {"name": "read_at", "type": "long"},
        *({"name": name, "type": "double"} for name in FEATURES),
    ],
}
ZIPF = 1.1


def main() -> None:
    """Measure once."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--records", type=int, default=400_000)
    parser.add_argument("--tenants", type=int, default=100)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, session_broker(Path(folder)) as cluster:
        work = Path(folder, "deployment")
        work.mkdir()
        (work / "reading.avsc").write_text(json.dumps(SCHEMA))
        deployment = Deployment(
            cluster.bootstrap_servers,
            work,
            avro={"schemas": [{"id": 1, "file": "reading.avsc", "output_id": 2}]},
            records={"event_time_field": None},
        )
        random = np.random.default_rng(1)
        publish(deployment, arguments.tenants, random)
        produce(deployment, arguments.tenants, arguments.records, random)
        with deployment.replica() as replica:
            measured = measure(replica, arguments.records)
            replica.terminate()
    print(json.dumps({"tenants": arguments.tenants, "records": arguments.records, "cores": os.cpu_count(), **measured}))  # noqa: T201 - its output


def publish(deployment: Deployment, tenants: int, random: np.random.Generator) -> None:
    """A model for each tenant."""
    for tenant in range(tenants):
        rows = pd.DataFrame(random.normal(size=(100, len(FEATURES))), columns=FEATURES)
        model = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, rows.sum(axis=1) > 0)
        publish_estimator(deployment.config, model, f"model-{tenant}", tenants=[f"tenant-{tenant:04d}"])


def produce(deployment: Deployment, tenants: int, records: int, random: np.random.Generator) -> None:
    """The events, of which the first tenants have most."""
    shares = 1 / np.arange(1, tenants + 1) ** ZIPF
    schema = fastavro.parse_schema(SCHEMA)
    for number, tenant in enumerate(random.choice(tenants, p=shares / shares.sum(), size=records).tolist()):
        name = f"tenant-{tenant:04d}"
        body = io.BytesIO()
        values = dict(zip(FEATURES, random.normal(size=len(FEATURES)).tolist(), strict=True))
        fastavro.schemaless_writer(body, schema, {"tenant_id": name, "read_at": number, **values})
        deployment.produce_bytes(b"\0\0\0\0\1" + body.getvalue(), key=name.encode())
    deployment.flush()


def measure(replica: Replica, records: int) -> dict[str, float]:
    """Rate, and the replica's own CPU a record."""
    start, cpu_start, done_start = _reached(replica, records // 10)
    end, cpu_end, done_end = _reached(replica, records - records // 10)
    done = done_end - done_start
    return {
        "records_per_second": round(done / (end - start)),
        "cpu_microseconds_per_record": round((cpu_end - cpu_start) / done * 1e6, 2),
    }


def _reached(replica: Replica, records: int) -> tuple[float, float, float]:
    """Time, CPU seconds and records when so many are produced."""
    wait_until(lambda: replica.metric("streamproc_records_produced_total") >= records, f"{records} records", 600)
    cpu = psutil.Process(replica.process.pid).cpu_times()
    return time.perf_counter(), cpu.user + cpu.system, replica.metric("streamproc_records_produced_total")


if __name__ == "__main__":
    main()
