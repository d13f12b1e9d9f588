"""The registry as commands change it. Every change is one transaction, one revision and its audit entries."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Self

from sqlalchemy import URL, Connection, Engine, Row, func, insert, select, update

from streamproc.errors import RefusedError
from streamproc.models.catalog import Artifact, NewArtifact
from streamproc.models.sql.database import Database
from streamproc.models.sql.rows import (
    CHAMPION,
    Assignment,
    AuditEntry,
    artifact_of,
    columns_of,
    newest_assignment,
    owners,
    read_artifact,
    utc,
)
from streamproc.models.sql.tables import artifact_tenants, artifacts, assignments, audit
from streamproc.models.sql.tables import revision as revisions

_MAX_TENANT_BYTES = 255
_MAX_LISTED = 5


class ModelRegistry:
    """Registers artifacts and assigns them to tenants. Safe to be used by several processes at once.

    A context manager that closes the database's connections.
    """

    def __init__(
        self,
        database: Database | str | URL | Engine,
        *,
        actor: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Compose; asks nobody yet.

        Args:
            database: or its URL, or an engine.
            actor: who makes the changes, for the audit.
            now: aware.

        Raises:
            ConfigurationError: not a URL of a database that can be used.

        """
        self._database = database if isinstance(database, Database) else Database(database)
        self._actor = actor[:255]
        self._now = now

    def close(self) -> None:
        """Close the database's connections, also where it was given."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def publish(self, content: NewArtifact, tenants: Sequence[str] = ()) -> Artifact:
        """Register an artifact that is in the store, and assign it to the tenants.

        The same bytes under the same name are the same artifact. Publishing them again may add tenants to those that it belongs
        to, and never opens it to any other.

        Args:
            content: checked.
            tenants: they own it and get it; none: any tenant may be assigned to it, and nobody is.

        Raises:
            RefusedError: a tenant's name that no record can have.
            TransientError: the database does not answer.

        """
        for tenant in tenants:
            _check_tenant(tenant)
        with self._database.writing() as connection:
            revision = _next_revision(connection)
            same = select(artifacts.c.model_id).where(artifacts.c.name == content.name, artifacts.c.digest == content.digest)
            model_id = connection.execute(same).scalar_one_or_none()
            is_new = model_id is None
            if model_id is None:
                model_id = self._register(connection, revision, content)
            self._own(connection, model_id, tenants, is_new=is_new)
            for tenant in dict.fromkeys(tenants):
                self._assign(connection, revision, "assign", tenant, model_id)
            return _required(connection, model_id)

    def assign(self, tenant: str, model_id: str) -> int:
        """Let the model serve the tenant from now on.

        Returns:
            The revision of the tenant's assignment; the former one, where it has the model already.

        Raises:
            RefusedError: no such model, it belongs to other tenants, or a tenant's name that no record can have.
            TransientError: the database does not answer.

        """
        _check_tenant(tenant)
        with self._database.writing() as connection:
            revision = _next_revision(connection)
            artifact = _required(connection, model_id)
            if artifact.tenants and tenant not in artifact.tenants:
                raise RefusedError(
                    f"model {model_id} belongs to {_listed(artifact.tenants)} and can't be assigned to {tenant!r}; publish it "
                    "with that --tenant too"
                )
            return self._assign(connection, revision, "assign", tenant, model_id)

    def rollback(self, tenant: str) -> Assignment:
        """Restore the assignment that preceded the tenant's current one; called again, one further back.

        Raises:
            RefusedError: nothing precedes it.
            TransientError: the database does not answer.

        """
        with self._database.writing() as connection:
            revision = _next_revision(connection)
            current = connection.execute(newest_assignment(tenant)).one_or_none()
            if current is None or current.preceding_id is None:
                found = "no assignment" if current is None else f"only {current.model_id}, its first assignment"
                raise RefusedError(f"tenant {tenant!r} has {found}: there is nothing to roll back to; assign a model instead")
            former = connection.execute(select(assignments).where(assignments.c.id == current.preceding_id)).one()
            row = self._append(connection, revision, tenant, former.model_id, former.preceding_id)
            self._note(connection, revision, "rollback", tenant, current.model_id, former.model_id)
            return _assignment_of(row)

    def history(self, tenant: str) -> tuple[Assignment, ...]:
        """The tenant's assignments, newest first; rollbacks are assignments too."""
        query = select(assignments).where(assignments.c.tenant == tenant).order_by(assignments.c.id.desc())
        with self._database.reading() as connection:
            return tuple(map(_assignment_of, connection.execute(query)))

    def assignments(self) -> tuple[Assignment, ...]:
        """The assignment that holds for each tenant, by tenant."""
        newest = select(func.max(assignments.c.id)).where(assignments.c.role == CHAMPION).group_by(assignments.c.tenant)
        query = select(assignments).where(assignments.c.id.in_(newest)).order_by(assignments.c.tenant)
        with self._database.reading() as connection:
            return tuple(map(_assignment_of, connection.execute(query)))

    def list(self) -> tuple[Artifact, ...]:
        """Every artifact, by name and version."""
        with self._database.reading() as connection:
            rows = connection.execute(select(artifacts).order_by(artifacts.c.name, artifacts.c.version)).all()
            belongs: dict[str, list[str]] = {}
            for row in connection.execute(select(artifact_tenants).order_by(artifact_tenants.c.tenant)):
                belongs.setdefault(row.model_id, []).append(row.tenant)
        return tuple(artifact_of(row, tuple(sorted(belongs.get(row.model_id, ())))) for row in rows)

    def show(self, model_id: str) -> Artifact:
        """One artifact.

        Raises:
            RefusedError: there is none of this id.
            TransientError: the database does not answer.

        """
        with self._database.reading() as connection:
            return _required(connection, model_id)

    def audit(self, tenant: str | None = None) -> tuple[AuditEntry, ...]:
        """Who changed what, newest first; of one tenant or all."""
        query = select(audit).order_by(audit.c.id.desc())
        with self._database.reading() as connection:
            rows = connection.execute(query if tenant is None else query.where(audit.c.tenant == tenant)).all()
        return tuple(
            AuditEntry(row.revision, utc(row.created_at), row.created_by, row.action, row.tenant, row.before, row.after)
            for row in rows
        )

    def _register(self, connection: Connection, revision: int, content: NewArtifact) -> str:
        highest = connection.execute(select(func.max(artifacts.c.version)).where(artifacts.c.name == content.name)).scalar()
        version = (highest or 0) + 1
        model_id = f"{content.name}@{version}"
        row = {"model_id": model_id, "version": version, "created_at": self._now(), "created_by": self._actor}
        connection.execute(insert(artifacts).values(**row, **columns_of(content)))
        self._note(connection, revision, "publish", None, None, model_id)
        return model_id

    @staticmethod
    def _own(connection: Connection, model_id: str, tenants: Sequence[str], *, is_new: bool) -> None:
        present = owners(connection, [model_id]).get(model_id, ())
        if not is_new and not present:
            return  # it is open to any tenant, and stays so: others may have been assigned to it
        rows = [{"model_id": model_id, "tenant": tenant} for tenant in dict.fromkeys(tenants) if tenant not in present]
        if rows:
            connection.execute(insert(artifact_tenants), rows)

    def _assign(self, connection: Connection, revision: int, action: str, tenant: str, model_id: str) -> int:
        current = connection.execute(newest_assignment(tenant)).one_or_none()
        if current is not None and current.model_id == model_id:
            return int(current.revision)
        self._append(connection, revision, tenant, model_id, None if current is None else current.id)
        self._note(connection, revision, action, tenant, None if current is None else current.model_id, model_id)
        return revision

    def _append(
        self, connection: Connection, revision: int, tenant: str, model_id: str, preceding_id: int | None
    ) -> Row[Any]:  # columns of several types
        values = {
            "tenant": tenant,
            "role": CHAMPION,
            "model_id": model_id,
            "preceding_id": preceding_id,
            "revision": revision,
            "created_at": self._now(),
            "created_by": self._actor,
        }
        return connection.execute(insert(assignments).values(**values).returning(assignments)).one()

    def _note(
        self, connection: Connection, revision: int, action: str, tenant: str | None, before: str | None, after: str
    ) -> None:
        values = {"action": action, "tenant": tenant, "before": before, "after": after}
        who = {"revision": revision, "created_at": self._now(), "created_by": self._actor}
        connection.execute(insert(audit).values(**who, **values))


