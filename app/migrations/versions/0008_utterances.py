"""Add the column for the utterances of a session that was handed over."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the column, unless an upgrade that was cut off has done so."""
    columns = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("sessions")}
    if "utterances" not in columns:
        op.add_column("sessions", sa.Column("utterances", sa.LargeBinary))
