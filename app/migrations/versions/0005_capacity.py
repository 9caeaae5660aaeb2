"""Create the tables of a capacity that several processes share."""

import sqlalchemy as sa
from alembic import op

from app.migrations.indexes import create_index

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create the tables and the column, unless an upgrade that was cut off has done so."""
    op.create_table(
        "capacity",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("kaltura_sessions", sa.Integer),
        sa.Column("kaltura_until", sa.Float),
        if_not_exists=True,
    )
    op.create_table(
        "openings",
        sa.Column("opening_id", sa.String, primary_key=True),
        sa.Column("origin_key", sa.String, unique=True),
        sa.Column("owner", sa.String),
        sa.Column("address", sa.String),
        sa.Column("expires_at", sa.Float, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "line",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("nonce", sa.String, nullable=False, unique=True),
        sa.Column("ticket_key", sa.String, nullable=False, unique=True),
        sa.Column("owner", sa.String, nullable=False),
        sa.Column("address", sa.String),
        sa.Column("last_seen_at", sa.Float, nullable=False),
        sa.Column("called_at", sa.Float),
        sa.Column("came_back", sa.Boolean, nullable=False),
        if_not_exists=True,
    )
    columns = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("sessions")}
    if "address" not in columns:
        op.add_column("sessions", sa.Column("address", sa.String))
    create_index("sessions_of_origin", "sessions", ["origin_key"])
