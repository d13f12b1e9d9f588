"""A database as the registry uses it: transactions that queue, errors by their remedy, tables that are there."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    NoSuchModuleError,
    OperationalError,
    ProgrammingError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import StaticPool

from streamproc.errors import ConfigurationError, TransientError
from streamproc.models.sql.migrate import is_current, upgrade

_BUSY_SECONDS = 10
_WRITING = "streamproc_writing"
_POSTGRESQL: dict[str, Any] = {  # settings of libpq
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 15_000,
    "application_name": "streamproc",
}


class Database:
    """SQLite or PostgreSQL. Connects at first use and upgrades the tables then; safe to be used by several threads.

    Who made it closes it.
    """

    def __init__(self, url_or_engine: str | URL | Engine) -> None:
        """Make an engine; asks nobody yet.

        Args:
            url_or_engine: `sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST/DATABASE`, or an engine of one's own.

        Raises:
            ConfigurationError: not a URL of a database that can be used.

        """
        self._engine = url_or_engine if isinstance(url_or_engine, Engine) else _engine(url_or_engine)
        if self._engine.dialect.name == "sqlite" and not event.contains(self._engine, "begin", _begin_sqlite):
            event.listen(self._engine, "connect", _connect_sqlite)
            event.listen(self._engine, "begin", _begin_sqlite)
        self._upgrading = threading.Lock()
        self._is_current = False

    @classmethod
    def to_read(cls, url: str) -> Database:
        """The database for who only reads: a SQLite file that isn't there reads as an empty registry, and isn't made.

        Raises:
            ConfigurationError: as the constructor.

        """
        database = cls(url)
        file = str(database._engine.url.database)
        if database._engine.dialect.name != "sqlite" or file.startswith("file:") or Path(file).exists():
            return database
        database.close()
        return cls(create_engine("sqlite://", poolclass=StaticPool))  # in memory, and one connection: the same for each query

    @property
    def name(self) -> str:
        """Where the database is, without user and password."""
        url = self._engine.url
        place = url.database or ""
        if url.host:
            place = f"{url.host}{f':{url.port}' if url.port else ''}/{place}"
        return f"{url.get_backend_name()}:{place}"

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection to read with.

        Raises:
            TransientError: the database does not answer; names it.
            ConfigurationError: it is not the registry's, or a newer release's.

        """
        self._ensure_current()
        with self._translated(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that commits when the block ends and rolls back when it raises.

        Raises:
            TransientError: the database does not answer; names it. Nothing was written, unless it went away during the commit.
            ConfigurationError: it is not the registry's, or a newer release's.

        """
        self._ensure_current()
        with self._translated(), self._begin_writing() as connection:
            yield connection

    def close(self) -> None:
        """Close all connections; those in use are closed when their block ends. A later use connects anew."""
        self._engine.dispose()

    def _ensure_current(self) -> None:
        if self._is_current:
            return
        with self._upgrading, self._translated():
            if self._is_current:
                return
            with self._engine.connect() as connection:
                current = is_current(connection)
            if not current:
                self._upgrade()
            self._is_current = True

    def _upgrade(self) -> None:
        if self._engine.dialect.name == "sqlite":
            _let_readers_go_on(self._engine)
        with self._begin_writing() as connection:
            upgrade(connection)

    @contextmanager
    def _begin_writing(self) -> Iterator[Connection]:
        with self._engine.connect().execution_options(**{_WRITING: True}) as connection, connection.begin():
            yield connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (OperationalError, InterfaceError, PoolTimeoutError) as error:
            raise TransientError(
                f"the model registry {self.name} does not answer ({_kind(error)}); {self._remedy()}"
            ) from error
        except ProgrammingError as error:
            raise ConfigurationError(
                f"models.database_url: {self.name} refuses what the registry asks ({_kind(error)}); use a database of its own, "
                "with rights to create tables at an upgrade and to read and write them"
            ) from error
        except DBAPIError as error:
            if error.connection_invalidated:
                raise TransientError(f"the model registry {self.name} has gone away ({_kind(error)})") from error
            if type(error).__name__ == "DatabaseError":
                raise ConfigurationError(f"models.database_url: {self.name} is not a database that can be read") from error
            raise

    def _remedy(self) -> str:
        if self._engine.dialect.name == "sqlite":
            return "check that this user may write to the file and to its directory, also to read from it"
        return "check that it is up and reachable, and that models.database_url has the right user and password"


def _kind(error: SQLAlchemyError) -> str:
    """The class of the driver's own error: its text may hold what must not be shown."""
    return type(getattr(error, "orig", None) or error).__name__


def _engine(url_or_text: str | URL) -> Engine:
    try:
        url = make_url(url_or_text)
        if url.drivername in ("postgresql", "postgres"):
            url = url.set(drivername="postgresql+psycopg")
        _check(url)
        if url.get_backend_name() == "sqlite":
            return create_engine(url, connect_args={"timeout": _BUSY_SECONDS})
        return create_engine(url, pool_pre_ping=True, pool_timeout=10, pool_size=5, connect_args=_POSTGRESQL)
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise ConfigurationError(
            "models.database_url: expected sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE, found neither"
        ) from error
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "models.database_url: PostgreSQL needs psycopg: pip install 'streamproc[postgresql]'"
        ) from error


def _check(url: URL) -> None:
    if url.drivername not in ("sqlite", "sqlite+pysqlite", "postgresql+psycopg"):
        raise ConfigurationError(f"models.database_url: expected sqlite or postgresql, found {url.drivername}")
    if url.get_backend_name() == "postgresql":
        return
    if url.database in (None, "", ":memory:"):
        raise ConfigurationError("models.database_url: a SQLite database in memory is another one for each thread; name a file")
    folder = Path(str(url.database)).parent
    if not str(url.database).startswith("file:") and not folder.is_dir():
        raise ConfigurationError(f"models.database_url: the directory {folder} does not exist; create it, or name another file")


def _let_readers_go_on(engine: Engine) -> None:
    """Readers and a writer don't wait for each other from now on: a property of the file, not possible within a transaction.

    Another process that is about to do the same may hold the file; then it is left to that one.
    """
    connection = engine.raw_connection()
    try:
        with suppress(engine.dialect.loaded_dbapi.OperationalError):
            connection.cursor().execute("PRAGMA journal_mode = WAL")
    finally:
        connection.close()


def _connect_sqlite(connection: Any, record: object) -> None:  # noqa: ANN401 - a connection of the driver
    """Leave transactions to `_begin_sqlite`: the driver would begin them late, and as readers."""
    del record
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute(f"PRAGMA busy_timeout = {1000 * _BUSY_SECONDS}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    """A writer takes the lock at its start: one that began as a reader could not wait for it."""
    writing = connection.get_execution_options().get(_WRITING)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
