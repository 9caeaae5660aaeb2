"""Create the table of rates that several processes count together."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Create the table, unless an upgrade that was cut off has done so."""
    op.create_table(
        "rates",
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("window", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("hits", sa.Integer, nullable=False),
        sa.Column("began_at", sa.Float, nullable=False),
        if_not_exists=True,
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE rates SET UNLOGGED")
