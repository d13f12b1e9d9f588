"""A small world for end-to-end tests: shops as tenants, each with a model of its own kind, and scikit-learn's own results."""

from __future__ import annotations

import io
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import fastavro
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

SCHEMA: Mapping[str, Any] = {  # Avro's own JSON
    "type": "record",
    "name": "Sale",
    "namespace": "shops",
    "fields": [
        {"name": "tenant_id", "type": "string"},
        {"name": "sold_at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "a", "type": "double"},
        {"name": "b", "type": "double"},
        {"name": "c", "type": "float"},
        {"name": "count", "type": "int"},
        {"name": "maybe", "type": ["null", "double"]},
        {"name": "stock", "type": ["null", "long"]},
        {"name": "open", "type": "boolean"},
        {"name": "colour", "type": {"type": "enum", "name": "Colour", "symbols": ["red", "green", "blue"]}},
        {"name": "city", "type": "string"},
        {
            "name": "size",
            "type": {"type": "record", "name": "Size", "fields": [{"name": "width", "type": "double"}]},
        },
        {"name": "notes", "type": {"type": "map", "values": "string"}},
        {"name": "parts", "type": {"type": "array", "items": "double"}},
    ],
}
SCHEMA_ID, OUTPUT_ID = 7, 8
CITIES = ("Bergen", "Lima", "Łódź", "東京")
COLOURS = ("red", "green", "blue")
NUMBERS = ["a", "b", "c", "count"]
Sale = dict[str, Any]  # a record as fastavro takes it


@dataclass(frozen=True, slots=True)
class Shop:
    """A tenant, its fitted estimator, and the features that it was fitted with."""

    tenant: str
    estimator: Any  # any scikit-learn estimator
    features: tuple[str, ...]
    has_names: bool
    tolerance: float
    """0 where scikit-learn's result must be met bit for bit; else times max(1, the size of the sum's terms)."""


def sale(tenant: str, rng: random.Random) -> Sale:
    """A random sale; some features are null."""
    return {
        "tenant_id": tenant,
        "sold_at": 1_700_000_000_000 + rng.randrange(10**9),
        "a": rng.gauss(0, 1),
        "b": rng.gauss(2, 3),
        "c": np.float32(rng.random()).item(),
        "count": rng.randrange(-5, 100),
        "maybe": None if rng.random() < 0.3 else rng.gauss(0, 1),
        "stock": None if rng.random() < 0.2 else rng.randrange(50),
        "open": rng.random() < 0.5,
        "colour": rng.choice(COLOURS),
        "city": rng.choice(CITIES),
        "size": {"width": rng.random()},
        "notes": {"x": "y" * rng.randrange(5)},
        "parts": [rng.random() for _ in range(rng.randrange(4))],
    }


def encode(sale: Sale, *, schema: Mapping[str, Any] = SCHEMA, schema_id: int = SCHEMA_ID) -> bytes:
    """The record in Confluent's framing."""
    body = io.BytesIO()
    fastavro.schemaless_writer(body, dict(schema), sale)
    return b"\0" + schema_id.to_bytes(4, "big") + body.getvalue()


def frame_of(sales: Sequence[Sale], features: Sequence[str]) -> pd.DataFrame:
    """The features of sales as a model sees them (contract, section 4)."""
    columns: dict[str, Any] = {}  # arrays of each type
    for name in features:
        values = [sale["size"]["width"] if name == "size.width" else sale[name] for sale in sales]
        nullable = name in ("maybe", "stock")
        columns[name] = [math.nan if value is None else float(value) for value in values] if nullable else values
    return pd.DataFrame(columns, columns=list(features))


def _target(frame: pd.DataFrame) -> np.ndarray[Any, Any]:
    numbers = frame.select_dtypes("number").fillna(0.5)
    return np.asarray(numbers.to_numpy() @ np.linspace(0.5, 1.5, numbers.shape[1]))


Labels = Callable[[np.ndarray[Any, Any]], Any]

KINDS: Sequence[tuple[str, Callable[[], Any], Sequence[str], Labels, float]] = (
    ("linear", LinearRegression, NUMBERS, lambda y: y, 1e-12),
    (
        "logistic",
        lambda: make_pipeline(StandardScaler(), LogisticRegression()),
        NUMBERS,
        lambda y: (y > y.mean()).astype(int),
        1e-12,
    ),
    (
        "words",
        lambda: make_pipeline(StandardScaler(), LogisticRegression()),
        NUMBERS,
        lambda y: np.array(["low", "mid", "high"], object)[np.digitize(y, np.quantile(y, [0.3, 0.6]))],
        1e-12,
    ),
    (
        "forest",
        lambda: RandomForestClassifier(12, max_depth=5, n_jobs=-1),
        [*NUMBERS, "open"],
        lambda y: (y > 3).astype(int),
        0,
    ),
    ("trees", lambda: RandomForestRegressor(10, max_depth=5), [*NUMBERS, "size.width"], lambda y: y, 0),
    ("boosted", lambda: HistGradientBoostingRegressor(max_iter=15), [*NUMBERS, "maybe", "stock"], lambda y: y, 0),
    ("tree", lambda: DecisionTreeClassifier(max_depth=4), ["a", "open", "count"], lambda y: y > y.mean(), 0),
    (
        "mixed",
        lambda: make_pipeline(
            ColumnTransformer([("words", OneHotEncoder(handle_unknown="ignore"), ["city", "colour"])], remainder="passthrough"),
            Ridge(),
        ),
        ["city", "a", "colour", "b"],
        lambda y: y,
        1e-12,
    ),
    ("imputed", lambda: make_pipeline(SimpleImputer(), StandardScaler(), Ridge()), ["a", "maybe", "stock"], lambda y: y, 1e-12),
    ("pair", LinearRegression, NUMBERS, lambda y: np.column_stack([y, -2 * y]), 1e-12),
    (
        "gradient",
        lambda: GradientBoostingClassifier(n_estimators=10),
        NUMBERS,
        lambda y: np.digitize(y, np.quantile(y, [0.4, 0.8])),
        0,
    ),
    ("neighbours", lambda: KNeighborsClassifier(3, algorithm="brute"), ["a", "b"], lambda y: y > 1, 1e-12),
    ("margin", LinearSVC, NUMBERS, lambda y: (y > y.mean()).astype(int), 1e-12),
    ("extra", lambda: ExtraTreesClassifier(8, max_depth=4), [*NUMBERS, "size.width"], lambda y: (y > y.mean()).astype(int), 0),
)


def make_shops(count: int, seed: int = 1) -> list[Shop]:
    """Fitted models of every kind in turn; each third one is fitted without feature names where it reads numbers only."""
    shops = []
    for number in range(count):
        kind, make, features, labels, tolerance = KINDS[number % len(KINDS)]
        rng = random.Random(seed * 1000 + number)  # noqa: S311 - test data
        frame = frame_of([sale("", rng) for _ in range(200)], features)
        has_names = number % 3 != 2 or "city" in features
        estimator = make()
        if "random_state" in estimator.get_params():
            estimator.set_params(random_state=number)
        estimator.fit(frame if has_names else frame.to_numpy(np.float64), labels(_target(frame)))
        shops.append(Shop(f"shop-{number:03d}-{kind}", estimator, tuple(features), has_names, tolerance))
    return shops


@dataclass(frozen=True, slots=True)
class Expected:
    """What scikit-learn says of one sale."""

    value: Any  # int, float, bool, str or a list of floats
    scores: Mapping[str, float] | None


def expectations(shop: Shop, sales: Sequence[Sale]) -> list[Expected]:
    """scikit-learn's own results for the shop's sales, on one thread: with more, a forest's sum depends on their order."""
    if "n_jobs" in shop.estimator.get_params():
        shop.estimator.set_params(n_jobs=1)
    frame = frame_of(sales, shop.features)
    data = frame if shop.has_names else frame.to_numpy(np.float64)
    values = np.asarray(shop.estimator.predict(data))
    scores: list[dict[str, float] | None] = [None] * len(sales)
    if hasattr(shop.estimator, "predict_proba"):
        classes = [str(name) for name in shop.estimator.classes_]
        scores = [dict(zip(classes, row, strict=True)) for row in shop.estimator.predict_proba(data).tolist()]
    return [Expected(value, score) for value, score in zip(values.tolist(), scores, strict=True)]


def differs(shop: Shop, expected: Expected, prediction: Mapping[str, Any]) -> str:
    """Why the prediction is not the expected one; empty where it is."""
    value = prediction["value"]
    if type(value) is not type(expected.value):
        return f"{shop.tenant}: a {type(value).__name__} instead of a {type(expected.value).__name__}"
    if isinstance(value, str | bool | int):
        near = value == expected.value
    else:
        near = _near(value, expected.value, shop.tolerance * 100)
    if not near:
        return f"{shop.tenant}: {value} instead of {expected.value}"
    scores = prediction["scores"]
    if (scores is None) != (expected.scores is None):
        return f"{shop.tenant}: scores {scores} instead of {expected.scores}"
    if scores is not None and expected.scores is not None:
        if scores.keys() != expected.scores.keys():
            return f"{shop.tenant}: classes {sorted(scores)} instead of {sorted(expected.scores)}"
        if not _near([scores[name] for name in expected.scores], list(expected.scores.values()), shop.tolerance):
            return f"{shop.tenant}: scores {scores} instead of {expected.scores}"
    return ""


def _near(found: float | list[float], expected: float | list[float], tolerance: float) -> bool:
    return bool(np.all(np.abs(np.asarray(found) - np.asarray(expected)) <= tolerance))
