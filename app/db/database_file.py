"""The files of a SQLite database, watched while they are open.

SQLite writes on into files that were deleted or replaced: what it commits there is lost with the
process, and nothing tells.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import structlog
from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

log = structlog.get_logger(__name__)


class FileLostError(OSError):
    """What was committed would not be found by a next process."""


class DatabaseFile:
    """Makes sure that what is committed is in the files that a next process will open.

    They are the database itself, its write-ahead log, and the log's index.
    """

    def __init__(self, engine: AsyncEngine, path: Path) -> None:
        self._engine = engine
        self._paths = [path.with_name(path.name + suffix) for suffix in ("", "-wal", "-shm")]
        self._opened: list[os.stat_result] = []
        self._tables: set[str] = set()
        self._users = 0
        self._opening = asyncio.Lock()
        self._unused = asyncio.Event()
        self._unused.set()
        self.times_reopened = 0
        """How often other files were found in place of those that were open."""

    async def note(self) -> None:
        """Note the files and tables that are there from now on; raises `OSError`."""
        async with self._engine.begin() as connection:
            self._tables = await connection.run_sync(_tables)
        self._opened = self._stats()

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A transaction; raises `OSError` when nobody would find what it has committed."""
        async with self._opening:
            await self._reopen_if_lost()
            self._users += 1
            self._unused.clear()
        try:
            async with self._engine.begin() as connection:
                yield connection
            self._check()
        finally:
            self._users -= 1
            if not self._users:
                self._unused.set()

    def _check(self) -> None:
        """Raise `OSError` unless the open files are all there and none has become smaller.

        None does in use: SQLite writes into them anew from their beginning.
        """
        stats = self._stats()
        for before, now in zip(self._opened, stats, strict=True):
            if not os.path.samestat(before, now) or now.st_size < before.st_size:
                raise FileLostError
        self._opened = stats

    async def _reopen_if_lost(self) -> None:
        """Open what is in place of the open files; raises `OSError` or `SQLAlchemyError`.

        Not while there is none: SQLite would make an empty one, and the old one may be put back.
        """
        with contextlib.suppress(OSError):
            self._check()
            return
        self._paths[0].stat()
        await self._unused.wait()
        # Its connections write what they have to the disk, where they still can.
        await self._engine.dispose()
        self._remove_log_of_another()
        async with self._engine.begin() as connection:
            await connection.run_sync(self._require_sound)
        self._opened = self._stats()
        self.times_reopened += 1
        log.error("the database's files were deleted, replaced or cut off: opened anew")

    def _remove_log_of_another(self) -> None:
        """Remove a log that was left beside another database: SQLite would take it for its own."""
        database, *log_and_index = zip(self._paths, self._opened, strict=True)
        if os.path.samestat(database[0].stat(), database[1]):
            return
        for path, before in log_and_index:
            if path.exists() and os.path.samestat(path.stat(), before):
                path.unlink()

    def _require_sound(self, connection: Connection) -> None:
        """Raise `FileLostError` unless every page can be read and every table is there."""
        is_sound = connection.execute(text("PRAGMA quick_check(1)")).scalar() == "ok"
        if not is_sound or self._tables - _tables(connection):
            raise FileLostError

    def _stats(self) -> list[os.stat_result]:
        return [path.stat() for path in self._paths]


def _tables(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names())
