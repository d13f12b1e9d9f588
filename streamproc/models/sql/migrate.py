"""Brings a database's tables up to what the code expects, whoever else starts at the same time."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from streamproc.errors import ConfigurationError

HEAD = "0001"
"""The newest migration."""
KNOWN = frozenset({HEAD})
"""Every migration up to it."""
_LOCK = 0x73_74_72_65_61_6D  # "stream": the number of the advisory lock


def is_current(connection: Connection) -> bool:
    """The tables are those of this version; asks only, and takes no lock.

    Raises:
        ConfigurationError: a newer version has changed the database.

    """
    if not inspect(connection).has_table("alembic_version"):
        return False
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
    unknown = [version for version in found if version not in KNOWN]
    if unknown:
        raise ConfigurationError(
            f"models.database_url: the registry is at schema version {unknown[0]}, and this release knows versions up to "
            f"{HEAD}: a newer release has upgraded it; run that one, or restore the database from before"
        )
    return found == [HEAD]


def upgrade(connection: Connection) -> None:
    """Run what is missing, once, in the transaction that has begun.

    Of several processes one does it and the others wait: in PostgreSQL at an advisory lock, in SQLite at the transaction's own.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK})
    if is_current(connection):
        return
    from alembic import command  # noqa: PLC0415 - a third of a second of imports that a current database does not need
    from alembic.config import Config  # noqa: PLC0415 - as above

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
