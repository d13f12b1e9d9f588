"""The registry as the processor reads it."""

from __future__ import annotations

from typing import Self

from sqlalchemy import URL, Connection, Engine, select

from streamproc.errors import Reason, RecordError, Stage
from streamproc.models.base import AssignmentChanges, ModelInfo, ModelInfoRepository, Variant
from streamproc.models.catalog import Artifact
from streamproc.models.sql.database import Database
from streamproc.models.sql.rows import newest_assignment, owners, read_artifact
from streamproc.models.sql.tables import assignments
from streamproc.models.sql.tables import revision as revisions


class SQLAlchemyModelInfoRepository(ModelInfoRepository):
    """Tenants' assignments, and the catalog of artifacts, in SQLite or PostgreSQL.

    Connects at first use, and makes or upgrades the tables then. A context manager that closes the connections.
    """

    def __init__(self, database: Database | str | URL | Engine, default_model_id: str | None = None) -> None:
        """Compose; asks nobody yet.

        Args:
            database: or its URL, or an engine.
            default_model_id: for tenants without an assignment.

        Raises:
            ConfigurationError: not a URL of a database that can be used.

        """
        self._database = database if isinstance(database, Database) else Database(database)
        self._default_model_id = default_model_id

    def close(self) -> None:
        """Close the database's connections, also where it was given."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get_model_info(self, tenant: str) -> ModelInfo:
        """See `ModelInfoRepository`.

        Raises:
            RecordError: also `tenant_not_allowed`: the model, assigned or default, belongs to other tenants.

        """
        if "\0" in tenant:
            raise self._unknown()  # no database keeps such a text, so nobody is assigned by that name
        with self._database.reading() as connection:
            info = self._find(connection, tenant)
            allowed = owners(connection, [info.model_id]).get(info.model_id, (tenant,))
        if tenant not in allowed:
            text = f"model {info.model_id} belongs to other tenants; assign one of its own to this tenant"
            raise RecordError(Reason.TENANT_NOT_ALLOWED, Stage.ROUTE, text, model_id=info.model_id)
        return info

    def changes_since(self, revision: int) -> AssignmentChanges:
        """See `ModelInfoRepository`."""
        changed = select(assignments.c.tenant).where(assignments.c.revision > revision).distinct()
        with self._database.reading() as connection:
            # In this order: what commits in between is then named twice; in the other it would be missed.
            current = connection.execute(select(revisions.c.revision)).scalar_one()
            tenants = connection.execute(changed).scalars().all()
        return AssignmentChanges(current, tuple(tenants))

    def artifact(self, model_id: str) -> Artifact:
        """See `ModelCatalog`."""
        with self._database.reading() as connection:
            artifact = read_artifact(connection, model_id)
        if artifact is None:
            text = f"no model {model_id} is registered; publish it, or correct the assignment or models.default_model_id"
            raise RecordError(Reason.MODEL_MISSING, Stage.ROUTE, text, model_id=model_id)
        return artifact

    def _find(self, connection: Connection, tenant: str) -> ModelInfo:
        row = connection.execute(newest_assignment(tenant)).one_or_none()
        if row is not None:
            return ModelInfo(row.model_id, Variant.CHAMPION, row.revision)
        if self._default_model_id is None:
            raise self._unknown()
        return ModelInfo(self._default_model_id, Variant.FALLBACK)

    @staticmethod
    def _unknown() -> RecordError:
        text = "no model is assigned to the record's tenant; run streamproc models assign, or set models.default_model_id"
        return RecordError(Reason.TENANT_UNKNOWN, Stage.ROUTE, text)
