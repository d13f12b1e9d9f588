from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from streamproc.avro.schemas import SchemaIds, record_schema
from streamproc.demo import flights as flights_module
from streamproc.demo import generated as generated_module
from streamproc.demo.estimators import RIDGE
from streamproc.demo.flights import LAST_TRAINED_MONTH, flights, kind_for, read_flights
from streamproc.demo.generated import generated
from streamproc.demo.ledger import EventCodec
from streamproc.demo.scenario import EVENT_ID, Scenario, avro_columns
from streamproc.errors import ConfigurationError


def silent(_line: str) -> None:
    """Nobody listens."""


@pytest.fixture(scope="module")
def few_flights() -> Scenario:
    return flights(silent, records=3000, tenants=8)


@pytest.fixture(scope="module")
def readings() -> Scenario:
    return generated(silent, records=500, tenants=7)


@pytest.mark.parametrize("name", ["few_flights", "readings"])
def test_every_event_survives_its_own_schema(name: str, request: pytest.FixtureRequest) -> None:
    scenario: Scenario = request.getfixturevalue(name)
    codec = EventCodec(scenario.schema, json.loads(record_schema(scenario.schema, SchemaIds()).output.text))
    events = scenario.events(0, len(scenario))
    assert [event[EVENT_ID] for event in events] == list(range(len(scenario)))
    decoded = [codec.decode(codec.encode(event)) for event in events]
    assert [record[scenario.tenant_field] for record in decoded] == scenario.tenants


@pytest.mark.parametrize("name", ["few_flights", "readings"])
def test_models_name_features_that_the_events_have(name: str, request: pytest.FixtureRequest) -> None:
    scenario: Scenario = request.getfixturevalue(name)
    fields = {field["name"] for field in scenario.schema["fields"]}
    for model in (*scenario.models, scenario.default_model):
        assert set(model.estimator.feature_names_in_) <= fields


def test_each_tenant_has_at_most_one_model_and_the_default_has_none(few_flights: Scenario, readings: Scenario) -> None:
    for scenario in (few_flights, readings):
        assigned = [tenant for model in scenario.models for tenant in model.tenants]
        assert len(set(assigned)) == len(assigned)
        assert not scenario.default_model.tenants


def test_streamed_flights_lie_after_the_trained_ones(few_flights: Scenario) -> None:
    first = min(few_flights.columns["scheduled_hour"])
    assert pd.Timestamp(first, unit="ms").month == LAST_TRAINED_MONTH + 1


def test_flight_events_tell_nothing_that_is_known_only_after_arrival(few_flights: Scenario) -> None:
    assert not {"arr_time", "arr_delay", "air_time"} & set(few_flights.columns)


def test_cancelled_flights_are_streamed_with_nulls_and_without_an_outcome(few_flights: Scenario) -> None:
    cancelled = [row for row, delay in enumerate(few_flights.columns["dep_delay"]) if delay is None]
    assert cancelled
    assert np.isnan(few_flights.targets[cancelled]).all()


def test_features_have_the_dtypes_that_a_served_model_sees(few_flights: Scenario) -> None:
    dtypes = few_flights.features.dtypes
    assert dtypes["dep_delay"] == np.float64
    assert dtypes["distance"] == np.int64
    assert dtypes["carrier"] == np.dtype(object)


def test_fewer_tenants_are_the_busiest_destinations(few_flights: Scenario) -> None:
    busiest = read_flights()["dest"].value_counts().index[:8]
    assert set(few_flights.tenants) <= set(busiest)


def test_an_airport_with_few_arrivals_gets_a_straight_line() -> None:
    assert {kind_for(rank, 999) for rank in range(12)} == {RIDGE}
    assert len({kind_for(rank, 1000) for rank in range(12)}) > 3


def test_without_the_package_the_message_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flights_module, "find_spec", lambda _: None)
    with pytest.raises(ConfigurationError, match=r"streamproc\[demo\]"):
        read_flights()


def test_generated_readings_repeat_for_the_same_seed() -> None:
    one, other = generated(silent, records=50, tenants=2), generated(silent, records=50, tenants=2)
    assert one.columns == other.columns
    assert np.array_equal(one.targets, other.targets)


def test_generated_readings_lack_the_pressure_now_and_then(readings: Scenario) -> None:
    assert None in readings.columns["pressure"]


def test_sites_beyond_the_most_models_are_left_to_the_default_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generated_module, "MOST_MODELS", 2)
    told: list[str] = []
    scenario = generated(told.append, records=10, tenants=5)
    assert len(scenario.models) == 2
    assert "other 3 sites" in told[0]


def test_avro_columns_hold_python_values_with_none_for_missing() -> None:
    frame = pd.DataFrame({"whole": [1.0, np.nan], "number": [np.nan, 0.5], "text": pd.Series(["a", np.nan], dtype=object)})
    columns = avro_columns(frame, nullable=("whole",))
    assert columns == {"whole": [1, None], "number": [None, 0.5], "text": ["a", None]}
    assert isinstance(columns["whole"][0], int)
