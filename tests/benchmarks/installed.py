"""A workload's models, trained and published once, and kept between sessions in the cache of the tests."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import joblib
import sklearn
from threadpoolctl import threadpool_limits

from streamproc.avro.schemas import SchemaIds, record_schema
from streamproc.kafka.options import ConnectionOptions
from streamproc.operations.bench.estimators import artifact, fitted
from streamproc.operations.bench.installation import publish, write_configuration
from streamproc.operations.bench.workload import OUTPUT_SCHEMA_ID, SCHEMA_ID, Workload

DISTINCT_MODELS = 1000
CACHE = Path(__file__).parent.parent / ".cache" / "benchmarks"
Say = Callable[[str], None]
Models = dict[str, tuple[str, Any]]  # tenant → (model id, estimator), which has no types


class Installation(NamedTuple):
    """What contenders find."""

    workload: Workload
    config: Path
    """Of streamproc; registry and store lie beside it."""
    models_file: Path
    """`Models`, by joblib: for contenders that hold them in a dict."""
    models: Models
    output_schema: Any  # a JSON value


def installed(workload: Workload, options: ConnectionOptions, say: Say) -> Installation:
    """Train and publish what isn't there yet. All tenants have model ids of their own, the first 1,000 also models."""
    shape = f"{workload.kind}-{workload.tenants}x{workload.features}-seed{workload.seed}"
    folder = CACHE / f"{shape}-sklearn{sklearn.__version__}"
    models_file = folder / "models.joblib"
    if not models_file.exists():
        say(f"training and publishing {workload.tenants} models of {workload.name} …")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        _fill(folder, workload, options, models_file)
    config = write_configuration(folder, workload, options)
    return Installation(workload, config, models_file, joblib.load(models_file), output_schema_of(workload))


def output_schema_of(workload: Workload) -> Any:  # noqa: ANN401 - a JSON value
    """The schema that streamproc derives for what it writes."""
    ids = SchemaIds(id=SCHEMA_ID, output_id=OUTPUT_SCHEMA_ID)
    return json.loads(record_schema(workload.schema, ids).output.text)


def _fill(folder: Path, workload: Workload, options: ConnectionOptions, models_file: Path) -> None:
    config = write_configuration(folder, workload, options)
    with threadpool_limits(1):
        distinct = [fitted(workload, number) for number in range(min(workload.tenants, DISTINCT_MODELS))]
    contents = [artifact(estimator) for estimator in distinct]
    names = [workload.tenant_name(number) for number in range(workload.tenants)]
    estimators = {name: distinct[number % len(distinct)] for number, name in enumerate(names)}
    artifacts = {name: contents[number % len(distinct)] for number, name in enumerate(names)}
    ids = publish(config, workload, artifacts, lambda _: None)
    unfinished = models_file.with_suffix(".part")
    joblib.dump({tenant: (ids[tenant], estimator) for tenant, estimator in estimators.items()}, unfinished)
    unfinished.rename(models_file)
