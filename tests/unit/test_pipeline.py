"""One batch of many tenants, schemas and kinds of models through the real pipeline, each record against its own model."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from support.avro import encoded
from support.records import record_batch

from streamproc.avro.decoder import Decoder
from streamproc.avro.encoder import PredictionEncoder
from streamproc.avro.listed import ListedSchemas, SchemaEntry
from streamproc.avro.outputs import OutputWriter
from streamproc.batches import BatchResult, RecordBatch
from streamproc.clock import Clock, StageClock
from streamproc.errors import Reason
from streamproc.inference.compiled import CompiledModel
from streamproc.inference.predictor import LoopPredictor
from streamproc.inference.repository import CompilingRepository
from streamproc.models.base import Model, ModelInfo, ModelRepository
from streamproc.models.loader import Arrival, Loaded
from streamproc.models.serving import TenantModels
from streamproc.models.sklearn import SklearnModel
from streamproc.pipeline import Pipeline
from streamproc.pipeline.fused import FusedModels
from streamproc.pipeline.native import NativePath

PLAIN = {
    "type": "record",
    "name": "Plain",
    "fields": [
        {"name": "tenant_id", "type": "string"},
        {"name": "a", "type": "double"},
        {"name": "note", "type": "string"},
        {"name": "b", "type": "double"},
        {"name": "colour", "type": {"type": "enum", "name": "Colour", "symbols": ["red", "green", "blue"]}},
    ],
}
LATER = {
    "type": "record",
    "name": "Later",
    "fields": [
        {"name": "colour", "type": ["null", "string"]},
        {"name": "b", "type": ["null", "int"]},
        {"name": "a", "type": "float"},
        {"name": "tenant_id", "type": "string"},
    ],
}
STRANGE = {
    "type": "record",
    "name": "Strange",
    "fields": [
        {"name": "tenant_id", "type": "string"},
        {"name": "a", "type": "string"},
        {"name": "b", "type": "double"},
        {"name": "colour", "type": "string"},
    ],
}
SCHEMAS = [PLAIN, LATER, STRANGE]
Json = dict[str, Any]


def training(seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "a": random.normal(size=80).round(2),
            "b": random.integers(-3, 4, size=80).astype(float),
            "colour": random.choice(["red", "green"], size=80),
        }
    )


def linear(seed: int) -> Any:  # noqa: ANN401 - scikit-learn ships no types
    rows = training(seed)[["a", "b"]]
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, rows["a"] + rows["b"] > 0)


def forest(seed: int) -> Any:  # noqa: ANN401 - as above
    rows = training(seed)[["b", "a"]]
    return RandomForestClassifier(7, random_state=seed).fit(rows, np.where(rows["a"] > 0, "up", "down"))


def coloured(seed: int) -> Any:  # noqa: ANN401 - as above
    rows = training(seed)
    encode = ColumnTransformer([("c", OneHotEncoder(handle_unknown="ignore"), ["colour"])], remainder="passthrough")
    return make_pipeline(encode, LinearRegression()).fit(rows, rows["a"] * 2)


def boosted(seed: int) -> Any:  # noqa: ANN401 - as above
    rows = training(seed)[["a", "b"]]
    rows.loc[::5, "b"] = np.nan
    return HistGradientBoostingRegressor(max_iter=9).fit(rows, rows["a"])


def neighbours(seed: int) -> Any:  # noqa: ANN401 - as above
    rows = training(seed)[["a", "b"]]
    return KNeighborsRegressor(3).fit(rows, rows["a"])


MAKERS: list[Callable[[int], Any]] = [linear, forest, coloured, boosted, neighbours]


class Stored(ModelRepository):
    def __init__(self, estimator: Any) -> None:  # noqa: ANN401 - as above
        self._estimator = estimator

    def get_model(self, model_id: str) -> Model:
        del model_id
        return SklearnModel(self._estimator)


class Shelf(dict[str, Model]):
    """A cache that keeps everything, and a loader that has brought everything."""

    def __init__(self) -> None:
        super().__init__()
        self.coming: list[Arrival] = []

    def cached(self, model_id: str) -> Model | None:
        return self.get(model_id)

    def evicted(self) -> list[str]:
        return []

    def request(self, tenant: str, *, delay_seconds: float = 0.0) -> None:
        """It has been brought."""

    def request_anew(self, tenant: str) -> None:
        """Nothing changes."""

    def arrivals(self) -> list[Arrival]:
        coming, self.coming = self.coming, []
        return coming

    def changed_tenants(self) -> list[str]:
        return []


class Ears:
    def model_requested(self, result: str, tenants: int = 1) -> None:
        assert result in {"hit", "miss"}
        assert tenants

    def model_loaded(self, seconds: float) -> None:
        raise AssertionError(seconds)

    def model_load_failed(self, reason: str) -> None:
        raise AssertionError(reason)

    def cache_changed(self, models: int, nbytes: int) -> None:
        raise AssertionError(models, nbytes)

    def model_evicted(self) -> None:
        raise AssertionError


class World:
    """A pipeline, and tenants t0, t1 … of estimators of all kinds."""

    def __init__(self, folder: Path, tenants: int) -> None:
        for number, schema in enumerate(SCHEMAS):
            (folder / f"{number}.avsc").write_text(json.dumps(schema))
        entries = [SchemaEntry(folder / f"{number}.avsc", id=number, output_id=number + 10) for number in range(len(SCHEMAS))]
        self.schemas = ListedSchemas(entries, framing="confluent")
        self.estimators = {f"t{number}": MAKERS[number % len(MAKERS)](number) for number in range(tenants)}
        self.shelf = Shelf()
        self.now = 0.0
        for tenant, estimator in self.estimators.items():
            model = self.shelf[f"{tenant}@1"] = CompilingRepository(Stored(estimator)).get_model(tenant)
            self.shelf.coming.append(Loaded(tenant, ModelInfo(f"{tenant}@1"), model))
        clock = Clock(monotonic=self.tick, wall=lambda: 2.0, sleep=lambda _: None)
        writer, stages = OutputWriter(scores=True), StageClock(clock)
        fused = FusedModels(writer)
        self.seconds_a_look = 0.0
        self.models = TenantModels(self.shelf, self.shelf, fused, Ears(), monotonic=clock.monotonic)
        self.models.install_arrivals()
        self.pipeline = Pipeline(
            Decoder(self.schemas, framing="confluent", tenant_field="tenant_id", event_time_field=None, max_record_bytes=1000),
            self.models,
            fused,
            NativePath(LoopPredictor(monotonic=clock.monotonic), PredictionEncoder(scores=True), stages=stages, clock=clock),
            writer,
            output_topic="out",
            max_seconds=5,
            stages=stages,
            clock=clock,
        )

    def tick(self) -> float:
        self.now += getattr(self, "seconds_a_look", 0.0)
        return self.now

    def batch(self, records: list[tuple[int, Json]]) -> RecordBatch:
        return record_batch([b"\0\0\0\0" + bytes([number]) + encoded(SCHEMAS[number], record) for number, record in records])

    def predictions(self, result: BatchResult) -> dict[int, Json]:
        """Row → its prediction, every input field checked."""
        parsed = {one.output_ref.id: fastavro.parse_schema(json.loads(one.output.text)) for one in self.schemas.schemas}
        found = {}
        for row, value in zip(result.predicted.tolist(), result.outputs.values, strict=True):
            assert value is not None
            record = fastavro.schemaless_reader(io.BytesIO(value[5:]), parsed[value[4]], None)
            assert isinstance(record, dict)
            found[row] = record["prediction"]
            body = (result.records.value(row) or b"")[5:]
            assert value[5 : 5 + len(body)] == body
        return found


def drawn(count: int, tenants: int, seed: int) -> list[tuple[int, Json]]:
    random = np.random.default_rng(seed)
    records: list[tuple[int, Json]] = []
    for number in range(count):
        tenant = f"t{random.integers(tenants)}"
        a, b = round(random.normal(), 2), float(random.integers(-3, 4))
        colour = str(random.choice(["red", "green", "blue"]))
        kind = int(random.choice([0, 0, 1, 2]))
        if kind == 0:
            records.append((0, {"tenant_id": tenant, "a": a, "b": b, "colour": colour, "note": "n" * (number % 9)}))
        elif kind == 1:
            maybe = None if number % 4 == 0 else int(b)
            records.append((1, {"tenant_id": tenant, "a": np.float32(a).item(), "b": maybe, "colour": colour}))
        else:
            records.append((2, {"tenant_id": tenant, "a": str(a), "b": b, "colour": colour}))
    return records


def expected(estimator: Any, record: Json) -> tuple[Any, Any] | None:  # noqa: ANN401 - scikit-learn ships no types
    """What scikit-learn says of the record, or None where it raises; a text is no number."""
    names = list(estimator.feature_names_in_)
    row = pd.DataFrame({name: [np.nan if record[name] is None else record[name]] for name in names})
    try:
        value = estimator.predict(row)[0]
    except ValueError:
        return None
    scores = estimator.predict_proba(row)[0] if hasattr(estimator, "predict_proba") else None
    return value, scores


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("schemas"), 30)


def test_every_record_is_predicted_by_its_own_tenants_model_or_dies_where_scikit_learn_raises(world: World) -> None:
    kinds = {type(model).__name__ for model in world.shelf.values()}
    assert kinds == {"CompiledModel", "SklearnModel"}
    records = drawn(500, 30, 1)
    known_rows = [expected(world.estimators[record["tenant_id"]], record) for _, record in records]
    for _ in range(3):  # the first batch learns what models want, later ones know
        result = world.pipeline.process(world.batch(records))
        predicted, dead = world.predictions(result), {letter.row: letter for letter in result.dead}
        assert predicted.keys() | dead.keys() == set(range(len(records)))
        assert not result.parked
        for row, (_, record) in enumerate(records):
            tenant = record["tenant_id"]
            known = known_rows[row]
            if known is None:
                assert dead[row].tenant == tenant
                assert dead[row].model_id == f"{tenant}@1"
                continue
            value, scores = known
            prediction = predicted[row]
            assert prediction["model_id"] == f"{tenant}@1"
            assert prediction["source_offset"] == row
            is_tree = isinstance(world.shelf[f"{tenant}@1"], CompiledModel) and MAKERS[int(tenant[1:]) % 5] in (forest, boosted)
            tolerance = 0 if is_tree else 1e-12
            if isinstance(value, str | np.bool_):
                assert prediction["value"] == value
            else:
                assert prediction["value"] == pytest.approx(value, rel=0, abs=tolerance * 10)
            if scores is not None:
                assert list(prediction["scores"].values()) == pytest.approx(scores, rel=0, abs=tolerance)


def test_a_null_that_a_model_does_not_take_is_a_missing_feature_and_is_named(world: World) -> None:
    batch = world.batch([(1, {"tenant_id": "t0", "a": 1.0, "b": None, "colour": "red"})])
    for _ in range(2):
        (letter,) = world.pipeline.process(batch).dead
        assert (letter.reason, "'b'" in letter.message) == (Reason.FEATURE_MISSING, True)


def test_what_a_pass_has_no_time_for_waits_in_order_and_the_rest_is_delivered(world: World) -> None:
    records = [record for record in drawn(3000, 30, 2) if record[1]["tenant_id"] in ("t0", "t1", "t2", "t4")]
    batch = world.batch(records)
    world.pipeline.process(batch)
    world.seconds_a_look = 1.7
    result = world.pipeline.process(batch)
    world.seconds_a_look = 0.0
    done = {*result.predicted.tolist(), *(letter.row for letter in result.dead)}
    waiting = {tenant: parked.offsets.tolist() for tenant, parked in result.parked.items()}
    assert waiting
    assert done.isdisjoint(row for rows in waiting.values() for row in rows)
    assert done | {row for rows in waiting.values() for row in rows} == set(range(len(records)))
    for tenant, rows in waiting.items():
        assert rows == sorted(rows)
        delivered = [row for row in result.predicted.tolist() if records[row][1]["tenant_id"] == tenant]
        assert not delivered or max(delivered) < rows[0]
