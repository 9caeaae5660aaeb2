"""Forgets what is older than AUDIT_RETENTION_DAYS, a little at a time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, NoReturn

import structlog
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.schema import AUDIT
from app.db.database import Database
from app.problems import RecordUnavailable

EVERY_SECONDS: Final = 3600
BATCH: Final = 500
"""Entries forgotten in one commit, which takes a few milliseconds."""

PAUSE_SECONDS: Final = 0.05
"""Between two commits, so that the calls of visitors come first."""

DAY_SECONDS: Final = 24 * 3600

log = structlog.get_logger(__name__)


class Retention:
    """Deletes entries when their days are over; no call waits for more than one batch of it."""

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
        """Forget every `EVERY_SECONDS`, whatever that runs into."""
        while True:
            try:
                await self.forget()
            except RecordUnavailable:
                pass  # the database has said so; an hour later it is tried again
            except Exception:
                log.exception("the record could not forget")
            await self._sleep(EVERY_SECONDS)

    async def forget(self) -> int:
        """Delete what is too old; how many entries that were."""
        forgotten = 0
        while deleted := await self._database.write(self._forget_some):
            forgotten += deleted
            await self._sleep(PAUSE_SECONDS)
        if forgotten:
            log.info("the record forgot what is too old", entries=forgotten)
        return forgotten

    async def _forget_some(self, connection: AsyncConnection) -> int:
        oldest = self._clock() - self._seconds
        old = select(AUDIT.c.id).where(AUDIT.c.at < oldest).limit(BATCH)
        return (await connection.execute(delete(AUDIT).where(AUDIT.c.id.in_(old)))).rowcount
