"""Runs migrations on the connection that `prepare` gives (alembic calls this file)."""

from alembic import context

from app.db.database import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,  # SQLite changes hardly anything of a table in place
)
with context.begin_transaction():
    context.run_migrations()
