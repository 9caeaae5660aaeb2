"""Create the table of sessions."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the table and its indexes, unless an upgrade that was cut off has done so."""
    op.create_table(
        "sessions",
        sa.Column("session_id", sa.String, primary_key=True),
        sa.Column("opened_at", sa.Float, primary_key=True),
        sa.Column("holder", sa.String, nullable=False),
        sa.Column("base_url", sa.String, nullable=False),
        sa.Column("owner", sa.String, nullable=False),
        sa.Column("origin_key", sa.String),
        sa.Column("origin_wish", sa.String),
        sa.Column("expires_at", sa.Float, nullable=False),
        sa.Column("token_expires_at", sa.Float, nullable=False),
        sa.Column("last_moment", sa.String, nullable=False),
        sa.Column("seen", sa.Boolean, nullable=False),
        sa.Column("ready", sa.Boolean, nullable=False),
        sa.Column("sealed", sa.LargeBinary),
        sa.Column("ended", sa.String),
        sa.Column("ended_at", sa.Float),
        sa.Column("ended_upstream", sa.Boolean, nullable=False),
        if_not_exists=True,
    )
    for name, columns in (
        ("sessions_of_owner", ["owner", "opened_at"]),
        ("sessions_in_time", ["opened_at"]),
        ("sessions_left_open", ["ended_upstream", "holder"]),
    ):
        op.create_index(name, "sessions", columns, if_not_exists=True)
