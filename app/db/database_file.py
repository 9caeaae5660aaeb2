"""The detection of SQLite files that are deleted or replaced while they are open.

SQLite goes on writing into such files without an error, and what it commits is lost when the
process ends.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import structlog
from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db.sqlite_writer import SqliteWriter

log = structlog.get_logger(__name__)


class FileLostError(OSError):
    """Raised when commits are lost: the database's files were removed, replaced or corrupted."""


class DatabaseFile:
    """Verifies that each transaction is committed to the files at the database's path.

    The files are the database, its write-ahead log, and the log's index.
    """

    def __init__(self, engine: AsyncEngine, writer: SqliteWriter, path: Path) -> None:
        self._engine = engine
        self._writer = writer
        self._paths = [path.with_name(path.name + suffix) for suffix in ("", "-wal", "-shm")]
        self._opened: list[os.stat_result] = []
        self._tables: set[str] = set()
        self._users = 0
        self._opening = asyncio.Lock()
        self._unused = asyncio.Event()
        self._unused.set()
        self.times_reopened = 0
        """How often the files were found lost, and those at their path opened instead."""

    async def remember_files(self) -> None:
        """Remember the present files and tables, to compare with later; raises `OSError`."""
        async with self._engine.begin() as connection:
            self._tables = await connection.run_sync(_tables)
        self._opened = self._stats()

    @contextlib.asynccontextmanager
    async def verified(self) -> AsyncIterator[None]:
        """Run a transaction in the block; raises `OSError` when its commit went to lost files."""
        async with self._opening:
            await self._reopen_if_lost()
            self._users += 1
            self._unused.clear()
        try:
            yield
            self._check()
        finally:
            self._users -= 1
            if not self._users:
                self._unused.set()

    def _check(self) -> None:
        """Raise `OSError` unless the open files are all at their paths and none has shrunk.

        SQLite shrinks none of them in use: it overwrites them from their beginning.
        """
        stats = self._stats()
        for before, now in zip(self._opened, stats, strict=True):
            if not os.path.samestat(before, now) or now.st_size < before.st_size:
                raise FileLostError
        self._opened = stats

    async def _reopen_if_lost(self) -> None:
        """Reopen the database when its files are lost; raises `OSError` or `SQLAlchemyError`.

        While there is no file at the path it raises: SQLite would make an empty one there, and the
        old file may be put back.
        """
        with contextlib.suppress(OSError):
            self._check()
            return
        self._paths[0].stat()
        await self._unused.wait()
        # Closing the connections lets them write to the old files what they still hold.
        await self._engine.dispose()
        await self._writer.dispose()
        self._remove_log_of_another()
        async with self._engine.begin() as connection:
            await connection.run_sync(self._require_sound)
        self._opened = self._stats()
        self.times_reopened += 1
        log.error("the database's files were deleted, replaced or cut off: opened anew")

    def _remove_log_of_another(self) -> None:
        """Remove the old log beside a new database file, to which SQLite would apply it."""
        database, *log_and_index = zip(self._paths, self._opened, strict=True)
        if os.path.samestat(database[0].stat(), database[1]):
            return
        for path, before in log_and_index:
            if path.exists() and os.path.samestat(path.stat(), before):
                path.unlink()

    def _require_sound(self, connection: Connection) -> None:
        """Raise `FileLostError` unless the file is not corrupt and has every table."""
        is_sound = connection.execute(text("PRAGMA quick_check(1)")).scalar() == "ok"
        if not is_sound or self._tables - _tables(connection):
            raise FileLostError

    def _stats(self) -> list[os.stat_result]:
        return [path.stat() for path in self._paths]


def _tables(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names())
