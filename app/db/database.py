"""The database: its address, its engine, its transactions, and the processes that use it.

It is SQLite in a file, SQLite in memory, which is lost with the process, or Postgres.
"""

import asyncio
import contextlib
import fcntl
import os
import secrets
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import structlog
from sqlalchemy import Connection, Executable, MetaData, Row, Table, create_engine, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from app.config.sources import SettingsError
from app.db.database_file import DatabaseFile
from app.db.idle_connections import check_idle_connections
from app.db.process_locks import FileProcessLocks, ProcessLocks, SingleProcessLocks
from app.db.sqlite_writer import SqliteWriter
from app.db.write_queue import WriteQueue
from app.problems import RecordUnavailable

POSTGRES: Final = "postgresql"
IN_MEMORY: Final = "sqlite+aiosqlite:///:memory:"
BUSY_SECONDS: Final = 5
"""How long a write waits for the write of another process."""

POSTGRES_WRITES: Final = 5
"""How many transactions write to Postgres at the same time; the pool opens three times as many
connections at most, so that others can read."""

RETRY_AFTER_SECONDS: Final = 5

METADATA: Final = MetaData()
"""The schema: every table, each defined in the module that uses it."""

Rows = Sequence[Row[Any]]
Result = TypeVar("Result")

log = structlog.get_logger(__name__)


class Database:
    """An open database, with the lock that shows other processes that this one runs."""

    def __init__(
        self, engine: AsyncEngine, path: Path | None, writer: SqliteWriter | None = None
    ) -> None:
        self.engine = engine
        self.writer = writer
        """The writer of a SQLite file; None where the engine writes."""

        self.process_locks: ProcessLocks = (
            SingleProcessLocks() if path is None else FileProcessLocks(_lock_folder(path))
        )
        """Tell which processes run; with Postgres `app.replicas` puts its leases here."""

        # SQLite allows one writer at a time; waiting here costs less than waiting for its lock.
        is_server = engine.dialect.name == POSTGRES
        self._writes = WriteQueue(POSTGRES_WRITES if is_server else 1)
        self._failures = 0
        self.file = None
        if path is not None and writer is not None:
            self.file = DatabaseFile(engine, writer, path)
        self.is_available = True
        """Whether the last attempt to read or write succeeded."""
        self._under_way: set[asyncio.Task[Any]] = set()

    async def read(self, query: Executable) -> Rows:
        """Run a query; raises `RecordUnavailable` when the database can't be read."""
        return await self.read_with(lambda connection: connection.execute(query).all())

    async def read_with(self, work: Callable[[Connection], Result]) -> Result:
        """Run `work`, which only reads, in one transaction; raises `RecordUnavailable`."""

        async def found() -> Result:
            async with self.engine.begin() as connection:
                return await connection.run_sync(work)

        return await self._shielded(self._verified(found))

    async def write(
        self,
        work: Callable[[Connection], Result],
        *,
        keys: Collection[str] = (),
        alone: bool = False,
    ) -> Result:
        """Run `work` in one transaction; on return it is on disk.

        With a SQLite file `work` runs in another thread, and one at a time. With Postgres several
        run at the same time, but for those with a key in common, which run in the order of the
        calls, and those that are to run `alone`.

        Raises `RecordUnavailable`; then the transaction was rolled back.
        """
        return await self._shielded(self._in_turn(work, keys, alone=alone))

    def insert(self, table: Table) -> postgresql.Insert | sqlite.Insert:
        """An insert statement for this database, which has `on_conflict_do_update`."""
        return insert_into(table, self.engine.dialect.name)

    async def settle(self) -> None:
        """Wait until the reads and writes that are under way have finished."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def _shielded(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Finish `work` even when its caller is cancelled, so that no connection is cut midway."""
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # asyncio warns of an exception that no caller has read

    async def _in_turn(
        self, work: Callable[[Connection], Result], keys: Collection[str], *, alone: bool
    ) -> Result:
        async def committed() -> Result:
            if self.writer is not None:
                return await self.writer.run(work)
            async with self.engine.begin() as connection:
                return await connection.run_sync(work)

        failures = self._failures
        async with self._writes.turn(keys, alone=alone):
            if failures < self._failures:
                # The write that this one waited for has failed, after its own long wait.
                raise RecordUnavailable(retry_after=RETRY_AFTER_SECONDS)
            try:
                return await self._verified(committed)
            except RecordUnavailable:
                self._failures += 1
                raise

    async def _verified(self, transaction: Callable[[], Awaitable[Result]]) -> Result:
        try:
            async with contextlib.nullcontext() if self.file is None else self.file.verified():
                result = await transaction()
        except (SQLAlchemyError, OSError) as error:
            self.is_available = False
            raise _unavailable(error) from None
        self.is_available = True
        return result

    @property
    def process_name(self) -> str:
        """The random name of this process, which rows have in their column `holder`.

        With Postgres it changes when this process was taken for dead.
        """
        return self.process_locks.name

    async def acquire_process_lock(self) -> None:
        """Lock this process's name, or make sure of the lock; raises `RecordUnavailable`."""
        try:
            await self.process_locks.acquire()
        except (SQLAlchemyError, OSError) as error:
            raise _unavailable(error) from None

    async def is_process_running(self, name: str) -> bool:
        """Whether the process of this name still runs; raises `RecordUnavailable`."""
        if name == self.process_name:
            return True
        try:
            return await self.process_locks.is_held(name)
        except (SQLAlchemyError, OSError) as error:
            raise _unavailable(error) from None

    def release_process_lock(self) -> None:
        """Release the lock, so that the next process takes over the rows of this one."""
        self.process_locks.release()

    async def aclose(self) -> None:
        """Finish the work under way, release the lock and close every connection."""
        await self.settle()
        self.release_process_lock()
        await self.engine.dispose()
        if self.writer is not None:
            await self.writer.aclose()


