"""What alembic runs; the connection, with its transaction already begun, comes from `migrate`."""

from __future__ import annotations

from alembic import context

from streamproc.models.sql.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
