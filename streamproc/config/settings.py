"""Every setting: its name, type, default and meaning, declared once.

The README's table, `config schema` and the messages about wrong values are made from these declarations. What no single
setting can know about itself is in `rules`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from streamproc.config.fields import (
    Count,
    DatabaseUrl,
    FieldPath,
    HttpUrl,
    Librdkafka,
    Lowered,
    Password,
    PlainUrl,
    Raised,
    Scores,
    Seconds,
    SecretUrl,
    Servers,
    Store,
    Text,
    Topic,
)
from streamproc.errors import ConfigurationError

SchemaId = Annotated[int, Field(ge=0, lt=2**31)]


class Section(BaseModel):
    """A group of settings; frozen, and closed to names that it doesn't declare."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SecuritySettings(Section):
    """How Kafka clients prove who they are."""

    protocol: Annotated[Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"], Lowered] = Field(
        default="plaintext", description="How to talk to the brokers."
    )
    mechanism: Annotated[
        Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "GSSAPI"] | None,
        Raised,
    ] = Field(default=None, description="The SASL mechanism; the settings of the last two go into `kafka.client`.")
    username: Text | None = Field(default=None, description="The SASL user.")
    password: Password | None = Field(default=None, description="The SASL password.")
    password_file: Path | None = Field(default=None, description="A file that holds the SASL password instead.")
    ca_file: Path | None = Field(default=None, description="The CA certificates (PEM) to trust; null: the system's.")
    cert_file: Path | None = Field(default=None, description="The client's certificate (PEM).")
    key_file: Path | None = Field(default=None, description="The client's private key (PEM).")

    def read_password(self) -> SecretStr | None:
        """The password, from the file where one is named; a newline at its end is not part of it.

        Raises:
            ConfigurationError: the file can't be read or is empty.

        """
        if self.password_file is None:
            return self.password
        try:
            password = self.password_file.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(
                f"kafka.security.password_file: {self.password_file} can't be read ({type(error).__name__}); "
                "name a readable UTF-8 file"
            ) from error
        if not password:
            raise ConfigurationError(f"kafka.security.password_file: {self.password_file} is empty; it must hold the password")
        return SecretStr(password)


class KafkaSettings(Section):
    """Where records come from and go to."""

    bootstrap_servers: Servers = Field(
        default="localhost:9092", description="The brokers to ask first, `host:port`, joined by commas."
    )
    group_id: Text = Field(default="streamproc", description="The consumer group; its replicas share the partitions.")
    group_protocol: Literal["classic", "consumer"] = Field(
        default="classic", description="`classic` (cooperative-sticky) or `consumer` (KIP-848)."
    )
    transactional_id: Text | None = Field(
        default=None, description="With `guarantee: exactly_once`; null: a random one, kept for the life of the process."
    )
    input_topics: tuple[Topic, ...] = Field(default=("events",), min_length=1, description="The topics to read.")
    output_topic: Topic = Field(default="predictions", description="The topic for predictions.")
    dead_letter_topic: Topic = Field(
        default="events.dead-letters", description="The topic for records that can't be predicted."
    )
    auto_offset_reset: Literal["earliest", "latest", "error"] = Field(
        default="earliest", description="Where to begin; only where the group has no committed offset."
    )
    security: SecuritySettings = SecuritySettings()
    client: Librdkafka = Field(default={}, repr=False, description="Further librdkafka settings for every client.")
    consumer: Librdkafka = Field(default={}, repr=False, description="Further librdkafka settings for the consumer.")
    producer: Librdkafka = Field(default={}, repr=False, description="Further librdkafka settings for the producer.")


class BatchSettings(Section):
    """How much is done in one pass of the loop."""

    max_records: Count = Field(default=10_000, description="The most records in one batch.")
    max_bytes: Count = Field(
        default=64 * 2**20, description="The most bytes of record values in one batch; one record may pass it."
    )
    max_seconds: Seconds = Field(default=5.0, description="The longest that one batch may hold up the others in this replica.")
    linger_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        default=0.0, description="How long to wait for more after the first record."
    )


class SchemaSettings(Section):
    """One writer's schema of the input, and how the schema of its output is named in the frame."""

    id: SchemaId | None = Field(default=None, description="The id in the frame of input records.")
    guid: UUID | None = Field(default=None, description="The GUID in the header of input records.")
    file: Path = Field(description="The Avro schema (.avsc).")
    output_id: SchemaId | None = Field(default=None, description="The id to frame output records with.")
    output_guid: UUID | None = Field(default=None, description="The GUID to head output records with.")


class RegistrySettings(Section):
    """A Confluent-compatible schema registry."""

    url: HttpUrl = Field(description="Its address.")
    username: Text | None = Field(default=None, description="For basic authentication.")
    password: Password | None = Field(default=None, description="For basic authentication.")


