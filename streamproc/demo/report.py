"""What a demonstration says at its end: some predictions, how good they are, and whether in = out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from streamproc.demo.ledger import Balance, Ledger, Record
from streamproc.demo.scenario import EVENT_ID, Scenario, TrainedModel

SHOWN: Final = 10
"""Tenants in a table."""
TOLERANCE: Final = 1e-9
"""How far a served number may lie from scikit-learn's own, relative to the larger of it and 1: BLAS sums by batch."""


def report(scenario: Scenario, ledger: Ledger, console: Console) -> int:
    """Print everything; 0 where in = out and each prediction is scikit-learn's own, else 1."""
    balance, differing = ledger.balance(), disagreements(scenario, ledger)
    for heading, lines in (
        ("Some predictions, read back from the output topic", prediction_lines(scenario, ledger)),
        ("How far off they are, in the mean", accuracy_lines(accuracy(scenario, ledger), scenario.unit)),
        ("To know", scenario.notes),
        ("Summary", [*service_lines(ledger), agreement_line(balance.predicted, differing), balance_line(balance)]),
    ):
        console.out(f"\n{heading}")
        for text in lines:
            console.out(f"  {text}", highlight=False)
    return 0 if balance.holds and not differing else 1


@dataclass(frozen=True, slots=True)
class TenantAccuracy:
    """How far one tenant's predictions lie from the truth, on its events whose outcome is known."""

    tenant: str
    kind: str
    events: int
    own_error: float
    """The mean absolute error of the tenant's own model."""
    shared_error: float
    """That of the one model for all, on the same events."""


def accuracy(scenario: Scenario, ledger: Ledger) -> list[TenantAccuracy]:
    """For each tenant whose own model predicts numbers; most events first."""
    shared = _shared_predictions(scenario)
    rows = _rows_by_tenant(scenario, ledger)
    found = []
    for model in scenario.models:
        for tenant in model.tenants:
            known = rows.get(tenant, _NONE)
            known = known[~np.isnan(scenario.targets[known])]
            if len(known) and isinstance(ledger.values[known[0]], float):
                truth = scenario.targets[known]
                own = np.array([ledger.values[row] for row in known.tolist()])
                found.append(
                    TenantAccuracy(tenant, model.kind, len(known), _mean_error(own, truth), _mean_error(shared[known], truth))
                )
    return sorted(found, key=lambda row: -row.events)


_NONE: Final = np.zeros(0, np.int64)


def _mean_error(predicted: NDArray[np.float64], truth: NDArray[np.float64]) -> float:
    return float(np.abs(predicted - truth).mean())


def _shared_predictions(scenario: Scenario) -> NDArray[np.float64]:
    return predicted_by(scenario.default_model, scenario, np.arange(len(scenario)))


def predicted_by(model: TrainedModel, scenario: Scenario, rows: NDArray[np.int64]) -> NDArray[Any]:  # of the model's dtype
    """What scikit-learn itself says of these events."""
    features = scenario.features[list(model.estimator.feature_names_in_)]
    predicted: NDArray[Any] = model.estimator.predict(features.iloc[rows])
    return predicted


def _rows_by_tenant(scenario: Scenario, ledger: Ledger) -> dict[str, NDArray[np.int64]]:
    rows: dict[str, list[int]] = {}
    for event in ledger.predicted_events.tolist():
        rows.setdefault(scenario.tenants[event], []).append(event)
    return {tenant: np.array(events, np.int64) for tenant, events in rows.items()}


def disagreements(scenario: Scenario, ledger: Ledger) -> int:
    """How many predictions differ from what scikit-learn says in this process of the same event, by the tenant's own model."""
    models = {tenant: model for model in scenario.models for tenant in model.tenants}
    return sum(
        _differing(predicted_by(models.get(tenant, scenario.default_model), scenario, rows), ledger, rows)
        for tenant, rows in _rows_by_tenant(scenario, ledger).items()
    )


