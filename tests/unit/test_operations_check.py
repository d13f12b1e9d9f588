"""What `check` finds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression

from streamproc.avro.schemas import RecordSchema, SchemaIds, record_schema
from streamproc.errors import ConfigurationError, Reason, RecordError, Stage, TransientError
from streamproc.kafka.topics import TopicFacts
from streamproc.models.base import Model, ModelRepository
from streamproc.models.sklearn import SklearnModel
from streamproc.operations.check import (
    Finding,
    TopicRoles,
    guarded,
    model_findings,
    schema_findings,
    topic_findings,
)

ROLES = TopicRoles(inputs=("events",), output="predictions", dead_letters="dead")
WEEK_MS = 7 * 24 * 3_600_000


def facts(name: str) -> TopicFacts:
    return TopicFacts(
        name, partitions=3, replicas=1, retention_ms=WEEK_MS, cleanup_policy="delete", max_message_bytes=1_048_588
    )


def sound() -> dict[str, TopicFacts | None]:
    return {name: facts(name) for name in ROLES.all}


def found(topics: Mapping[str, TopicFacts | None], max_record_bytes: int = 1_000_000) -> list[Finding]:
    return list(topic_findings(topics, ROLES, max_record_bytes=max_record_bytes))


def test_topics_as_kafka_makes_them_are_fine() -> None:
    assert found(sound()) == []


@pytest.mark.parametrize("name", ROLES.all)
def test_a_missing_topic_is_found(name: str) -> None:
    assert found({**sound(), name: None}) == [
        Finding(f"topic {name}", "does not exist", "create it; streamproc creates no topics")
    ]


@pytest.mark.parametrize(
    ("name", "change", "problem", "fix"),
    [
        ("events", {"retention_ms": 60_000}, "keeps records for 0.0166667 h only", "set retention.ms to 3600000 or more"),
        ("dead", {"retention_ms": 3_600_000}, "keeps records for 1 h only", "set retention.ms to 86400000 or more"),
        ("events", {"cleanup_policy": "compact"}, "is compacted: records are deleted before they are read", "delete"),
        ("events", {"cleanup_policy": "compact,delete"}, "is compacted", "set cleanup.policy to delete"),
        ("dead", {"cleanup_policy": "compact"}, "is compacted: a dead letter is deleted", "set cleanup.policy to delete"),
        ("predictions", {"max_message_bytes": 900_000}, "takes records of up to 900000 bytes", "1004096 or more"),
        ("dead", {"max_message_bytes": 900_000}, "takes records of up to 900000 bytes", "max.message.bytes"),
    ],
)
def test_a_topic_that_would_lose_records_is_found_with_its_fix(
    name: str, change: Mapping[str, Any], problem: str, fix: str
) -> None:
    (finding,) = found({**sound(), name: replace(facts(name), **change)})
    assert finding.subject == f"topic {name}"
    assert problem in finding.problem
    assert fix in finding.fix


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("events", {"retention_ms": -1}),
        ("predictions", {"cleanup_policy": "compact"}),
        ("events", {"retention_ms": None, "cleanup_policy": None, "max_message_bytes": None}),
        ("predictions", {"max_message_bytes": None}),
    ],
)
def test_what_is_fine_or_not_to_be_seen_is_no_finding(name: str, change: Mapping[str, Any]) -> None:
    assert found({**sound(), name: replace(facts(name), **change)}) == []


def test_an_output_topic_needs_no_more_than_what_the_input_topic_takes() -> None:
    topics = {**sound(), "events": replace(facts("events"), max_message_bytes=10_000)}
    topics["predictions"] = replace(facts("predictions"), max_message_bytes=20_000)
    assert found(topics) == []
    topics["predictions"] = replace(facts("predictions"), max_message_bytes=14_000)
    assert len(found(topics)) == 1


def schema(*fields: tuple[str, object]) -> RecordSchema:
    definition = {"type": "record", "name": "Event", "fields": [{"name": name, "type": kind} for name, kind in fields]}
    return record_schema(definition, SchemaIds())


EVENT = schema(("tenant_id", "string"), ("x", "double"), ("y", "string"), ("at", "string"))


def test_a_schema_without_tenant_or_time_is_found() -> None:
    assert list(schema_findings([EVENT], "tenant_id", None)) == []
    (tenant,) = schema_findings([EVENT], "x", None)
    assert "records.tenant_field" in tenant.problem
    (time,) = schema_findings([EVENT], "tenant_id", "at")
    assert "records.event_time_field" in time.problem


class Shelf(ModelRepository):
    """Models by id; an error stands for a model that can't be loaded."""

    def __init__(self, **models: Model | Exception) -> None:
        self._models = models

    def get_model(self, model_id: str) -> Model:
        model = self._models[model_id]
        if isinstance(model, Exception):
            raise model
        return model


def fitted(estimator: Any, *names: str) -> SklearnModel:  # noqa: ANN401 - scikit-learn has no types
    frame = pd.DataFrame(np.arange(40.0 * len(names)).reshape(40, -1), columns=list(names))
    return SklearnModel(estimator.fit(frame, frame[names[0]]), None)


def test_models_that_suit_the_schema_are_fine() -> None:
    assert list(model_findings(Shelf(m=fitted(LinearRegression(), "x")), {"m": ["a"]}, [EVENT])) == []


def test_a_model_whose_feature_the_schema_lacks_is_found_with_its_tenants() -> None:
    assigned = {"m": [f"t{number}" for number in range(7)]}
    (finding,) = model_findings(Shelf(m=fitted(LinearRegression(), "z")), assigned, [EVENT])
    assert finding.subject == "model m (of t0, t1, t2, t3, t4 and 2 more)"
    assert "'z' is absent from schema Event" in finding.problem


def test_a_feature_that_may_be_null_may_be_absent() -> None:
    assert list(model_findings(Shelf(m=fitted(HistGradientBoostingRegressor(), "x", "z")), {"m": []}, [EVENT])) == []


def test_a_model_that_can_not_be_loaded_is_found_and_the_others_are_looked_at() -> None:
    error = RecordError(Reason.MODEL_REJECTED, Stage.ROUTE, "its digest is another")
    shelf = Shelf(bad=error, worse=fitted(LinearRegression(), "z"))
    first, second = model_findings(shelf, {"bad": [], "worse": ["a"]}, [EVENT])
    assert (first.subject, first.problem) == ("model bad (the default)", "its digest is another")
    assert second.subject == "model worse (of a)"


def test_an_error_that_ends_a_look_is_a_finding_with_its_own_remedy() -> None:
    def away() -> Iterator[Finding]:
        yield Finding("a", "b", "c")
        raise TransientError("the store does not answer")

    def wrong() -> Iterator[Finding]:
        raise ConfigurationError("expected x, found y; set x")
        yield

    assert list(guarded("store", away, "start it")) == [
        Finding("a", "b", "c"),
        Finding("store", "the store does not answer", "start it"),
    ]
    assert list(guarded("file", wrong, "unused")) == [Finding("file", "expected x, found y", "set x")]