def _unavailable(error: Exception) -> RecordUnavailable:
    log.error("the database can't be read or written", error=type(error).__name__)
    return RecordUnavailable(retry_after=RETRY_AFTER_SECONDS)


def insert_into(table: Table, dialect: str) -> postgresql.Insert | sqlite.Insert:
    """An insert statement for a dialect, which has `on_conflict_do_update`."""
    return postgresql.insert(table) if dialect == POSTGRES else sqlite.insert(table)


def is_postgres(url: str) -> bool:
    """Whether `url` names a Postgres database."""
    return url.startswith(POSTGRES)


def file_of(url: str) -> Path | None:
    """The file of a SQLite database; None for one in memory, and for Postgres."""
    name = None if is_postgres(url) else make_url(url).database
    return None if not name or name == ":memory:" else Path(name)


def is_in_memory(url: str) -> bool:
    """Whether `url` names a SQLite database in memory, which is lost with the process."""
    return file_of(url) is None and not is_postgres(url)


def require_writable(url: str) -> None:
    """Make a SQLite file and its folders; nothing is done for other databases.

    Raises `SettingsError` when the file can't be written, or is not a SQLite database.
    """
    path = file_of(url)
    if path is None:
        return
    try:
        _lock_folder(path).mkdir(parents=True, exist_ok=True)
        probe = _lock_folder(path) / secrets.token_hex(8)
        probe.touch()
        probe.unlink()
        path.touch(0o600)
    except OSError as error:
        raise SettingsError(
            f"DATABASE_URL: {path} can't be written ({type(error).__name__}): "
            "make its folder writable, or name another file"
        ) from error
    try:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA schema_version")
    except sqlite3.DatabaseError as error:
        raise SettingsError(
            f"DATABASE_URL: {path} is no SQLite database: move it away, or name another file"
        ) from error


@contextlib.asynccontextmanager
async def open_database(url: str, prepare: Callable[[Connection], None]) -> AsyncIterator[Database]:
    """Open the database at `url` for the block, with the tables that `prepare` makes or upgrades.

    Raises `SettingsError` when the database can't be used.
    """
    require_writable(url)
    path = file_of(url)
    engine = _postgres(url) if is_postgres(url) else _sqlite(url)
    database = Database(engine, path, _sqlite_writer(url))
    try:
        await _prepare_tables(database, url, prepare)
        yield database
    finally:
        await database.aclose()