def _differing(expected: NDArray[Any], ledger: Ledger, rows: NDArray[np.int64]) -> int:  # of the model's dtype
    served = np.array([ledger.values[row] for row in rows.tolist()])
    if expected.dtype.kind != "f":
        return int((served != expected).sum())
    return int((np.abs(served - expected) > TOLERANCE * np.maximum(1.0, np.abs(expected))).sum())


def prediction_lines(scenario: Scenario, ledger: Ledger) -> Iterator[str]:
    """The first output of some tenants, and one of them whole."""
    examples = sorted(ledger.examples.items())[:: max(1, len(ledger.examples) // SHOWN)][:SHOWN]
    for tenant, record in examples:
        prediction = record["prediction"]
        said = _said(prediction, float(scenario.targets[record[EVENT_ID]]), scenario.unit)
        yield f"{tenant:<10} {said:<36} by {prediction['model_id']} ({prediction['variant']})"
    if examples:
        yield f"one of them whole: {as_json(examples[0][1])}"


def _said(prediction: Record, truth: float, unit: str) -> str:
    """A number with its unit and what it was in truth, or a class with its probability."""
    value = prediction["value"]
    if isinstance(value, str):
        return f"{value} (probability {prediction['scores'][value]:.2f})" if prediction["scores"] else value
    return f"{value:7.1f} {unit}" + ("" if np.isnan(truth) else f", and it was {truth:.1f}")


def as_json(record: Record) -> str:
    """A decoded record in one line; points in time as ISO 8601."""
    return json.dumps(record, default=lambda value: value.isoformat() if isinstance(value, datetime) else str(value))


def accuracy_lines(found: Sequence[TenantAccuracy], unit: str) -> Iterator[str]:
    """A table of the tenants with the most events, and how all compare; nothing where no tenant has numbers."""
    if not found:
        return
    yield f"{'tenant':<10} {'events':>7}  {'own model':<19} {'its error':>9}  {'one for all':>11}"
    for row in found[:SHOWN]:
        yield f"{row.tenant:<10} {row.events:>7,}  {row.kind:<19} {row.own_error:>9.2f}  {row.shared_error:>11.2f}"
    weights = [row.events for row in found]
    own = np.average([row.own_error for row in found], weights=weights)
    shared = np.average([row.shared_error for row in found], weights=weights)
    better = sum(row.own_error < row.shared_error for row in found)
    yield f"{'all':<10} {sum(weights):>7,}  {'':<19} {own:>9.2f}  {shared:>11.2f}   ({unit})"
    yield f"the own model is nearer for {better} of {len(found)} tenants"


def service_lines(ledger: Ledger) -> Iterator[str]:
    """Who predicted what."""
    models = {model for model in ledger.model_ids if model is not None}
    fallback = ledger.variants.get("fallback", 0)
    shared = f"; {fallback:,} records of tenants without one of their own went to the default model" if fallback else ""
    yield f"models that predicted: {len(models)}{shared}"


def agreement_line(predicted: int, differing: int) -> str:
    """Whether the processor says what scikit-learn says."""
    if differing:
        return f"{differing:,} of {predicted:,} predictions differ from scikit-learn's own"
    return f"each of the {predicted:,} predictions equals scikit-learn's own for the same record"


def balance_line(balance: Balance) -> str:
    """In = out, or what is wrong."""
    dead = sum(balance.dead_letters.values())
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in sorted(balance.dead_letters.items()))
    sides = f"in {balance.sent:,} {'=' if balance.holds else '≠'} out {balance.predicted:,} + dead letters {dead:,}"
    named = f"{sides} ({reasons})" if reasons else sides
    return f"{named}: {'nothing lost, nothing twice' if balance.holds else _wrong(balance)}"


def _wrong(balance: Balance) -> str:
    return f"{balance.missing:,} lost, {balance.repeated:,} twice"
