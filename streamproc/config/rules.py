"""What must hold between settings; each rule reports every breach."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from streamproc.config.settings import SchemaSettings, Settings


@dataclass(frozen=True, slots=True)
class Breach:
    """Settings that don't go together; the first named is the one to look at."""

    settings: tuple[str, ...]
    message: str
    remedy: str


def breaches(settings: Settings) -> Iterator[Breach]:
    """Everything that does not hold."""
    for rule in _RULES:
        yield from rule(settings)


def _guarantee(settings: Settings) -> Iterator[Breach]:
    if settings.guarantee == "exactly_once":
        yield Breach(
            ("guarantee",),
            "exactly_once is not available in this release",
            "set at_least_once and de-duplicate on prediction.source_topic, source_partition and source_offset",
        )
    elif settings.kafka.transactional_id is not None:
        yield Breach(
            ("kafka.transactional_id", "guarantee"),
            "is used with guarantee: exactly_once only, and the guarantee is at_least_once",
            "remove it",
        )


def _topics(settings: Settings) -> Iterator[Breach]:
    kafka = settings.kafka
    twice = sorted({topic for topic in kafka.input_topics if kafka.input_topics.count(topic) > 1})
    if twice:
        yield Breach(("kafka.input_topics",), f"names {', '.join(twice)} more than once", "name each topic once")
    for name, topic in (("output_topic", kafka.output_topic), ("dead_letter_topic", kafka.dead_letter_topic)):
        if topic in kafka.input_topics:
            yield Breach(
                (f"kafka.{name}", "kafka.input_topics"),
                f"{topic} is also an input topic, so the processor would read its own output",
                "name another topic",
            )
    if kafka.output_topic == kafka.dead_letter_topic:
        yield Breach(
            ("kafka.dead_letter_topic", "kafka.output_topic"),
            f"{kafka.dead_letter_topic} is also the output topic, so its readers would meet records that are no predictions",
            "name another topic",
        )


def _sasl(settings: Settings) -> Iterator[Breach]:
    security = settings.kafka.security
    given = [name for name in ("mechanism", "username", "password", "password_file") if getattr(security, name) is not None]
    if not security.protocol.startswith("sasl_"):
        for name in given:
            yield Breach(
                (f"kafka.security.{name}", "kafka.security.protocol"),
                f"has no effect with protocol {security.protocol}",
                "set kafka.security.protocol to sasl_ssl or sasl_plaintext, or remove it",
            )
        return
    if security.mechanism is None:
        yield Breach(
            ("kafka.security.mechanism", "kafka.security.protocol"),
            f"expected a mechanism with protocol {security.protocol}, found null",
            "set PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512",
        )
    if security.mechanism in {"OAUTHBEARER", "GSSAPI"}:
        return
    if security.username is None:
        yield Breach(
            ("kafka.security.username", "kafka.security.protocol"),
            f"expected a user with protocol {security.protocol}, found null",
            "set it",
        )
    if (security.password is None) == (security.password_file is None):
        found = "neither" if security.password is None else "both"
        yield Breach(
            ("kafka.security.password", "kafka.security.password_file", "kafka.security.protocol"),
            f"expected either password or password_file with protocol {security.protocol}, found {found}",
            "set one of them",
        )


def _tls(settings: Settings) -> Iterator[Breach]:
    security = settings.kafka.security
    if not security.protocol.endswith("ssl"):
        for name in ("ca_file", "cert_file", "key_file"):
            if getattr(security, name) is not None:
                yield Breach(
                    (f"kafka.security.{name}", "kafka.security.protocol"),
                    f"has no effect with protocol {security.protocol}",
                    "set kafka.security.protocol to ssl or sasl_ssl, or remove it",
                )
    if (security.cert_file is None) != (security.key_file is None):
        missing = "cert_file" if security.cert_file is None else "key_file"
        yield Breach(
            (f"kafka.security.{missing}", "kafka.security.cert_file", "kafka.security.key_file"),
            "expected cert_file and key_file together, found one",
            f"set {missing} too",
        )