class AvroSettings(Section):
    """How record values are framed and which schemas they have."""

    framing: Literal["confluent", "single_object", "raw"] = Field(
        default="confluent",
        description="`confluent`: byte 0 + 4-byte id, or the GUID header; `single_object`; `raw`: exactly one schema.",
    )
    schemas: tuple[SchemaSettings, ...] = Field(
        default=(SchemaSettings(id=1, file=Path("schemas/event.avsc"), output_id=2),),
        description="Input schemas where there is no registry: `id`, `file`, `output_id` each; `guid`, `output_guid` for "
        "the header form; `raw` and `single_object` need `file` only.",
    )
    registry: RegistrySettings | None = Field(
        default=None, description="A schema registry: `url`, `username`, `password`; `schemas` stays empty then."
    )
    max_record_bytes: Count = Field(default=1_000_000, description="Larger records become dead letters.")


class RecordSettings(Section):
    """Which fields of a record mean something to the processor."""

    tenant_field: FieldPath = Field(default="tenant_id", description="The field that names the tenant; a dotted path.")
    event_time_field: FieldPath | None = Field(
        default=None, description="A timestamp field to measure latency from; null, or null in the record: its Kafka timestamp."
    )


class ModelSettings(Section):
    """Where models come from and what they may cost."""

    database_url: DatabaseUrl = Field(
        default=SecretUrl("sqlite:///streamproc.db"),
        description="The registry of models and assignments: SQLite or PostgreSQL.",
    )
    store: Store = Field(default="file:./models", description="The artifacts: `file:DIRECTORY` or `s3://BUCKET/PREFIX`.")
    s3_endpoint_url: PlainUrl | None = Field(default=None, description="The S3-compatible store's address; null: AWS.")
    formats: tuple[Literal["skops", "onnx", "joblib", "pickle"], ...] = Field(
        default=("skops",),
        min_length=1,
        description="The formats that are loaded. Pickle and joblib run code from the artifact.",
    )
    trusted_types: tuple[Text, ...] = Field(
        default=(), description="Types that skops may load, in addition to the list that `models formats` prints."
    )
    default_model_id: Text | None = Field(
        default=None, description="The model of tenants without an assignment; null: their records become dead letters."
    )
    scores: Scores = Field(default=True, description="Whether outputs carry class probabilities; N: the N highest.")
    cache_bytes: Count = Field(default=2**30, description="The memory for loaded models.")
    loader_threads: Count = Field(default=2, le=64, description="How many models load at the same time.")
    native_workers: Count = Field(default=1, le=256, description="Processes for models that aren't compiled.")
    predict_timeout_seconds: Seconds = Field(default=10.0, description="The longest that one such prediction may take.")
    max_wait_seconds: Seconds | None = Field(
        default=900.0, description="How long a tenant may wait for its model while others load; null: for ever."
    )
    refresh_seconds: Seconds = Field(default=5.0, description="How soon a changed assignment is served.")


class DeadLetterSettings(Section):
    """When so many records fail that the fault must be ours."""

    stop_share: Annotated[float, Field(gt=0, le=1)] | None = Field(
        default=0.5, description="Stop when more than this share of records fails, not of one tenant only; null: never."
    )
    over_records: Count = Field(default=1000, description="The number of latest records that the share is taken of.")


class HttpSettings(Section):
    """Where /metrics, /livez and /readyz answer."""

    host: Text = Field(default="127.0.0.1", description="The address to listen on; `0.0.0.0` in a container.")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(default=9108, description="The port; 0: a free one, logged.")


class MetricsSettings(Section):
    """How many series there may be."""

    tenant_limit: Annotated[int, Field(ge=0)] = Field(
        default=50, description="Tenants with a series of their own; the rest is `__other__`."
    )
    tenants: tuple[Text, ...] = Field(default=(), description="Tenants that have one for sure; then first come.")


class LogSettings(Section):
    """What is written to stderr."""

    level: Annotated[Literal["debug", "info", "warning", "error"], Lowered] = Field(
        default="info", description="The least level."
    )
    format: Annotated[Literal["auto", "console", "json"], Lowered] = Field(
        default="auto", description="`auto`: console on a terminal, JSON lines otherwise."
    )


class Settings(Section):
    """All settings of streamproc. Made by `load_settings`, which also applies the rules between settings."""

    kafka: KafkaSettings = KafkaSettings()
    guarantee: Literal["at_least_once", "exactly_once"] = Field(
        default="at_least_once", description="How often a record's output may appear; `exactly_once` is not available yet."
    )
    commit_interval_seconds: Seconds = Field(default=1.0, description="How often finished work is committed.")
    shutdown_timeout_seconds: Seconds = Field(default=8.0, description="How long SIGTERM may take; below Docker's 10 s.")
    batch: BatchSettings = BatchSettings()
    avro: AvroSettings = AvroSettings()
    records: RecordSettings = RecordSettings()
    models: ModelSettings = ModelSettings()
    dead_letters: DeadLetterSettings = DeadLetterSettings()
    http: HttpSettings = HttpSettings()
    metrics: MetricsSettings = MetricsSettings()
    log: LogSettings = LogSettings()
