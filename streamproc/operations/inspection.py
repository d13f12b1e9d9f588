"""`check`: asks the broker, the schemas, the registry, the store and the models, and goes on where one does not answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from streamproc.app.brokers import connection_options
from streamproc.app.models import open_infos_to_read, open_models, open_registry_to_read, open_store
from streamproc.app.schemas import input_schemas
from streamproc.avro.schemas import RecordSchema
from streamproc.config import Settings
from streamproc.errors import StreamprocError
from streamproc.kafka.topics import TopicAdmin
from streamproc.operations.check import (
    Finding,
    TopicRoles,
    guarded,
    model_findings,
    schema_findings,
    topic_findings,
)
from streamproc.operations.client_log import CLIENT_LOGGER


def findings(settings: Settings) -> Iterator[Finding]:
    """Everything that would go wrong with these settings now, as far as it can be known."""
    yield from guarded("broker", lambda: _topics(settings), "start it, or correct kafka.bootstrap_servers and kafka.security")
    yield from guarded("schemas", lambda: _schemas(settings), "correct avro.schemas, or register the input's schema")
    yield from guarded("artifact store", lambda: _store(settings), "correct models.store, or publish a first model")
    yield from guarded("models", lambda: _models(settings), "correct models.database_url")


def _topics(settings: Settings) -> Iterable[Finding]:
    kafka = settings.kafka
    roles = TopicRoles(kafka.input_topics, kafka.output_topic, kafka.dead_letter_topic)
    facts = TopicAdmin(connection_options(settings), logger=CLIENT_LOGGER).inspect(roles.all)
    return topic_findings(facts, roles, max_record_bytes=settings.avro.max_record_bytes)


def _schemas(settings: Settings) -> Iterable[Finding]:
    records = settings.records
    return schema_findings(input_schemas(settings), records.tenant_field, records.event_time_field)


def _store(settings: Settings) -> Iterable[Finding]:
    open_store(settings).check()
    return ()


def _models(settings: Settings) -> Iterable[Finding]:
    assigned: dict[str, list[str]] = {}
    with open_registry_to_read(settings) as registry:
        assignments = registry.assignments()
    for assignment in assignments:
        assigned.setdefault(assignment.model_id, []).append(assignment.tenant)
    if settings.models.default_model_id is not None:
        assigned.setdefault(settings.models.default_model_id, [])
    if not assigned:
        fix = "publish one with `streamproc models publish FILE --name NAME --tenant TENANT`"
        return [
            Finding("models", "no tenant has a model, and there is no default: every record would become a dead letter", fix)
        ]
    with open_infos_to_read(settings) as infos:
        return list(model_findings(open_models(settings, infos), assigned, _schemas_or_none(settings)))


def _schemas_or_none(settings: Settings) -> Sequence[RecordSchema]:
    """The schemas; none where they can't be had, which is a finding already."""
    try:
        return input_schemas(settings)
    except StreamprocError:
        return ()