def _registry(settings: Settings) -> Iterator[Breach]:
    avro = settings.avro
    if avro.registry is None:
        return
    if avro.framing != "confluent":
        yield Breach(
            ("avro.framing", "avro.registry"),
            f"{avro.framing} names no schema of a registry",
            "set confluent, or list the schemas instead of a registry",
        )
    if avro.schemas:
        yield Breach(
            ("avro.schemas", "avro.registry"), "expected no schemas beside a registry", "remove avro.schemas or avro.registry"
        )
    if (avro.registry.username is None) != (avro.registry.password is None):
        missing = "username" if avro.registry.username is None else "password"
        yield Breach(
            (f"avro.registry.{missing}", "avro.registry.username", "avro.registry.password"),
            "expected username and password together, found one",
            f"set {missing} too",
        )


def _schemas(settings: Settings) -> Iterator[Breach]:
    avro = settings.avro
    if avro.registry is not None:
        return
    if not avro.schemas:
        yield Breach(("avro.schemas", "avro.registry"), "expected a schema, found none", "list one, or set avro.registry")
    elif avro.framing == "raw" and len(avro.schemas) != 1:
        yield Breach(
            ("avro.schemas", "avro.framing"),
            f"expected exactly one schema with framing raw, found {len(avro.schemas)}",
            "list one; raw values don't name theirs",
        )
    elif avro.framing == "confluent":
        for number, schema in enumerate(avro.schemas):
            yield from _confluent_schema(number, schema)
        yield from _schema_names(avro.schemas)


def _confluent_schema(number: int, schema: SchemaSettings) -> Iterator[Breach]:
    where = f"avro.schemas[{number}]"
    if schema.id is None and schema.guid is None:
        yield Breach((f"{where}.id", "avro.framing"), "expected id or guid with framing confluent, found neither", "give one")
    for name, value, output in (("id", schema.id, schema.output_id), ("guid", schema.guid, schema.output_guid)):
        if (value is None) != (output is None):
            missing = name if value is None else f"output_{name}"
            concerned = (f"{where}.{missing}", "avro.framing")
            yield Breach(concerned, f"expected {name} and output_{name} together, found one", "give it")


def _schema_names(schemas: tuple[SchemaSettings, ...]) -> Iterator[Breach]:
    """Each id and GUID means one schema, input or output."""
    seen: dict[object, str] = {}
    for number, schema in enumerate(schemas):
        for name in ("id", "output_id", "guid", "output_guid"):
            value = getattr(schema, name)
            where = f"avro.schemas[{number}].{name}"
            if value is not None and value in seen:
                yield Breach((where,), f"{value} is also {seen[value]}", "give each input and output schema its own")
            elif value is not None:
                seen[value] = where


def _batch(settings: Settings) -> Iterator[Breach]:
    if settings.batch.linger_seconds > settings.batch.max_seconds:
        yield Breach(
            ("batch.linger_seconds", "batch.max_seconds"),
            f"expected at most batch.max_seconds ({settings.batch.max_seconds:g}), found {settings.batch.linger_seconds:g}",
            "wait shorter, or allow longer batches",
        )


def _tenants(settings: Settings) -> Iterator[Breach]:
    if len(settings.metrics.tenants) > settings.metrics.tenant_limit:
        yield Breach(
            ("metrics.tenants", "metrics.tenant_limit"),
            f"names {len(settings.metrics.tenants)} tenants, more than metrics.tenant_limit ({settings.metrics.tenant_limit})",
            "raise the limit",
        )


def _s3(settings: Settings) -> Iterator[Breach]:
    if settings.models.s3_endpoint_url is not None and not settings.models.store.startswith("s3:"):
        yield Breach(
            ("models.s3_endpoint_url", "models.store"),
            "has no effect while models.store is a directory",
            "set models.store to s3://BUCKET/PREFIX, or remove it",
        )


_RULES: tuple[Callable[[Settings], Iterator[Breach]], ...] = (
    _guarantee,
    _topics,
    _sasl,
    _tls,
    _registry,
    _schemas,
    _batch,
    _tenants,
    _s3,
)
