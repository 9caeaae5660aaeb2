"""The table of replicas: the broker processes that share one Postgres."""

from enum import StrEnum
from typing import Final

from sqlalchemy import Column, Float, String, Table, Text

from app.db.database import METADATA


class ReplicaState(StrEnum):
    """The state of a replica: it takes new sessions, hands its sessions over, or is dead."""

    UP = "up"
    DRAINING = "draining"
    DEAD = "dead"


REPLICAS: Final = Table(
    "replicas",
    METADATA,
    # The random name of the process, which rows of other tables have in their column `holder`.
    Column("holder", String, primary_key=True),
    # The URL at which other replicas reach this one.
    Column("url", String, nullable=False),
    Column("version", String, nullable=False),
    Column("state", String, nullable=False),
    # By the database's clock, in seconds since 1970.
    Column("expires_at", Float, nullable=False),
    Column("settings_hash", String, nullable=False),
    # The stats of the replica, which the console shows, as JSON.
    Column("stats", Text, nullable=False),
)
