"""A year of real records: nulls, strings and integers, a hundred tenants, two replicas."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pytest
from numpy.typing import NDArray
from support.deployment import Deployment
from support.kafka import Cluster
from support.publishing import publish_estimator
from support.shops import encode
from support.verifier import Prediction, Record, judge, read_predictions, reason_of, source_of

from streamproc.avro.output import derive_output_schema
from streamproc.demo.flights import LAST_TRAINED_MONTH, SCHEMA, TENANT, _scenario, read_flights, train
from streamproc.demo.scenario import EVENT_ID, Scenario, TrainedModel

INPUT_ID, OUTPUT_ID = 1, 2
BIT_FOR_BIT = ("decision tree", "random forest", "gradient boosting", "histogram boosting")


@pytest.fixture(scope="module")
def year() -> Scenario:
    frame = read_flights()
    past = frame[(frame["month"] <= LAST_TRAINED_MONTH) & frame["arr_delay"].notna()]
    return _scenario(frame, *train(past, say=lambda _: None))


@pytest.fixture
def deployment(kafka: Cluster, tmp_path: Path, year: Scenario) -> Deployment:
    (tmp_path / "flight.avsc").write_text(json.dumps(SCHEMA))
    made = Deployment(
        kafka.bootstrap_servers,
        tmp_path,
        avro={"schemas": [{"id": INPUT_ID, "file": "flight.avsc", "output_id": OUTPUT_ID}]},
        records={"tenant_field": TENANT, "event_time_field": "scheduled_hour"},
        models={"default_model_id": f"{year.default_model.name}@1"},
    )
    for model in (*year.models, year.default_model):
        publish_estimator(made.config, model.estimator, model.name, tenants=model.tenants)
    return made


@pytest.mark.timeout(600)
def test_the_flights_of_twelve_months_through_two_replicas_are_predicted_as_scikit_learn_does(
    deployment: Deployment, year: Scenario
) -> None:
    with deployment.replica() as first, deployment.replica() as second:
        first.wait_ready()
        second.wait_ready()
        _produce(deployment, year)
        deployment.wait_done(300)
        shares = [replica.metric("streamproc_records_produced_total") for replica in (first, second)]
        assert min(shares) > 0, "both replicas work"
        assert (first.terminate(), second.terminate()) == (0, 0)
    inputs, dead = deployment.inputs(), deployment.dead_letters()
    schema = fastavro.parse_schema(derive_output_schema(dict(SCHEMA)))
    predictions = read_predictions(deployment.bootstrap_servers, deployment.output, {OUTPUT_ID: schema})
    assert len(inputs) == len(year) == 336_776
    assert judge(inputs, predictions, dead) == ((), (), {}, ())
    assert {reason_of(record) for record in dead} == {"feature_missing"}
    assert _wrong(year, predictions) == []
    assert _wrongly_dead(year, inputs, dead) == []


def _produce(deployment: Deployment, year: Scenario) -> None:
    parsed = fastavro.parse_schema(dict(SCHEMA))
    assert isinstance(parsed, dict)
    for start in range(0, len(year), 10_000):
        for event in year.events(start, start + 10_000):
            value = encode(event, schema=parsed, schema_id=INPUT_ID)
            deployment.produce_bytes(value, key=year.keys[event[EVENT_ID]])
    deployment.flush()


def _model_of(year: Scenario) -> Mapping[str, TrainedModel]:
    return {tenant: model for model in year.models for tenant in model.tenants}


def _wrong(year: Scenario, predictions: list[Prediction]) -> list[str]:
    """Where a prediction is not scikit-learn's own, tenant by tenant."""
    found = np.full(len(year), np.nan)
    for prediction in predictions:
        found[prediction.event[EVENT_ID]] = prediction.prediction["value"]
    predicted = np.flatnonzero(~np.isnan(found))
    tenants = np.array(year.tenants, object)[predicted]
    models = _model_of(year)
    wrong = []
    for tenant in np.unique(tenants).tolist():
        rows = predicted[tenants == tenant]
        model = models.get(tenant, year.default_model)
        expected = _scikit_learns(model, year, rows)
        tolerance = 0.0 if model.kind in BIT_FOR_BIT else 1e-9  # 1e-12 times terms of up to a thousand minutes
        if (far := np.abs(found[rows] - expected).max()) > tolerance:
            wrong.append(f"{tenant} ({model.kind}): off by up to {far}")
    return wrong


def _scikit_learns(model: TrainedModel, year: Scenario, rows: NDArray[np.int64]) -> NDArray[Any]:  # of the model's dtype
    predicted: NDArray[Any] = model.estimator.predict(year.features[list(model.estimator.feature_names_in_)].iloc[rows])
    return predicted


def _wrongly_dead(year: Scenario, inputs: list[Record], dead: list[Record]) -> list[str]:
    """Dead letters whose model would have predicted them."""
    by_position = {record.position: record for record in inputs}
    schema = fastavro.parse_schema(dict(SCHEMA))
    models = _model_of(year)
    wrong = []
    for letter in dead:
        event = _decoded(by_position[source_of(letter)], schema)
        model = models.get(event[TENANT], year.default_model)
        try:
            _scikit_learns(model, year, np.array([event[EVENT_ID]]))
        except ValueError:
            continue
        wrong.append(f"event {event[EVENT_ID]} of {event[TENANT]} ({model.kind})")
    return wrong


def _decoded(record: Record, schema: Any) -> dict[str, Any]:  # noqa: ANN401 - fastavro's own types
    assert record.value is not None
    event = fastavro.schemaless_reader(io.BytesIO(record.value[5:]), schema, None)
    assert isinstance(event, dict)
    return event
