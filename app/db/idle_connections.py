"""Checks of pooled connections that were idle, which the server may have closed meanwhile."""

import time
from typing import Any, Final

from sqlalchemy import Engine, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry

IDLE_SECONDS: Final = 1.0
"""A connection that was used within this time is taken as it is.

SQLAlchemy's own `pool_pre_ping` asks the server three times before each transaction, which is a
third of what a small one costs.
"""

_USED_AT: Final = "used_at"


def check_idle_connections(engine: Engine) -> None:
    """Replace a connection that does not answer after `IDLE_SECONDS` without use."""

    def note(_connection: Any, entry: ConnectionPoolEntry) -> None:
        entry.info[_USED_AT] = time.monotonic()

    def check(connection: Any, entry: ConnectionPoolEntry, _fairy: Any) -> None:
        now = time.monotonic()
        if now - entry.info.get(_USED_AT, now) < IDLE_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise DisconnectionError from error  # the pool opens another one

    event.listen(engine, "checkin", note)
    event.listen(engine, "checkout", check)
