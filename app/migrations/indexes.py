"""Indexes that a migration adds to a table which running brokers write to, or takes from it."""

from collections.abc import Sequence
from typing import Final

from alembic import op
from sqlalchemy import text

from app.db.database import POSTGRES

_IS_INVALID: Final = text(
    "SELECT NOT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)"
)


def create_index(name: str, table: str, columns: Sequence[str]) -> None:
    """Create an index unless it exists; with Postgres writers go on meanwhile.

    Earlier steps of the migration are committed first. An index that was cut off while it was being
    built is built anew: Postgres keeps it, and does not use it.
    """
    context = op.get_context()
    if context.dialect.name != POSTGRES:
        op.create_index(name, table, columns, if_not_exists=True)
        return
    with context.autocommit_block():
        if op.get_bind().execute(_IS_INVALID, {"name": name}).scalar():
            op.drop_index(name, postgresql_concurrently=True)
        op.create_index(name, table, columns, if_not_exists=True, postgresql_concurrently=True)


def drop_index(name: str) -> None:
    """Drop an index if it exists; with Postgres readers and writers go on meanwhile."""
    context = op.get_context()
    if context.dialect.name != POSTGRES:
        op.drop_index(name, if_exists=True)
        return
    with context.autocommit_block():
        op.drop_index(name, if_exists=True, postgresql_concurrently=True)
