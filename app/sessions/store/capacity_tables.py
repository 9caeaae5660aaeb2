"""The tables in which several processes keep one state of capacity, with Postgres."""

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Float, Integer, String, Table

from app.db.database import METADATA

CAPACITY: Final = Table(
    "capacity",
    METADATA,
    # The table has one row, which is locked before any change of capacity.
    Column("id", Integer, primary_key=True, autoincrement=False),
    # Grows with each change of the line, by which the other processes notice it.
    Column("version", BigInteger, nullable=False),
    # The sessions that Kaltura allows, as far as known, until a time by the database's clock.
    Column("kaltura_sessions", Integer),
    Column("kaltura_until", Float),
)

OPENINGS: Final = Table(
    "openings",
    METADATA,
    Column("opening_id", String, primary_key=True),
    # `IdempotencyRecord.key` of the request, so that no other process opens a session for it.
    Column("origin_key", String, unique=True),
    # NULL once the owner got an error, while Kaltura may still open the session.
    Column("owner", String),
    Column("address", String),
    # From this time on, by the database's clock, Kaltura can't have opened the session any more.
    Column("expires_at", Float, nullable=False),
)

LINE: Final = Table(
    "line",
    METADATA,
    Column(
        "seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    ),
    # Ticket ids are derived from it and a key, so that no row opens a session.
    Column("nonce", String, nullable=False, unique=True),
    Column("ticket_key", String, nullable=False, unique=True),
    Column("owner", String, nullable=False),
    Column("address", String),
    # Times by the database's clock, in seconds since 1970.
    Column("last_seen_at", Float, nullable=False),
    Column("called_at", Float),
    Column("came_back", Boolean, nullable=False),
)
