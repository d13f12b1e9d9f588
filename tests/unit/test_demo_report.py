from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from streamproc.demo.generated import generated
from streamproc.demo.ledger import Balance, Ledger
from streamproc.demo.report import (
    accuracy,
    accuracy_lines,
    balance_line,
    disagreements,
    predicted_by,
    prediction_lines,
    report,
)
from streamproc.demo.scenario import Scenario


@pytest.fixture(scope="module")
def readings() -> Scenario:
    return generated(lambda _line: None, records=300, tenants=6)


def served(scenario: Scenario) -> Ledger:
    """A ledger in which every tenant's own model predicted everything that it takes."""
    ledger = Ledger(len(scenario))
    for model in scenario.models:
        rows = np.array([row for row, tenant in enumerate(scenario.tenants) if tenant in model.tenants])
        sound = scenario.features.loc[rows, list(model.estimator.feature_names_in_)].notna().all(axis=1).to_numpy()
        rows = rows[sound]
        for row, value in zip(rows.tolist(), predicted_by(model, scenario, rows).tolist(), strict=True):
            ledger.predicted(record(scenario, row, value, f"{model.name}@1"), scenario.tenants[row])
            ledger.sent += 1
    return ledger


def record(scenario: Scenario, row: int, value: object, model_id: str) -> dict[str, Any]:  # a decoded record
    source = {"source_topic": "events", "source_partition": 0, "source_offset": row}
    scores = {value: 0.75} if isinstance(value, str) else None
    prediction = {"value": value, "scores": scores, "model_id": model_id, "variant": "champion", **source}
    return {**scenario.events(row, row + 1)[0], "prediction": prediction}


def test_a_tenants_own_model_knows_it_better_than_one_for_all(readings: Scenario) -> None:
    found = accuracy(readings, served(readings))
    assert len(found) == 5, "one of six predicts a class, which has no distance"
    assert sum(row.own_error for row in found) < sum(row.shared_error for row in found) / 2


def test_the_mean_absolute_error_is_of_the_served_values(readings: Scenario) -> None:
    ledger = served(readings)
    before = {row.tenant: row.own_error for row in accuracy(readings, ledger)}
    tenant = readings.models[0].tenants[0]
    for row in ledger.predicted_events.tolist():
        if readings.tenants[row] == tenant:
            ledger.values[row] = readings.targets[row] + 3.0
    after = {row.tenant: row.own_error for row in accuracy(readings, ledger)}
    assert after.pop(tenant) == pytest.approx(3.0)
    before.pop(tenant)
    assert after == before


def test_predictions_are_compared_with_scikit_learns_own(readings: Scenario) -> None:
    ledger = served(readings)
    assert disagreements(readings, ledger) == 0
    numeric = next(row for row in ledger.predicted_events.tolist() if isinstance(ledger.values[row], float))
    text = next(row for row in ledger.predicted_events.tolist() if isinstance(ledger.values[row], str))
    ledger.values[numeric] += 1e-6
    ledger.values[text] = "lukewarm"
    assert disagreements(readings, ledger) == 2


def test_lines_show_predictions_of_several_tenants_and_one_record_whole(readings: Scenario) -> None:
    lines = list(prediction_lines(readings, served(readings)))
    assert len(lines) == 7
    assert "kW, and it was" in lines[0]
    assert "(probability 0.75)" in lines[5]
    assert '"source_offset"' in lines[-1]


def test_the_table_of_errors_ends_with_all_tenants_together(readings: Scenario) -> None:
    lines = list(accuracy_lines(accuracy(readings, served(readings)), "kW"))
    assert len(lines) == 1 + 5 + 2
    assert lines[-2].startswith("all")


def test_without_numbers_there_is_no_table_of_errors() -> None:
    assert list(accuracy_lines([], "kW")) == []


def test_the_last_line_says_that_in_equals_out() -> None:
    line = balance_line(Balance(1200, 1198, {"feature_missing": 2}, missing=0, repeated=0))
    assert line == "in 1,200 = out 1,198 + dead letters 2 (2 feature_missing): nothing lost, nothing twice"


def test_the_last_line_says_what_is_wrong() -> None:
    line = balance_line(Balance(10, 8, {}, missing=2, repeated=1))
    assert line == "in 10 ≠ out 8 + dead letters 0: 2 lost, 1 twice"


def test_the_exit_code_is_0_only_where_in_equals_out_and_scikit_learn_agrees(readings: Scenario) -> None:
    shown = io.StringIO()
    console = Console(file=shown, width=300)
    assert report(readings, served(readings), console) == 0
    assert shown.getvalue().splitlines()[-1].endswith("nothing lost, nothing twice")
    wrong = served(readings)
    wrong.values[0] = 1e9
    assert report(readings, wrong, console) == 1
    incomplete = served(readings)
    incomplete.sent += 1
    assert report(readings, incomplete, console) == 1
