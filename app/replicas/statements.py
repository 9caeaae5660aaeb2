"""SQL of several modules: the database's clock, living replicas, and notifications."""

from typing import Final

from sqlalchemy import ColumnElement, Connection, Float, cast, func, select

from app.replicas.table import REPLICAS, ReplicaState

DATABASE_TIME: Final[ColumnElement[float]] = cast(
    func.extract("epoch", func.clock_timestamp()), Float
)
"""The database's clock, by which leases run out, in seconds since 1970."""

IS_ALIVE: Final = REPLICAS.c.state != ReplicaState.DEAD.value
"""The condition that a replica has not been declared dead."""


def notify(connection: Connection, channel: str, payload: str = "") -> None:
    """Notify a channel's listeners when the transaction is committed."""
    connection.execute(select(func.pg_notify(channel, payload)))
