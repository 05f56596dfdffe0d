"""How alembic reaches the database: by the connection that `Database.migrate` holds."""

from __future__ import annotations

from alembic import context

from pxl_platform.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
)
# The caller began the transaction and commits it: DDL is transactional in SQLite.
context.run_migrations()