def _postgres(url: str) -> AsyncEngine:
    from app.db.postgres import (  # noqa: PLC0415 - its driver takes long to load
        bounding_transactions,
        connector,
    )

    connect = bounding_transactions(connector(url, seconds=BUSY_SECONDS))
    engine = create_async_engine(f"{POSTGRES}+asyncpg://", async_creator=connect)
    check_idle_connections(engine.sync_engine)
    return engine


async def _prepare_postgres(
    url: str, engine: AsyncEngine, prepare: Callable[[Connection], None]
) -> None:
    from app.db.migration_connection import migrating  # noqa: PLC0415 - see above
    from app.db.postgres import connector, require_sessions  # noqa: PLC0415 - see above

    await require_sessions(engine)  # first: the lock below is a session's
    connect = connector(url, seconds=BUSY_SECONDS, bounds_statements=False)
    async with migrating(connect) as connection:
        await connection.run_sync(prepare)
        await connection.commit()


def _sqlite(url: str) -> AsyncEngine:
    # A database in memory exists in one connection, which transactions must not share.
    unshared = {"poolclass": AsyncAdaptedQueuePool, "pool_size": 1, "max_overflow": 0}
    engine = create_async_engine(url, **({} if file_of(url) else unshared))
    event.listen(engine.sync_engine, "connect", _set_pragmas)
    return engine


def _sqlite_writer(url: str) -> SqliteWriter | None:
    """The writer of a SQLite file; None for Postgres, and for a database in memory."""
    if file_of(url) is None:
        return None
    engine = create_engine(make_url(url).set(drivername="sqlite"), pool_size=1, max_overflow=0)
    event.listen(engine, "connect", _set_pragmas)
    return SqliteWriter(engine)


async def _prepare_tables(
    database: Database, url: str, prepare: Callable[[Connection], None]
) -> None:
    """Run `prepare` under a lock, as several processes may start at once."""
    path, is_server = file_of(url), is_postgres(url)
    try:
        if is_server:
            await _prepare_postgres(url, database.engine, prepare)
        else:
            async with _exclusive(path), database.engine.begin() as connection:
                await connection.run_sync(prepare)
        if database.file is not None:
            await database.file.remember_files()
        await database.acquire_process_lock()
    except (OSError, ValueError, SQLAlchemyError, RecordUnavailable) as error:
        raise _refusal(error, path, is_server=is_server) from None


def _refusal(error: Exception, path: Path | None, *, is_server: bool) -> SettingsError:
    """The message for a start that failed because the database can't be prepared."""
    if is_server:
        from app.db.postgres import refusal  # noqa: PLC0415 - see above

        return refusal(error)
    reason = getattr(error, "orig", None) or type(error).__name__
    return SettingsError(
        f"DATABASE_URL: {path or 'the database in memory'} can't be used ({reason}): look whether "
        "another process holds it, and at its disk and its owner"
    )


@contextlib.asynccontextmanager
async def _exclusive(path: Path | None) -> AsyncIterator[None]:
    """Lock a SQLite file's lock folder against other processes; Postgres has its own lock."""
    if path is None:
        yield
        return
    descriptor = os.open(_lock_folder(path), os.O_RDONLY)
    try:
        await asyncio.to_thread(fcntl.flock, descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _lock_folder(path: Path) -> Path:
    return path.with_name(f"{path.name}.holders")


def _set_pragmas(connection: Any, _record: Any) -> None:
    """Set WAL, so that readers don't wait for writers, and FULL, so that commits are durable.

    The log is copied to the file every 16 MB in place of 4: a page that has changed often is copied
    once. It saves 12% of what the record of many sessions costs.
    """
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout = {BUSY_SECONDS * 1000}",
        "journal_mode = WAL",
        "synchronous = FULL",
        "wal_autocheckpoint = 4000",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
