"""The connection that migrates Postgres: one process at a time has it, and no statement is bounded.

Building an index can take many times as long as any statement of a running broker may.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from app.config.sources import SettingsError
from app.db.postgres import Connect

WAIT_SECONDS: Final = 30 * 60
"""How long a start waits for the migration of another process."""

POLL_SECONDS: Final = 1.0

_UNBOUNDED: Final = text(
    "SELECT set_config(name, '0', false) FROM pg_settings WHERE name IN ("
    "'statement_timeout', 'lock_timeout', 'transaction_timeout', "
    "'idle_session_timeout', 'idle_in_transaction_session_timeout')"
)
"""Takes away the bounds that the server, the database or the user has set."""

_TRY_LOCK: Final = text("SELECT pg_try_advisory_lock(2)")
"""The attempt to lock; asked again and again, as a statement that waits has a snapshot.

`CREATE INDEX CONCURRENTLY` waits for every older snapshot, so it and a waiting process would wait
for each other.
"""

log = structlog.get_logger(__name__)


@contextlib.asynccontextmanager
async def migrating(
    connect: Connect,
    *,
    wait_seconds: float = WAIT_SECONDS,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncIterator[AsyncConnection]:
    """A connection that holds the lock of migrations; closing it releases the lock.

    Its statements commit by themselves. Raises `SettingsError` when another process holds the lock
    for `wait_seconds`.
    """
    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.execute(_UNBOUNDED)
        await connection.commit()
        waited = 0.0
        while not await _has_locked(connection):
            if not waited:
                log.info("another process is migrating the database: waiting for it")
            if waited >= wait_seconds:
                raise SettingsError(
                    "DATABASE_URL: another process has been migrating the tables for "
                    f"{wait_seconds / 60:.0f} minutes: look at its log, and start again when it "
                    "is done"
                )
            await sleep(POLL_SECONDS)
            waited += POLL_SECONDS
        yield connection


async def _has_locked(connection: AsyncConnection) -> bool:
    locked = bool(await connection.scalar(_TRY_LOCK))
    await connection.commit()
    return locked
