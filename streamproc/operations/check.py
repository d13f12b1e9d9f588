"""`check`: everything that can be known before the first record, each finding with its fix. Pure: asks nobody."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from streamproc.avro.features import event_time_problems, feature_problems, tenant_problems
from streamproc.avro.schemas import RecordSchema
from streamproc.errors import RecordError, StreamprocError, TransientError
from streamproc.kafka.topics import TopicFacts
from streamproc.models.base import ModelMetadata, ModelRepository

_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
_ENRICHMENT_BYTES = 4096
"""What an output or dead letter may have more than its input: the prediction, headers, the broker's own bytes."""
_NAMED_TENANTS = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that will go wrong, and what to do about it."""

    subject: str
    problem: str
    fix: str


@dataclass(frozen=True, slots=True)
class TopicRoles:
    """Which topic plays which part."""

    inputs: tuple[str, ...]
    output: str
    dead_letters: str

    @property
    def all(self) -> tuple[str, ...]:
        """Every topic."""
        return (*self.inputs, self.output, self.dead_letters)


def guarded(subject: str, look: Callable[[], Iterable[Finding]], fix: str) -> Iterator[Finding]:
    """What `look` finds; an error that stops it is a finding too, with its own remedy or else `fix`."""
    try:
        yield from look()
    except StreamprocError as error:
        problem, semicolon, remedy = str(error).rpartition("; ")
        yield Finding(subject, problem if semicolon else remedy, remedy if semicolon else fix)


def topic_findings(facts: Mapping[str, TopicFacts | None], roles: TopicRoles, *, max_record_bytes: int) -> Iterator[Finding]:
    """What is wrong with the topics."""
    for topic in roles.all:
        if facts.get(topic) is None:
            yield Finding(f"topic {topic}", "does not exist", "create it; streamproc creates no topics")
    inputs = [found for topic in roles.inputs if (found := facts.get(topic))]
    dead_letters = facts.get(roles.dead_letters)
    for found in inputs:
        yield from _kept(found, _HOUR_MS, "records are deleted before a replica that was away for longer has read them")
        yield from _not_compacted(found, "records are deleted before they are read when a newer one has the same key")
    if dead_letters is not None:
        yield from _kept(dead_letters, _DAY_MS, "dead letters are gone before anybody has looked at them")
        yield from _not_compacted(dead_letters, "a dead letter is deleted when a newer one has the same key")
    limits = [max_record_bytes, *(found.max_message_bytes for found in inputs if found.max_message_bytes is not None)]
    largest = min(limits) if len(limits) == 1 + len(inputs) else max_record_bytes
    for topic in (roles.output, roles.dead_letters):
        yield from _large_enough(facts.get(topic), min(largest, max_record_bytes) + _ENRICHMENT_BYTES)


def _kept(topic: TopicFacts, least_ms: int, consequence: str) -> Iterator[Finding]:
    if topic.retention_ms is not None and 0 <= topic.retention_ms < least_ms:
        hours = topic.retention_ms / _HOUR_MS
        yield Finding(
            f"topic {topic.name}",
            f"keeps records for {hours:g} h only: {consequence}",
            f"set retention.ms to {least_ms} or more",
        )


def _not_compacted(topic: TopicFacts, consequence: str) -> Iterator[Finding]:
    if topic.cleanup_policy is not None and "compact" in topic.cleanup_policy:
        yield Finding(f"topic {topic.name}", f"is compacted: {consequence}", "set cleanup.policy to delete")


def _large_enough(topic: TopicFacts | None, wanted: int) -> Iterator[Finding]:
    if topic is not None and topic.max_message_bytes is not None and topic.max_message_bytes < wanted:
        yield Finding(
            f"topic {topic.name}",
            f"takes records of up to {topic.max_message_bytes} bytes, and those written here may have {wanted}",
            f"set max.message.bytes to {wanted} or more, or lower avro.max_record_bytes",
        )


def schema_findings(schemas: Sequence[RecordSchema], tenant_field: str, event_time_field: str | None) -> Iterator[Finding]:
    """What the schemas lack for the settings below `records`."""
    for schema in schemas:
        for problem in tenant_problems(schema, tenant_field):
            yield Finding(f"schema {schema.name}", problem, "name a field that is there, or correct the schema")
        for problem in event_time_problems(schema, event_time_field) if event_time_field is not None else ():
            yield Finding(f"schema {schema.name}", problem, "name a field that is there, or null for Kafka's timestamp")


def model_findings(
    models: ModelRepository, assigned: Mapping[str, Sequence[str]], schemas: Sequence[RecordSchema]
) -> Iterator[Finding]:
    """What keeps assigned models from predicting; one schema that suits a model is enough, another may be on its way out.

    Args:
        models: loads them.
        assigned: model id → its tenants; none: it is the default model.
        schemas: every one that records may have.

    Raises:
        TransientError: the registry or the store does not answer.

    """
    for model_id, tenants in assigned.items():
        subject = f"model {model_id} ({_tenants(tenants)})"
        try:
            model = models.get_model(model_id)
            metadata, nullable = model.metadata, model.null_features
        except TransientError:
            raise
        except RecordError as error:
            yield Finding(subject, error.message, "publish a model that loads, and assign it")
            continue
        problems = [_problems(schema, metadata, nullable) for schema in schemas]
        for problem in min(problems, key=len, default=()):
            yield Finding(subject, problem, "train the model on fields that a schema has, or add the field")


def _problems(schema: RecordSchema, metadata: ModelMetadata, nullable: Collection[str]) -> list[str]:
    """Why the model can't predict records of the schema; a feature that may be null may be absent."""
    harmless = {f"feature {name!r} is absent from schema {schema.name}" for name in nullable}
    found = feature_problems(schema, metadata.feature_names, metadata.n_columns)
    return [problem for problem in found if problem not in harmless]


def _tenants(tenants: Sequence[str]) -> str:
    if not tenants:
        return "the default"
    named = ", ".join(tenants[:_NAMED_TENANTS])
    more = len(tenants) - _NAMED_TENANTS
    return f"of {named} and {more} more" if more > 0 else f"of {named}"
