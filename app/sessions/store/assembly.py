"""Chooses how sessions are stored: for one process, or for several on one Postgres."""

from cryptography.fernet import MultiFernet

from app.db.database import POSTGRES, Database
from app.replicas.lease import Lease
from app.sessions.clock import SessionClock
from app.sessions.store.repository import SessionRepository


def session_store(
    database: Database, keys: MultiFernet, *, base_url: str, clock: SessionClock, lease: Lease
) -> SessionRepository:
    """The store for a database; that for Postgres is loaded only there, as its driver is slow."""
    if database.engine.dialect.name != POSTGRES:
        return SessionRepository(database, keys, base_url=base_url, clock=clock)
    from app.replicas.postgres_lease import PostgresLease  # noqa: PLC0415 - see above
    from app.sessions.store.shared_repository import SharedSessionRepository  # noqa: PLC0415

    assert isinstance(lease, PostgresLease)  # noqa: S101 - `lease_of` gives it for Postgres
    return SharedSessionRepository(database, keys, base_url=base_url, clock=clock, lease=lease)
