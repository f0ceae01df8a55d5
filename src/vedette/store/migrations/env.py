"""How Alembic runs our migrations: on the connection it is given, in its open transaction."""

from __future__ import annotations

from alembic import context

from vedette.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite changes tables by copying them; the same steps serve PostgreSQL.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