def _next_revision(connection: Connection) -> int:
    """The first statement of every writing transaction: those that come later wait here until this one is over."""
    query = update(revisions).values(revision=revisions.c.revision + 1).returning(revisions.c.revision)
    return int(connection.execute(query).scalar_one())


def _required(connection: Connection, model_id: str) -> Artifact:
    artifact = read_artifact(connection, model_id)
    if artifact is None:
        raise RefusedError(f"no model {model_id!r} is registered; streamproc models list shows what is")
    return artifact


def _assignment_of(row: Row[Any]) -> Assignment:  # columns of several types
    return Assignment(row.tenant, row.model_id, row.revision, utc(row.created_at), row.created_by)


def _check_tenant(tenant: str) -> None:
    """The rule that records' tenants are held to: another name could never be asked for."""
    try:
        size = len(tenant.encode())
    except UnicodeEncodeError:
        size = 0
    if not 0 < size <= _MAX_TENANT_BYTES or any(unicodedata.category(character) == "Cc" for character in tenant):
        raise RefusedError(
            f"{tenant[:50]!a} can't be a tenant: expected 1 to {_MAX_TENANT_BYTES} bytes of UTF-8 without control characters"
        )


def _listed(tenants: Sequence[str]) -> str:
    more = f" and {len(tenants) - _MAX_LISTED} more" if len(tenants) > _MAX_LISTED else ""
    return ", ".join(map(repr, tenants[:_MAX_LISTED])) + more
