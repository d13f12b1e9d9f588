from __future__ import annotations

import io
from typing import Any

import fastavro
import numpy as np
import pytest

from streamproc.operations.bench.workload import COUNTRIES, FIRST_EVENT_MS, SCHEMA_ID, Workload


def decoded(workload: Workload, value: bytes) -> dict[str, Any]:
    assert value[:5] == b"\0" + SCHEMA_ID.to_bytes(4, "big")
    body = io.BytesIO(value[5:])
    event = fastavro.schemaless_reader(body, fastavro.parse_schema(workload.schema), None)
    assert body.read() == b"", "trailing bytes"
    assert isinstance(event, dict)
    return event


@pytest.mark.parametrize(
    "workload",
    [
        Workload("small", "linear", tenants=10, features=4),
        Workload("linear-1000", "linear", tenants=1000),
        Workload("wide", "forest", tenants=100_000, features=200, active=50),
    ],
    ids=lambda workload: workload.name,
)
def test_each_record_is_avro_that_holds_what_the_workload_says_it_holds(workload: Workload) -> None:
    records = workload.records(300)
    for number, value in enumerate(records.values()):
        event = decoded(workload, value)
        assert event["tenant_id"] == workload.tenant_name(int(records.tenant[number]))
        assert event["event_time"] == FIRST_EVENT_MS + number
        assert event["country"] == COUNTRIES[number % len(COUNTRIES)]
        assert workload.number_of(event["event_id"]) == number
        assert [event[name] for name in workload.feature_names] == records.features[number].tolist()


def test_a_record_of_sixteen_doubles_has_185_bytes() -> None:
    workload = Workload("linear-1000", "linear", tenants=1000)
    assert {len(value) for value in workload.records(10).values()} == {185} == {workload.record_bytes}


def test_keys_are_the_first_half_of_the_event_s_id() -> None:
    workload = Workload("linear-1000", "linear", tenants=1000)
    records = workload.records(50)
    for value, key in zip(records.values(), records.keys(workload), strict=True):
        assert decoded(workload, value)["event_id"].startswith(key.decode())


def test_the_first_records_are_one_of_each_active_tenant_and_no_other_tenant_has_any() -> None:
    records = Workload("w", "linear", tenants=1000, active=40).records(2000)
    assert sorted(records.tenant[:40].tolist()) == list(range(40))
    assert records.tenant.max() == 39


def test_tenants_have_unequal_shares_and_the_records_are_the_same_at_each_call() -> None:
    workload = Workload("w", "linear", tenants=100)
    first, again = workload.records(20_000), workload.records(20_000)
    assert np.array_equal(first.encoded, again.encoded)
    counts = np.bincount(first.tenant, minlength=100)
    assert counts[0] > 10 * counts[50] > 0
