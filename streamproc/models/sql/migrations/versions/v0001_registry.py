"""The first tables: revision, artifacts, artifact_tenants, assignments, audit."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_SERIAL = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables, and the one row of the revision."""
    _make_artifacts()
    _make_assignments()
    counter = op.create_table(
        "revision",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("revision", sa.BigInteger, nullable=False),
        comment="One row. Each writing transaction increments it first, so that writers queue and revisions appear in order.",
    )
    op.bulk_insert(counter, [{"id": 1, "revision": 0}])


def _make_artifacts() -> None:
    op.create_table(
        "artifacts",
        sa.Column("model_id", sa.String(128), primary_key=True),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("format", sa.String(20), nullable=False),
        sa.Column("nbytes", sa.BigInteger, nullable=False),
        sa.Column("store_key", sa.String(300), nullable=False),
        sa.Column("feature_names", sa.JSON, nullable=False),
        sa.Column("output_kind", sa.String(20), nullable=False),
        sa.Column("classes", sa.JSON),
        sa.Column("n_columns", sa.Integer),
        sa.Column("libraries", sa.JSON, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(255), nullable=False),
        sa.UniqueConstraint("name", "version"),
        sa.UniqueConstraint("name", "digest"),
    )
    op.create_table(
        "artifact_tenants",
        sa.Column("model_id", sa.String(128), sa.ForeignKey("artifacts.model_id"), primary_key=True),
        sa.Column("tenant", sa.String(255), primary_key=True),
        comment="Whom an artifact belongs to; no row: anybody may be assigned to it.",
    )


def _make_assignments() -> None:
    op.create_table(
        "assignments",
        sa.Column("id", _SERIAL, primary_key=True),
        sa.Column("tenant", sa.String(255), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("model_id", sa.String(128), sa.ForeignKey("artifacts.model_id"), nullable=False),
        sa.Column("preceding_id", _SERIAL, sa.ForeignKey("assignments.id")),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(255), nullable=False),
        comment="Append-only; a tenant's newest row of a role holds. `preceding_id`: the row that a rollback restores.",
    )
    op.create_index("assignments_by_tenant", "assignments", ["tenant", "role", "id"])
    op.create_index("assignments_by_revision", "assignments", ["revision"])
    op.create_table(
        "audit",
        sa.Column("id", _SERIAL, primary_key=True),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(255), nullable=False),
        sa.Column("action", sa.String(20), nullable=False),
        sa.Column("tenant", sa.String(255)),
        sa.Column("before", sa.Text),
        sa.Column("after", sa.Text),
        comment="Append-only: who changed what, when, from what to what.",
    )
    op.create_index("audit_by_tenant", "audit", ["tenant", "id"])


def downgrade() -> None:
    """Nothing precedes these tables."""
    for table in ("audit", "assignments", "artifact_tenants", "artifacts", "revision"):
        op.drop_table(table)
