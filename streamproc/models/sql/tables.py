"""The registry's tables as the code expects them; `migrations` makes them."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()
_serial = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by itself only where the type is INTEGER

revision = Table(
    "revision",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("revision", BigInteger, nullable=False),
    comment="One row. Each writing transaction increments it first, so that writers queue and revisions appear in order.",
)

artifacts = Table(
    "artifacts",
    metadata,
    Column("model_id", String(128), primary_key=True),
    Column("name", String(100), nullable=False),
    Column("version", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("format", String(20), nullable=False),
    Column("nbytes", BigInteger, nullable=False),
    Column("store_key", String(300), nullable=False),
    Column("feature_names", JSON, nullable=False),
    Column("output_kind", String(20), nullable=False),
    Column("classes", JSON),
    Column("n_columns", Integer),
    Column("libraries", JSON, nullable=False),
    Column("description", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("created_by", String(255), nullable=False),
    UniqueConstraint("name", "version"),
    UniqueConstraint("name", "digest"),
)

artifact_tenants = Table(
    "artifact_tenants",
    metadata,
    Column("model_id", ForeignKey("artifacts.model_id"), primary_key=True),
    Column("tenant", String(255), primary_key=True),
    comment="Whom an artifact belongs to; no row: anybody may be assigned to it.",
)

assignments = Table(
    "assignments",
    metadata,
    Column("id", _serial, primary_key=True),
    Column("tenant", String(255), nullable=False),
    Column("role", String(20), nullable=False),
    Column("model_id", ForeignKey("artifacts.model_id"), nullable=False),
    Column("preceding_id", ForeignKey("assignments.id")),
    Column("revision", BigInteger, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("created_by", String(255), nullable=False),
    Index("assignments_by_tenant", "tenant", "role", "id"),
    Index("assignments_by_revision", "revision"),
    comment="Append-only; a tenant's newest row of a role holds. `preceding_id`: the row that a rollback restores.",
)

audit = Table(
    "audit",
    metadata,
    Column("id", _serial, primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("created_by", String(255), nullable=False),
    Column("action", String(20), nullable=False),
    Column("tenant", String(255)),
    Column("before", Text),
    Column("after", Text),
    Index("audit_by_tenant", "tenant", "id"),
    comment="Append-only: who changed what, when, from what to what.",
)
