"""Add the index that finds the last entry of an event in a session."""

from app.migrations.indexes import create_index

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the index, unless it exists."""
    create_index("audit_of_session_and_event", "audit", ["session_id", "event", "id"])
