"""`predict` over files: the same prediction as in the stream."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import fastavro
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from streamproc.avro.schemas import RecordSchema, SchemaIds, record_schema
from streamproc.clock import Clock
from streamproc.errors import RefusedError
from streamproc.models.base import ModelInfo
from streamproc.models.sklearn import SklearnModel
from streamproc.operations.predict import PredictInput, TenantModel, avro_container, json_lines, predicted

Json = Any  # what a line holds
CLOCK = Clock(monotonic=lambda: 0.0, wall=lambda: 1_767_225_600.0, sleep=lambda _: None)


def definition(**types: object) -> dict[str, Any]:  # Avro's own JSON
    fields = [{"name": name, "type": kind} for name, kind in types.items()]
    return {"type": "record", "name": "Event", "fields": fields}


EVENT = definition(tenant_id="string", x="double", y="double")


def schema(of: Mapping[str, Any] = EVENT) -> RecordSchema:
    return record_schema(of, SchemaIds())


@pytest.fixture(scope="module")
def estimator() -> LogisticRegression:
    rng = np.random.default_rng(7)
    frame = pd.DataFrame(rng.normal(size=(60, 2)), columns=["x", "y"])
    return LogisticRegression().fit(frame, (frame.x > frame.y).astype(int))


def rows(estimator: LogisticRegression, records: PredictInput, tenant: str = "a", field: str = "tenant_id") -> list[Json]:
    served = TenantModel(tenant, ModelInfo("m@1"), SklearnModel(estimator, None))
    return list(predicted(records, served, tenant_field=field, max_record_bytes=1000, scores=True, source="file", clock=CLOCK))


def lines(*values: Mapping[str, object]) -> list[str]:
    return [json.dumps(value) for value in values]


def container(of: Mapping[str, Any], values: Sequence[Mapping[str, object]]) -> io.BytesIO:
    file = io.BytesIO()
    fastavro.writer(file, dict(of), list(values), codec="deflate")
    file.seek(0)
    return file


def test_each_line_becomes_the_enriched_record_in_order(estimator: LogisticRegression) -> None:
    values = [{"tenant_id": "a", "x": number / 7, "y": 0.3} for number in range(2500)]
    found = rows(estimator, json_lines(lines(*values), schema(), tenant_field="tenant_id", tenant="a"))
    expected = estimator.predict(pd.DataFrame(values)[["x", "y"]])
    assert [row["prediction"]["value"] for row in found] == expected.tolist()
    assert [row["x"] for row in found] == [value["x"] for value in values]
    assert [row["prediction"]["source_offset"] for row in found] == list(range(2500))
    assert found[0]["prediction"]["model_id"] == "m@1"
    assert sum(found[0]["prediction"]["scores"].values()) == pytest.approx(1)


def test_a_line_without_a_tenant_is_the_tenants(estimator: LogisticRegression) -> None:
    (row,) = rows(estimator, json_lines(lines({"x": 1, "y": 2}), schema(), tenant_field="tenant_id", tenant="a"))
    assert row["tenant_id"] == "a"


def test_a_tenant_of_another_type_or_deeper_down_is_filled_in_too(estimator: LogisticRegression) -> None:
    number = schema(definition(tenant_id="long", x="double", y="double"))
    (row,) = rows(estimator, json_lines(lines({"x": 1, "y": 2}), number, tenant_field="tenant_id", tenant="42"), "42")
    assert row["tenant_id"] == 42
    inner = {"type": "record", "name": "Who", "fields": [{"name": "id", "type": "string"}]}
    deep = schema(definition(who=inner, x="double", y="double"))
    (row,) = rows(
        estimator,
        json_lines(lines({"who": {}, "x": 1, "y": 2}), deep, tenant_field="who.id", tenant="a"),
        field="who.id",
    )
    assert row["who"] == {"id": "a"}


def test_another_tenants_record_is_an_error_and_its_neighbours_are_predicted(estimator: LogisticRegression) -> None:
    values = lines({"x": 1, "y": 2}, {"tenant_id": "b", "x": 1, "y": 2}, {"x": 3, "y": 2})
    found = rows(estimator, json_lines(values, schema(), tenant_field="tenant_id", tenant="a"))
    assert [row.get("row") for row in found] == [None, 1, None]
    assert found[1]["error"]["reason"] == "tenant_not_allowed"


def test_a_missing_feature_is_the_dead_letter_that_the_stream_would_write(estimator: LogisticRegression) -> None:
    nullable = schema(definition(tenant_id="string", x=["null", "double"], y="double"))
    (row,) = rows(estimator, json_lines(lines({"y": 2}), nullable, tenant_field="tenant_id", tenant="a"))
    assert row["error"]["reason"] == "feature_missing"


@pytest.mark.parametrize(
    ("line", "problem"),
    [("{", "line 2: the line is not JSON"), ('{"x": "hunter2", "y": 1}', "line 2: field 'x'"), ("[]", "line 2: ")],
)
def test_a_line_that_does_not_fit_the_schema_is_refused_with_its_number(
    estimator: LogisticRegression, line: str, problem: str
) -> None:
    records = json_lines([*lines({"x": 1, "y": 2}), line], schema(), tenant_field="tenant_id", tenant="a")
    with pytest.raises(RefusedError) as caught:
        rows(estimator, records)
    assert str(caught.value).startswith(problem)
    assert "hunter2" not in str(caught.value)


def test_empty_lines_are_skipped(estimator: LogisticRegression) -> None:
    records = json_lines(["", *lines({"x": 1, "y": 2}), "\n"], schema(), tenant_field="tenant_id", tenant="a")
    assert len(rows(estimator, records)) == 1


def test_an_avro_container_brings_its_own_schema(estimator: LogisticRegression) -> None:
    own = definition(extra="string", y="float", x="int", tenant_id="string")
    file = container(own, [{"extra": "e", "y": 0.5, "x": number, "tenant_id": "a"} for number in range(5)])
    found = rows(estimator, avro_container(file, tenant_field="tenant_id", tenant="a"))
    expected = estimator.predict(pd.DataFrame({"x": range(5), "y": [0.5] * 5}))
    assert [row["prediction"]["value"] for row in found] == expected.tolist()
    assert found[0]["extra"] == "e"


def test_an_avro_container_without_the_tenants_field_gets_it(estimator: LogisticRegression) -> None:
    file = container(definition(x="double", y="double"), [{"x": 1.0, "y": 2.0}])
    (row,) = rows(estimator, avro_container(file, tenant_field="tenant_id", tenant="a"))
    assert row["tenant_id"] == "a"
    assert row["prediction"]["value"] == 0


def test_a_field_deep_down_can_not_be_added() -> None:
    file = container(definition(x="double"), [])
    with pytest.raises(RefusedError, match=r"no field 'who\.id' \(records\.tenant_field\)"):
        avro_container(file, tenant_field="who.id", tenant="a")


@pytest.mark.parametrize("content", [b"", b"Obj\x01", b"Obj\x01\x00", b"not avro at all", b"\x00" * 50])
def test_a_file_that_is_no_container_is_refused(content: bytes) -> None:
    with pytest.raises(RefusedError, match="no Avro object container"):
        avro_container(io.BytesIO(content), tenant_field="tenant_id", tenant="a")


def test_a_damaged_container_is_refused(estimator: LogisticRegression) -> None:
    content = container(EVENT, [{"tenant_id": "a", "x": 1.0, "y": 2.0}] * 100).getvalue()
    with pytest.raises(RefusedError, match="damaged"):
        rows(estimator, avro_container(io.BytesIO(content[:-30]), tenant_field="tenant_id", tenant="a"))
