"""Create the audit table."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the table and its indexes, unless an upgrade that was cut off has done so."""
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("event", sa.String, nullable=False),
        sa.Column("request_id", sa.String),
        sa.Column("session_id", sa.String),
        sa.Column("visitor", sa.String),
        sa.Column("outcome", sa.String, nullable=False),
        sa.Column("upstream_status", sa.Integer),
        sa.Column("duration_ms", sa.Float),
        sa.Column("text", sa.Text),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("once", sa.String, unique=True),
        sa.Column("holder", sa.String, nullable=False),
        if_not_exists=True,
    )
    for name, columns in (
        ("audit_in_time", ["at"]),
        ("audit_of_session", ["session_id", "id"]),
        ("audit_of_visitor", ["visitor", "id"]),
        ("audit_of_event", ["event", "id"]),
        ("audit_of_visitor_and_event", ["visitor", "event", "id"]),
    ):
        op.create_index(name, "audit", columns, if_not_exists=True)
