"""What a prediction by linear models costs: `python tests/benchmarks/kernels_linear.py`; one JSON line a measurement.

Nanoseconds a record, the best of several runs of the kernels alone: fields are captured, one thread. `tenants` have models of
their own; in `zipf` 10,000 records are theirs by Zipf's law (1.1), in `one` there is one tenant.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.fused import compiled, empty_run, flags_of, run_transform

from streamproc.inference import linear
from streamproc.inference.arenas import ModelArenas
from streamproc.inference.captured_frame import captured_frame

RECORDS = 10_000
CHUNK = 4096
ROUNDS = 25
COLUMNS = 16
COLOURS = ("red", "green", "blue", "yellow", "purple", "orange", "black", "white")


def models() -> dict[str, Callable[[], Any]]:  # → estimator
    """What is measured, untrained."""
    texts = [f"f{place}" for place in range(4)]
    split = [("texts", OneHotEncoder(handle_unknown="ignore"), texts)]
    return {
        "ridge": Ridge,
        "scaler, logistic": lambda: make_pipeline(StandardScaler(), LogisticRegression()),
        "imputer, scaler, logistic": lambda: make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression()),
        "4 texts of 8, logistic": lambda: make_pipeline(
            ColumnTransformer(split, remainder=StandardScaler()), LogisticRegression()
        ),
    }


def rows(random: np.random.Generator, count: int, *, texts: bool) -> pd.DataFrame:
    """Features: numbers, of which four are texts instead."""
    frame = pd.DataFrame(random.normal(size=(count, COLUMNS)), columns=[f"f{place}" for place in range(COLUMNS)])
    for place in range(4 if texts else 0):
        frame[f"f{place}"] = pd.Series(random.choice(np.array(COLOURS, object), count), dtype=object)
    return frame


def measured(packs: list[Any], tenant: NDArray[np.int64], frame: pd.DataFrame) -> tuple[float, float]:  # of Packed
    """Nanoseconds a record of both kernels; `tenant` is the model of each."""
    arenas = ModelArenas()
    slots = np.array([arenas.install(packed) for packed in packs], np.int32)[tenant]
    captures = captured_frame(frame, flags_of(packs[0]))
    best = [np.inf, np.inf]
    for _ in range(ROUNDS):
        taken = [0.0, 0.0]
        for start in range(0, len(slots), CHUNK):
            part = slots[start : start + CHUNK]
            run = empty_run(packs[0], part)
            begin = time.perf_counter()
            run_transform(run, arenas, captures, COLUMNS, first=start)
            middle = time.perf_counter()
            linear.predict(run, arenas.arrays)
            taken[0] += middle - begin
            taken[1] += time.perf_counter() - middle
        best = [min(pair) for pair in zip(best, taken, strict=True)]
    return best[0] / len(tenant) * 1e9, best[1] / len(tenant) * 1e9


def main(tenants: int) -> None:
    """Print a line for each model and each division of records among tenants."""
    weight = 1 / np.arange(1, tenants + 1) ** 1.1
    zipf = np.sort(np.random.default_rng(0).choice(tenants, RECORDS, p=weight / weight.sum()))
    divisions = {"zipf": zipf, "one": np.zeros(RECORDS, np.int64)}
    for name, make in models().items():
        random = np.random.default_rng(1)
        frame = rows(random, RECORDS, texts="texts" in name)
        trained = [make().fit(frame[:500], random.integers(0, 2, 500)) for _ in range(20)]
        packs = [compiled(trained[tenant % 20])[1] for tenant in range(tenants)]
        for division, tenant in divisions.items():
            transform, predict = measured(packs, tenant, frame)
            line = {"model": name, "division": division, "tenants": tenants, "transform_ns": round(transform, 1)}
            sys.stdout.write(json.dumps({**line, "predict_ns": round(predict, 1), "bytes": packs[0].nbytes}) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
