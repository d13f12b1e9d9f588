"""A fitted scikit-learn model for each tenant of a workload, and its artifact."""

from __future__ import annotations

from typing import Any

import numpy as np
import skops.io
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from streamproc.operations.bench.workload import Kind, Workload

Estimator = Any  # scikit-learn has no types
_ROWS: dict[Kind, int] = {"linear": 100, "forest": 600}
TREES = 50
DEPTH = 8


def fitted(workload: Workload, number: int) -> Estimator:
    """The model of one tenant: it has seen rows of a law of its own, and no names of features."""
    random = np.random.default_rng([workload.seed, number])
    rows: NDArray[np.float64] = random.normal(
        random.normal(), random.uniform(0.5, 2), (_ROWS[workload.kind], workload.features)
    )
    score = rows @ random.normal(size=workload.features) + random.normal(size=len(rows))
    return _unfitted(workload.kind, number).fit(rows, (score > np.median(score)).astype(np.int64))


def artifact(estimator: Estimator) -> bytes:
    """The model as skops stores it."""
    content: bytes = skops.io.dumps(estimator)
    return content


def _unfitted(kind: Kind, number: int) -> Estimator:
    if kind == "linear":
        return make_pipeline(StandardScaler(), LogisticRegression())
    return RandomForestClassifier(TREES, max_depth=DEPTH, n_jobs=1, random_state=number)
