"""The deletion of audit entries that are older than AUDIT_RETENTION_DAYS, in small batches."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, NoReturn

import structlog
from sqlalchemy import Connection, delete, select

from app.audit.schema import AUDIT
from app.db.database import Database
from app.problems import RecordUnavailable

EVERY_SECONDS: Final = 3600
BATCH: Final = 500
"""Entries deleted in one commit, which takes a few milliseconds."""

PAUSE_SECONDS: Final = 0.05
"""The pause between two commits, which leaves the database to visitors' calls."""

DAY_SECONDS: Final = 24 * 3600

log = structlog.get_logger(__name__)


class Retention:
    """Deletes old entries; a visitor's call waits for one batch at most."""

    def __init__(
        self,
        database: Database,
        *,
        days: int,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._database = database
        self._seconds = days * DAY_SECONDS
        self._clock = clock
        self._sleep = sleep

    async def run(self) -> NoReturn:
        """Delete old entries every `EVERY_SECONDS`, and go on after errors."""
        while True:
            try:
                await self.forget()
            except RecordUnavailable:
                pass  # the database has logged it; the next try is in an hour
            except Exception:
                log.exception("the record could not forget")
            await self._sleep(EVERY_SECONDS)

    async def forget(self) -> int:
        """Delete the entries that are too old, and return how many they were."""
        forgotten = 0
        while deleted := await self._database.write(self._forget_some):
            forgotten += deleted
            await self._sleep(PAUSE_SECONDS)
        if forgotten:
            log.info("the record forgot what is too old", entries=forgotten)
        return forgotten

    def _forget_some(self, connection: Connection) -> int:
        oldest = self._clock() - self._seconds
        old = select(AUDIT.c.id).where(AUDIT.c.at < oldest).limit(BATCH)
        return connection.execute(delete(AUDIT).where(AUDIT.c.id.in_(old))).rowcount
