"""Schemas from a registry: the same promises over a real one and over the small one that also knows GUIDs and can fail."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest
from support.avro import Json, record_type
from support.kafka import free_port, unique_name
from support.registry import SmallRegistry, apicurio, register, served

from streamproc.avro.registry import RegistrySchemas
from streamproc.avro.registry_client import RegistryClient
from streamproc.errors import Reason, RecordError, TransientError

EVENT = record_type(tenant="string", x="double")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def real() -> Iterator[str]:
    with apicurio() as url:
        yield url


@pytest.fixture
def small() -> Iterator[tuple[SmallRegistry, str]]:
    registry = SmallRegistry()
    with served(registry) as url:
        yield registry, url


@pytest.fixture(params=["real", "small"])
def url(request: pytest.FixtureRequest) -> str:
    found = request.getfixturevalue(request.param)
    return found if isinstance(found, str) else found[1]


Source = Callable[..., RegistrySchemas]


@pytest.fixture
def source() -> Iterator[Source]:
    """Makes sources over a registry, and gives up their connections at the end."""
    with ExitStack() as stack:

        def make(url: str, output_topic: str = "predictions", clock: Clock | None = None) -> RegistrySchemas:
            client = RegistryClient(url, timeout=5)
            stack.callback(client.close)
            return RegistrySchemas(client, output_topic=output_topic, monotonic=clock or Clock())

        yield make


def named(name: str) -> Json:
    return {**EVENT, "name": name.replace("-", "_"), "namespace": "shop"}


def refusal(schemas: RegistrySchemas, schema_id: int, topic: str) -> RecordError:
    with pytest.raises(RecordError) as caught:
        schemas.by_id(schema_id, topic)
    return caught.value


def test_a_writer_schema_is_found_and_its_output_schema_registered(source: Source, url: str) -> None:
    topic, output = unique_name("in"), unique_name("out")
    schema_id = register(url, f"{topic}-value", named(topic))
    schemas = source(url, output)
    found = schemas.by_id(schema_id, topic)
    assert found is schemas.by_id(schema_id, topic)
    assert found.ref.id == schema_id
    registered = httpx.get(f"{url}/subjects/{output}-value/versions/latest").json()
    assert registered["id"] == found.output_ref.id
    assert json.loads(registered["schema"]) == json.loads(found.output.text)


@pytest.mark.parametrize("subject", ["{topic}-value", "{name}", "{topic}-{name}"])
def test_each_naming_strategy_of_producers_is_allowed(source: Source, url: str, subject: str) -> None:
    topic = unique_name("in")
    schema = named(topic)
    schema_id = register(url, subject.format(topic=topic, name=f"shop.{schema['name']}"), schema)
    assert source(url).by_id(schema_id, topic).ref.id == schema_id


def test_a_schema_of_another_subject_is_not_allowed(source: Source, url: str) -> None:
    topic = unique_name("in")
    schema_id = register(url, f"{unique_name('other')}-value", named(topic))
    assert refusal(source(url), schema_id, topic).reason is Reason.SCHEMA_NOT_ALLOWED


def test_a_schema_may_be_allowed_for_one_topic_and_not_for_another(source: Source, url: str) -> None:
    topic = unique_name("in")
    schema_id = register(url, f"{topic}-value", named(topic))
    schemas = source(url)
    assert schemas.by_id(schema_id, topic).ref.id == schema_id
    assert refusal(schemas, schema_id, f"{topic}-2").reason is Reason.SCHEMA_NOT_ALLOWED


@pytest.mark.parametrize("schema_id", [0, 987654, (1 << 31) - 1, 1 << 31, (1 << 32) - 1])
def test_an_id_that_the_registry_does_not_know_is_the_records_fault(source: Source, url: str, schema_id: int) -> None:
    assert refusal(source(url), schema_id, "events").reason is Reason.UNKNOWN_SCHEMA


def test_a_guid_that_the_registry_does_not_know_is_the_records_fault(source: Source, url: str) -> None:
    with pytest.raises(RecordError) as caught:
        source(url).by_guid(uuid.uuid4().bytes, "events")
    assert caught.value.reason is Reason.UNKNOWN_SCHEMA


@pytest.mark.parametrize(
    "schema", ["string", {**EVENT, "fields": [{"name": "prediction", "type": "int"}]}], ids=["no record", "taken"]
)
def test_a_schema_that_no_output_can_follow_is_not_allowed(source: Source, url: str, schema: Json) -> None:
    topic = unique_name("in")
    schema_id = register(url, f"{topic}-value", schema)
    assert refusal(source(url), schema_id, topic).reason is Reason.SCHEMA_NOT_ALLOWED


def test_the_latest_schema_of_a_topic_is_shown_and_registers_nothing(source: Source, url: str) -> None:
    topic, output = unique_name("in"), unique_name("out")
    register(url, f"{topic}-value", named(topic))
    assert source(url, output).latest(topic).record.fields[0].name == "tenant"
    assert httpx.get(f"{url}/subjects/{output}-value/versions/latest").status_code == 404


def test_any_schema_can_be_had_to_show_a_record(source: Source, url: str) -> None:
    topic = unique_name("other")
    schema_id = register(url, f"{topic}-key", named(topic))
    assert json.loads(source(url).shown_by_id(schema_id).text) == named(topic)


def test_a_registry_that_is_down_is_waited_for(source: Source) -> None:
    with pytest.raises(TransientError, match="does not answer"):
        source(f"http://127.0.0.1:{free_port()}").by_id(1, "events")


@pytest.mark.parametrize(
    "failing",
    [
        (500, "{}"),
        (503, "busy"),
        (429, "{}"),
        (401, "{}"),
        (403, "{}"),
        (404, "<html>no such page</html>"),
        (200, "<html>hello</html>"),
    ],
)
def test_a_registry_that_does_not_work_is_waited_for_and_then_served_from(
    source: Source, small: tuple[SmallRegistry, str], failing: tuple[int, str]
) -> None:
    registry, url = small
    schema_id = register(url, "events-value", EVENT)
    schemas = source(url)
    registry.failing = failing
    with pytest.raises(TransientError):
        schemas.by_id(schema_id, "events")
    registry.failing = None
    assert schemas.by_id(schema_id, "events").ref.id == schema_id


def test_no_message_names_the_credentials(source: Source, small: tuple[SmallRegistry, str]) -> None:
    registry, url = small
    registry.failing = (401, "{}")
    with_user = url.replace("http://", "http://reader:hunter2@")
    with pytest.raises(TransientError) as caught:
        source(with_user).by_id(1, "events")
    assert url in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "reader" not in str(caught.value)


def test_a_known_schema_is_served_while_the_registry_is_down(source: Source, small: tuple[SmallRegistry, str]) -> None:
    registry, url = small
    schemas = source(url)
    schema_id = register(url, "events-value", EVENT)
    found = schemas.by_id(schema_id, "events")
    registry.failing = (500, "{}")
    assert schemas.by_id(schema_id, "events") is found


def test_a_refusal_is_asked_for_again_only_after_a_while(source: Source, small: tuple[SmallRegistry, str]) -> None:
    registry, url = small
    clock = Clock()
    schemas = source(url, clock=clock)
    first = refusal(schemas, 1, "events")
    asked = len(registry.requests)
    assert refusal(schemas, 1, "events") is not first
    assert len(registry.requests) == asked
    register(url, "events-value", EVENT)
    clock.now = 11.0
    assert schemas.by_id(1, "events").ref.id == 1


def test_a_guid_names_the_schema_and_its_output_schema(source: Source, small: tuple[SmallRegistry, str]) -> None:
    registry, url = small
    guid = uuid.UUID(registry.guid(register(url, "events-value", EVENT))).bytes
    schemas = source(url)
    found = schemas.by_guid(guid, "events")
    assert found.ref.guid == guid
    assert found.output_ref.id is not None
    assert found.output_ref.guid == uuid.UUID(registry.guid(found.output_ref.id)).bytes
    with pytest.raises(RecordError) as caught:
        schemas.by_guid(guid, "elsewhere")
    assert caught.value.reason is Reason.SCHEMA_NOT_ALLOWED


def test_an_output_schema_that_the_registry_refuses_is_not_allowed(source: Source, real: str) -> None:
    topic, output = unique_name("in"), unique_name("out")
    register(real, f"{output}-value", record_type("Other", needed="long"))
    httpx.put(f"{real}/config/{output}-value", json={"compatibility": "BACKWARD"}).raise_for_status()
    schema_id = register(real, f"{topic}-value", named(topic))
    error = refusal(source(real, output), schema_id, topic)
    assert error.reason is Reason.SCHEMA_NOT_ALLOWED
    assert f"'{output}-value'" in error.message
