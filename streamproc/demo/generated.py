"""Generated readings of pumps: each site a tenant, whose own physics its own model has learnt.

A reading's outcome is the power that the pump draws. What a site's power depends on, and how, is drawn once for each site, so a
model of another site, or one for all, is wrong about it. Some sites predict a class instead: whether the pump runs hot.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from streamproc.demo.estimators import BOOSTED, FOREST, HISTOGRAM, LOGISTIC, RIDGE, TREE, Estimator, Kind
from streamproc.demo.scenario import EVENT_ID, Say, Scenario, TrainedModel, avro_columns

NUMERIC: Final = ("temperature", "pressure", "rpm")
TEXT: Final = ("mode",)
MODES: Final = ("eco", "normal", "boost")
TENANT: Final = "tenant_id"
TRAINED_READINGS: Final = 300
"""Readings that a site's model learns from."""
MOST_MODELS: Final = 200
"""Sites with a model of their own; the rest is served by the model for all."""
NULL_SHARE: Final = 0.01
"""How often the pressure is missing."""
HOT: Final = 70.0
FIRST_READING_MS: Final = 1_750_000_000_000
_KINDS: Final = (RIDGE, TREE, FOREST, BOOSTED, HISTOGRAM, LOGISTIC)

SCHEMA: Final[dict[str, Any]] = {  # a JSON object
    "type": "record",
    "name": "PumpReading",
    "namespace": "streamproc.demo",
    "fields": [
        {"name": EVENT_ID, "type": "long"},
        {"name": "tenant_id", "type": "string", "doc": "The site."},
        {"name": "pump", "type": "string"},
        {"name": "measured_at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "mode", "type": {"type": "enum", "name": "Mode", "symbols": list(MODES)}},
        {"name": "temperature", "type": "double"},
        {"name": "pressure", "type": ["null", "double"], "default": None},
        {"name": "rpm", "type": "int"},
    ],
}


@dataclass(frozen=True, slots=True)
class _Physics:
    """How the power of each site follows from a reading: arrays with one entry a site."""

    per_bar: NDArray[np.float64]
    per_rpm: NDArray[np.float64]
    of_mode: NDArray[np.float64]
    """(sites, modes)"""

    def power(self, site: NDArray[np.int64], readings: pd.DataFrame) -> NDArray[np.float64]:
        """(n,): kW of each reading; where the pressure is unknown it is taken as usual."""
        mode = self.of_mode[site, readings["mode"].map(MODES.index).to_numpy(np.int64)]
        pressure = readings["pressure"].fillna(5.0).to_numpy(np.float64)
        rpm = readings["rpm"].to_numpy(np.float64)
        power: NDArray[np.float64] = 5.0 + self.per_bar[site] * pressure + self.per_rpm[site] * rpm / 1000 + mode
        return power


def _drawn_physics(random: np.random.Generator, sites: int) -> _Physics:
    return _Physics(random.uniform(-1, 3, sites), random.uniform(1, 8, sites), random.uniform(-3, 3, (sites, len(MODES))))


def generated(say: Say, *, records: int, tenants: int, seed: int = 0) -> Scenario:
    """Train a model for each of `tenants` sites (at most 200) and give `records` later readings; the same for the same seed."""
    random = np.random.default_rng(seed)
    physics = _drawn_physics(random, tenants)
    own = min(tenants, MOST_MODELS)
    rest = f"; the other {tenants - own} sites share that one" if tenants > own else ""
    say(f"training {own + 1} models: one for each of {own} sites, one for all{rest} …")
    names = np.array([f"site-{number:03}" for number in range(tenants)], object)

    past_site = np.repeat(np.arange(own), TRAINED_READINGS)
    past = _readings(random, len(past_site))
    power = physics.power(past_site, past) + random.normal(0, 0.5, len(past))
    models = tuple(
        _trained(str(names[site]), _KINDS[site % len(_KINDS)], past[past_site == site], power[past_site == site])
        for site in range(own)
    )
    default = TrainedModel("power-everywhere", HISTOGRAM.name, _fitted(HISTOGRAM, past, power))

    site = random.integers(0, tenants, records)
    readings = _readings(random, records)
    readings.loc[random.random(records) < NULL_SHARE, "pressure"] = np.nan
    outcome = physics.power(site, readings) + random.normal(0, 0.5, records)
    return _scenario(names[site], readings, outcome, models, default)


def _readings(random: np.random.Generator, count: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "temperature": random.normal(60, 12, count).round(2),
            "pressure": random.normal(5, 1, count).round(3),
            "rpm": random.integers(800, 3000, count),
            "mode": np.array(MODES, object)[random.integers(0, len(MODES), count)],
        }
    )


def _trained(site: str, kind: Kind, past: pd.DataFrame, power: NDArray[np.float64]) -> TrainedModel:
    if kind is LOGISTIC:
        hot = np.where(past["temperature"] > HOT, "hot", "normal").astype(object)
        return TrainedModel(f"heat-{site}", kind.name, _fitted(kind, past, hot), (site,))
    return TrainedModel(f"power-{site}", kind.name, _fitted(kind, past, power), (site,))


def _fitted(kind: Kind, past: pd.DataFrame, outcome: NDArray[Any]) -> Estimator:  # numbers or texts
    return kind.make(NUMERIC, TEXT).fit(past[kind.features(NUMERIC, TEXT)], outcome)


def _scenario(
    tenants: NDArray[np.object_],
    readings: pd.DataFrame,
    outcome: NDArray[np.float64],
    models: tuple[TrainedModel, ...],
    default: TrainedModel,
) -> Scenario:
    number = np.arange(len(readings))
    pumps = np.array([f"pump-{pump}" for pump in range(20)], object)[number % 20]
    frame = readings.assign(
        **{EVENT_ID: number, TENANT: tenants, "pump": pumps, "measured_at": FIRST_READING_MS + number * 10},
    )
    columns = avro_columns(frame[[field["name"] for field in SCHEMA["fields"]]])
    return Scenario(
        title="generated readings of pumps, a tenant each site",
        schema=SCHEMA,
        tenant_field=TENANT,
        columns=columns,
        keys=[f"{tenant}/{pump}".encode() for tenant, pump in zip(tenants, pumps, strict=True)],
        features=readings,
        targets=outcome,
        unit="kW",
        models=models,
        default_model=default,
        notes=(
            "each site's power follows a law of its own, so one model for all is wrong about most of them",
            "some readings lack their pressure: gradient boosting takes no null (dead letter, feature_missing)",
        ),
    )
