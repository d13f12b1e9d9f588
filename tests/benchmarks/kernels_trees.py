"""What a prediction by each kind of trees costs: `python tests/benchmarks/kernels_trees.py`; one JSON line a measurement.

Nanoseconds a record, the best of several runs of the kernels alone: features are in place, one thread. `tenants` have models of
their own; in `zipf` 10,000 records are theirs by Zipf's law (1.1), in `single` each tenant has one record, in `one` there is
one tenant.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import DecisionTreeClassifier

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.compiled_trees import compiled, predict, run_of, untransformed

from streamproc.inference.arenas import ModelArenas
from streamproc.inference.packed import Packed

Estimator = Any  # scikit-learn ships no types

RECORDS = 10_000
ROUNDS = 15
COLUMNS = 16
DIFFERENT = 10
"""Models are trained; tenants beyond have equal ones, in places of their own."""


def models() -> dict[str, Callable[[int], Estimator]]:
    """What is measured, untrained; by seed."""
    return {
        "forest(50, depth 8)": lambda seed: RandomForestClassifier(50, max_depth=8, random_state=seed),
        "deep forest(100)": lambda seed: RandomForestRegressor(100, random_state=seed),
        "tree(depth 8)": lambda seed: DecisionTreeClassifier(max_depth=8, random_state=seed),
        "boosting(100, depth 3)": lambda seed: GradientBoostingClassifier(n_estimators=100, max_depth=3, random_state=seed),
        "histogram(100)": lambda seed: HistGradientBoostingClassifier(max_iter=100, random_state=seed),
        "histogram(100), categories": lambda seed: HistGradientBoostingClassifier(
            max_iter=100, random_state=seed, categorical_features=[0, 1, 2, 3]
        ),
    }


def trained(make: Callable[[int], Estimator], seed: int) -> Estimator:
    """Fitted to 1,500 rows, of which four columns hold categories."""
    random = np.random.default_rng(seed)
    columns = rows(random, 1500)
    target = columns[:, 4] + columns[:, 5] * columns[:, 6] + columns[:, 0] % 3 + random.normal(size=1500) / 2 > 1
    return make(seed).fit(columns, target.astype(int))


def rows(random: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Features: four categories, twelve numbers."""
    columns = random.normal(size=(count, COLUMNS))
    columns[:, :4] = random.integers(0, 8, (count, 4))
    return columns


def measured(packs: list[Packed], tenant: NDArray[np.int64]) -> float:
    """Nanoseconds a record; `tenant` is the model of each."""
    arenas = ModelArenas()
    slots = np.array([arenas.install(packed) for packed in packs], np.int32)
    columns = rows(np.random.default_rng(1), len(tenant))
    best = np.inf
    for _ in range(ROUNDS):
        run = run_of(slots[tenant], [packs[each] for each in tenant], columns)
        begin = time.perf_counter()
        predict(packs[0].kind, run, arenas.arrays)
        best = min(best, time.perf_counter() - begin)
    return best / len(tenant) * 1e9


def main(tenants: int) -> None:
    """Print a line for each model and each division of records among tenants."""
    weight = 1 / np.arange(1, tenants + 1) ** 1.1
    zipf = np.sort(np.random.default_rng(0).choice(tenants, RECORDS, p=weight / weight.sum()))
    divisions = {"zipf": zipf, "single": np.arange(tenants), "one": np.zeros(RECORDS, np.int64)}
    for name, make in models().items():
        packs = [untransformed(compiled(trained(make, seed))) for seed in range(DIFFERENT)] * (tenants // DIFFERENT)
        for division, tenant in divisions.items():
            nanoseconds = round(measured(packs, tenant))
            line = {"model": name, "division": division, "tenants": tenants, "ns": nanoseconds, "bytes": packs[0].nbytes}
            print(json.dumps(line), flush=True)  # noqa: T201 - the result


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
