"""What becomes of throughput and CPU as tenants, fields and replicas grow, beside the pass-through of the same records."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.installed import Say
from benchmarks.replicas import Replicas
from benchmarks.sessions import WorkloadSession

from streamproc.kafka.options import ConnectionOptions
from streamproc.operations.bench.workload import Workload

TENANTS = (10, 1_000, 100_000)
WARM_TENANTS = 10_000
"""At most so many have records, and so a model in memory."""
FIELDS = (4, 16, 200)
REPLICAS = (1, 2, 3)
PARTITIONS = 12


def measure_growth(options: ConnectionOptions, folder: Path, say: Say, *, rounds: int, seconds: float, seed: int) -> Any:  # noqa: ANN401 - JSON
    """All three; dimension → size → figures."""

    def grown(workload: Workload, partitions: int = PARTITIONS, replicas: int = 1) -> Mapping[str, Any]:
        session = WorkloadSession(workload, options, folder, say, partitions=partitions)
        contenders = [Replicas(one, replicas) if replicas > 1 else one for one in session.contenders([])]
        return session.measure(contenders, rounds=rounds, seconds=seconds, seed=seed)

    tenants, fields, replicas = {}, {}, {}
    for count in TENANTS:
        say(f"{count:,} tenants …")
        tenants[str(count)] = grown(Workload(f"linear-{count}", "linear", count, active=min(count, WARM_TENANTS)))
    for count in FIELDS:
        say(f"{count} fields …")
        fields[str(count)] = grown(Workload(f"fields-{count}", "linear", 1_000, features=count))
    for count in REPLICAS:
        say(f"{count} replicas …")
        replicas[str(count)] = grown(Workload("linear-1000", "linear", 1_000), replicas=count)
    return {"tenants": tenants, "fields": fields, "replicas": replicas}
