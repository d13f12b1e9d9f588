"""Rows to values and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, select

from streamproc.models.base import OutputKind
from streamproc.models.catalog import Artifact, NewArtifact
from streamproc.models.sql.tables import artifact_tenants, artifacts, assignments

CHAMPION = "champion"
"""The role of an assignment; others will share the table."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """A tenant got a model: one line of its history."""

    tenant: str
    model_id: str
    revision: int
    created_at: datetime
    """Aware, in UTC."""
    created_by: str


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Somebody changed something."""

    revision: int
    created_at: datetime
    """Aware, in UTC."""
    created_by: str
    action: str
    """publish, assign or rollback."""
    tenant: str | None
    before: str | None
    """The tenant's former model id; None: it had none."""
    after: str | None
    """The model id that is assigned or was published."""


def utc(moment: datetime) -> datetime:
    """SQLite forgets the zone; what is written is always UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def newest_assignment(tenant: str) -> Select[Any]:  # columns of several types
    """The row that holds for the tenant."""
    return (
        select(assignments)
        .where(assignments.c.tenant == tenant, assignments.c.role == CHAMPION)
        .order_by(assignments.c.id.desc())
        .limit(1)
    )


def owners(connection: Connection, model_ids: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    """Model id → the tenants that it belongs to, sorted; those that belong to nobody are not there."""
    query = select(artifact_tenants).where(artifact_tenants.c.model_id.in_(model_ids))
    found: dict[str, list[str]] = {}
    for row in connection.execute(query):
        found.setdefault(row.model_id, []).append(row.tenant)
    return {model_id: tuple(sorted(tenants)) for model_id, tenants in found.items()}


def read_artifact(connection: Connection, model_id: str) -> Artifact | None:
    """The registered artifact, if there is one."""
    row = connection.execute(select(artifacts).where(artifacts.c.model_id == model_id)).one_or_none()
    return None if row is None else artifact_of(row, owners(connection, [model_id]).get(model_id, ()))


def artifact_of(row: Row[Any], tenants: tuple[str, ...]) -> Artifact:  # columns of several types
    """A row of the table of artifacts as a value."""
    content = NewArtifact(
        name=row.name,
        digest=row.digest,
        format=row.format,
        nbytes=row.nbytes,
        store_key=row.store_key,
        feature_names=tuple(row.feature_names),
        output_kind=OutputKind(row.output_kind),
        classes=None if row.classes is None else tuple(row.classes),
        n_columns=row.n_columns,
        libraries=row.libraries,
        description=row.description,
    )
    return Artifact(row.model_id, row.version, content, utc(row.created_at), row.created_by, tenants)


def columns_of(content: NewArtifact) -> dict[str, Any]:  # values of several types
    """The columns that describe an artifact's content."""
    return {
        "name": content.name,
        "digest": content.digest,
        "format": content.format,
        "nbytes": content.nbytes,
        "store_key": content.store_key,
        "feature_names": list(content.feature_names),
        "output_kind": content.output_kind.value,
        "classes": None if content.classes is None else list(content.classes),
        "n_columns": content.n_columns,
        "libraries": dict(content.libraries),
        "description": content.description,
    }
