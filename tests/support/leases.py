"""Leases of replicas in one process, which tests renew and let run out."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from sqlalchemy import update

from app.db.database import Database, is_postgres
from app.db.postgres import connector
from app.replicas.dedicated_connection import DedicatedConnection
from app.replicas.lease import RENEW_SECONDS, Lease
from app.replicas.postgres_lease import PostgresLease, Replica
from app.replicas.statements import DATABASE_TIME
from app.replicas.table import REPLICAS


@asynccontextmanager
async def lease_on(
    database: Database, url: str, monotonic: Callable[[], float] = lambda: 0.0
) -> AsyncIterator[Lease]:
    """The lease of one more process on a database, which nobody renews but the test."""
    if not is_postgres(url):
        yield Lease(database.process_name)
        return
    async with joined(database, url, monotonic) as lease:
        yield lease


@asynccontextmanager
async def joined(
    database: Database, url: str, monotonic: Callable[[], float]
) -> AsyncIterator[PostgresLease]:
    """The lease of one more process on Postgres, which nobody renews but the test."""
    connection = DedicatedConnection(connector(url, seconds=RENEW_SECONDS), seconds=RENEW_SECONDS)
    lease = PostgresLease(database, connection, Replica("http://replica.test", "1", ""), monotonic)
    await lease.join()
    database.process_locks = lease
    try:
        yield lease
    finally:
        connection.close()


async def die(database: Database) -> None:
    """End a process for the others: its lock is free, or its lease has run out."""
    if isinstance(database.process_locks, PostgresLease):
        await lapse(database, database.process_name)
    else:
        database.release_process_lock()


async def lapse(database: Database, name: str) -> None:
    """Let the lease of a process run out by the database's clock."""
    lapsed = update(REPLICAS).where(REPLICAS.c.holder == name).values(expires_at=DATABASE_TIME - 1)
    async with database.engine.begin() as connection:
        await connection.execute(lapsed)
