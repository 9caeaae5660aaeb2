"""The script that alembic runs: it migrates on the connection that `prepare` passes."""

from alembic import context

from app.db.database import METADATA
from app.migrations import PRESENT

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=PRESENT.name,
    transaction_per_migration=True,  # what has been built is kept when a later one is cut off
    render_as_batch=True,  # SQLite can't alter most properties of a table in place
)
with context.begin_transaction():
    context.run_migrations()
