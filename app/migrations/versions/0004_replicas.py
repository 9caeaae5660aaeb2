"""Create the table of replicas."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the table, unless an upgrade that was cut off has done so."""
    op.create_table(
        "replicas",
        sa.Column("holder", sa.String, primary_key=True),
        sa.Column("url", sa.String, nullable=False),
        sa.Column("version", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("expires_at", sa.Float, nullable=False),
        sa.Column("settings_hash", sa.String, nullable=False),
        sa.Column("stats", sa.Text, nullable=False),
        if_not_exists=True,
    )
