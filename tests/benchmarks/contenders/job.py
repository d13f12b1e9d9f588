"""The job that every contender does, in plain fastavro and scikit-learn. Needs nothing of streamproc: peers have it not.

Decode a framed record; predict with its tenant's own model; write the same output record that streamproc writes. The models are
loaded before anything is read. How records come in, and how many are predicted at a time, is each contender's own.
"""

from __future__ import annotations

import io
import json
import os
import time
from collections import defaultdict
from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple, cast

import fastavro
import joblib
import numpy as np
import sklearn

VARIABLE = "BENCH_JOB"
Event = dict[str, Any]  # a decoded Avro record
_FRAME_BYTES = 5


class Place(NamedTuple):
    """Where a record came from."""

    topic: str
    partition: int
    offset: int


class Job:
    """What to do, and where; from the JSON object in the environment variable `BENCH_JOB`."""

    def __init__(self) -> None:
        given = json.loads(os.environ[VARIABLE])
        self.bootstrap_servers: str = given["bootstrap_servers"]
        self.input: str = given["input"]
        self.output: str = given["output"]
        self.group: str = given["group"]
        self.folder = Path(given["folder"])
        self.partitions: int = given["partitions"]
        self.schema_text = json.dumps(given["schema"])
        self.output_schema_text = json.dumps(given["output_schema"])
        self.names: tuple[str, ...] = tuple(given["features"])
        self.models_file: str = given["models"]
        self._reader = fastavro.parse_schema(given["schema"])
        self._writer = fastavro.parse_schema(given["output_schema"])
        self.output_frame = b"\0" + int(given["output_id"]).to_bytes(4, "big")
        self._features = itemgetter(*self.names)
        self.models: dict[str, tuple[str, Any]] = {}

    def load_models(self) -> None:
        """Tenant → (model id, estimator)."""
        self.models = joblib.load(self.models_file)
        sklearn.set_config(assume_finite=True, skip_parameter_validation=True)  # as its documentation advises for speed

    def decode(self, value: bytes) -> Event:
        """A framed record."""
        event = fastavro.schemaless_reader(io.BytesIO(value[_FRAME_BYTES:]), self._reader, None)
        return cast("Event", event)

    def encode(self, event: Event) -> bytes:
        """A framed output record."""
        body = io.BytesIO()
        body.write(self.output_frame)
        fastavro.schemaless_writer(body, self._writer, event)
        return body.getvalue()

    def predict_one(self, event: Event, place: Place) -> Event:
        """Enrich one record."""
        self._predict(event["tenant_id"], [event], [place])
        return event

    def predict_all(self, events: Sequence[Event], places: Sequence[Place]) -> Sequence[Event]:
        """Enrich records of any tenants: one call of each tenant's model."""
        rows: defaultdict[str, list[int]] = defaultdict(list)
        for row, event in enumerate(events):
            rows[event["tenant_id"]].append(row)
        for tenant, mine in rows.items():
            self._predict(tenant, [events[row] for row in mine], [places[row] for row in mine])
        return events

    def _predict(self, tenant: str, events: Sequence[Event], places: Sequence[Place]) -> None:
        """One call gives both: the label is the class of the highest probability, as in scikit-learn's own `predict`."""
        model_id, estimator = self.models[tenant]
        probabilities = estimator.predict_proba(np.array([self._features(event) for event in events]))
        classes = estimator.classes_.tolist()
        names = [str(one) for one in classes]
        now = int(time.time() * 1000)
        labels = probabilities.argmax(axis=1).tolist()
        for event, place, label, scores in zip(events, places, labels, probabilities.tolist(), strict=True):
            event["prediction"] = {
                "model_id": model_id,
                "variant": "champion",
                "value": ("long", classes[label]),  # naming the branch spares fastavro trying them all
                "scores": ("map", dict(zip(names, scores, strict=True))),
                "predicted_at": now,
                "source_topic": place.topic,
                "source_partition": place.partition,
                "source_offset": place.offset,
            }


def loaded_job() -> Job:
    """The job with its models."""
    job = Job()
    job.load_models()
    return job
