"""Joins this process to the replicas at its start, with a lease and data about itself."""

import contextlib
import hashlib
import ipaddress
import json
from collections.abc import AsyncIterator, Callable
from typing import Final

import structlog
from sqlalchemy import select

from app.config.settings import Settings
from app.db.database import Database, is_postgres
from app.replicas.lease import Lease
from app.replicas.statements import DATABASE_TIME, IS_ALIVE
from app.replicas.table import REPLICAS

log = structlog.get_logger(__name__)

OF_ONE_PROCESS: Final = {"host", "port", "replica_url", "web_concurrency", "log_level"}
"""Settings in which replicas may differ."""


@contextlib.asynccontextmanager
async def lease_of(
    settings: Settings,
    database: Database,
    *,
    version: str,
    listening_at: tuple[str, int] | None,
    monotonic: Callable[[], float],
) -> AsyncIterator[Lease]:
    """Hold this process's lease during the block; with SQLite there is nothing to hold.

    `listening_at` is the address and port at which the process listens, by default those of the
    settings. Raises `SettingsError` when Postgres can't be used.
    """
    if not is_postgres(settings.database_url):
        yield Lease(database.process_name)
        return
    from app.replicas.postgres_lease import (  # noqa: PLC0415 - its driver takes long to load
        Replica,
        postgres_lease,
    )

    digest = settings_hash(settings)

    def replica(towards_postgres: str) -> Replica:
        at = listening_at or (settings.host, settings.port)
        url = settings.replica_url or own_url(*at, towards_postgres)
        return Replica(url, version, digest)

    async with postgres_lease(database, settings.database_url, replica, monotonic) as lease:
        await _warn_of_other_settings(database, digest)
        yield lease


async def _warn_of_other_settings(database: Database, digest: str) -> None:
    """Warn of replicas that run with other settings, such as other limits."""
    other = select(REPLICAS.c.url).where(
        REPLICAS.c.settings_hash != digest,
        IS_ALIVE,
        REPLICAS.c.expires_at > DATABASE_TIME,
    )
    if found := await database.read(other.order_by(REPLICAS.c.url)):
        log.warning(
            "other replicas have other settings: give all the same, or what a visitor may do "
            "depends on which of them is asked",
            others=[row.url for row in found],
        )


def own_url(host: str, port: int, towards_postgres: str) -> str:
    """The URL at which others reach a process that listens at `host`, perhaps a wildcard."""
    with contextlib.suppress(ValueError):  # the name of a host
        host = towards_postgres if ipaddress.ip_address(host).is_unspecified else host
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def settings_hash(settings: Settings) -> str:
    """A digest of the settings that all replicas should share; it has no part of a secret."""
    shared = settings.model_dump(mode="json", exclude=OF_ONE_PROCESS)
    return hashlib.sha256(json.dumps(shared, sort_keys=True).encode()).hexdigest()[:16]
