"""Writes to a SQLite file, each transaction in one visit to a thread of its own.

SQLAlchemy's asynchronous engine visits a thread for each statement, and that costs more than the
statement.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Connection, Engine

Result = TypeVar("Result")


class SqliteWriter:
    """Runs transactions one after the other, on one connection that only its thread uses."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="database-writer")

    async def run(self, work: Callable[[Connection], Result]) -> Result:
        """Run `work` in a transaction, which is committed on return and rolled back on an error."""
        return await self._in_thread(lambda: self._commit(work))

    async def dispose(self) -> None:
        """Close the connection; the next transaction opens another."""
        await self._in_thread(self.engine.dispose)

    async def aclose(self) -> None:
        """Close the connection, and end the thread."""
        await self.dispose()
        self._thread.shutdown()

    def _commit(self, work: Callable[[Connection], Result]) -> Result:
        with self.engine.begin() as connection:
            return work(connection)

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
