"""Add the index that finds the last entry of an event in a session."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the index, unless it exists."""
    columns = ["session_id", "event", "id"]
    op.create_index("audit_of_session_and_event", "audit", columns, if_not_exists=True)
