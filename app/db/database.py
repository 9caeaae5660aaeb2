"""The database: where it is, how it is opened, and which processes use it.

SQLite in a file, or in memory, where nothing outlives the process; or Postgres.
"""

import asyncio
import contextlib
import fcntl
import os
import secrets
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Final, TypeVar

import structlog
from sqlalchemy import Connection, Executable, MetaData, Row, Table, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from app.config.sources import SettingsError
from app.db.database_file import DatabaseFile
from app.db.process_locks import (
    FileProcessLocks,
    NoOtherProcess,
    PostgresProcessLocks,
    ProcessLocks,
)
from app.problems import RecordUnavailable

POSTGRES: Final = "postgresql"
IN_MEMORY: Final = "sqlite+aiosqlite:///:memory:"
BUSY_SECONDS: Final = 5
"""How long a write waits for another process's."""

RETRY_AFTER_SECONDS: Final = 5

METADATA: Final = MetaData()
"""Every table; each is described where it is used."""

Rows = Sequence[Row[Any]]
Result = TypeVar("Result")

log = structlog.get_logger(__name__)


class Database:
    """An open database, and the name of this process among those that use it (`ProcessLocks`)."""

    def __init__(self, engine: AsyncEngine, path: Path | None) -> None:
        self.engine = engine
        self.holder = secrets.token_hex(8)
        self._holders = _holders_at(engine, path, self.holder)
        # SQLite has one writer at a time; waiting here costs less than waiting there.
        self._writing = asyncio.Lock()
        self._failures = 0
        self.file = None if path is None else DatabaseFile(engine, path)
        self.is_available = True
        """Whether the last attempt to read or write succeeded."""
        self._under_way: set[asyncio.Task[Any]] = set()

    async def read(self, query: Executable) -> Rows:
        """What a query finds; raises `RecordUnavailable`."""

        async def rows(connection: AsyncConnection) -> Rows:
            return (await connection.execute(query)).all()

        return await self._undisturbed(self._committed(rows))

    async def write(self, work: Callable[[AsyncConnection], Awaitable[Result]]) -> Result:
        """Do `work` in one transaction, one writer at a time; it is on disk on return.

        Raises `RecordUnavailable`, and then none of it is.
        """
        return await self._undisturbed(self._in_turn(work))

    def insert(self, table: Table) -> postgresql.Insert | sqlite.Insert:
        """An insert that may say what is to be done when the row is there already."""
        return insert_into(table, self.engine.dialect.name)

    async def settle(self) -> None:
        """Wait for what is under way."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def _undisturbed(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Carried out whole: a caller that is cancelled must not break a connection off midway."""
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # its caller may be gone; asyncio would warn of it

    async def _in_turn(self, work: Callable[[AsyncConnection], Awaitable[Result]]) -> Result:
        failures = self._failures
        async with self._writing:
            if failures < self._failures:
                # Waited for a write that failed: that was long enough for both.
                raise RecordUnavailable(retry_after=RETRY_AFTER_SECONDS)
            try:
                return await self._committed(work)
            except RecordUnavailable:
                self._failures += 1
                raise

    async def _committed(self, work: Callable[[AsyncConnection], Awaitable[Result]]) -> Result:
        try:
            async with self._transaction() as connection:
                result = await work(connection)
        except (SQLAlchemyError, OSError) as error:
            self.is_available = False
            raise _unavailable(error) from None
        self.is_available = True
        return result

    def _transaction(self) -> AbstractAsyncContextManager[AsyncConnection]:
        return self.engine.begin() if self.file is None else self.file.transaction()

    async def hold(self) -> None:
        """Be known as alive to the others; raises `RecordUnavailable`."""
        try:
            await self._holders.hold()
        except (SQLAlchemyError, OSError) as error:
            raise _unavailable(error) from None

    async def is_held(self, holder: str) -> bool:
        """Whether the process of this name still runs; raises `RecordUnavailable`."""
        if holder == self.holder:
            return True
        try:
            return await self._holders.is_held(holder)
        except (SQLAlchemyError, OSError) as error:
            raise _unavailable(error) from None

    def release(self) -> None:
        """Let go: what this process has left is for the next one."""
        self._holders.release()

    async def aclose(self) -> None:
        """Close every connection, when what is under way is done."""
        await self.settle()
        self.release()
        if isinstance(self._holders, PostgresProcessLocks):
            await self._holders.aclose()
        await self.engine.dispose()


def _holders_at(engine: AsyncEngine, path: Path | None, own: str) -> ProcessLocks:
    if engine.dialect.name == POSTGRES:
        return PostgresProcessLocks(engine, own)
    return NoOtherProcess() if path is None else FileProcessLocks(_holders_of(path), own)


def _unavailable(error: Exception) -> RecordUnavailable:
    log.error("the database can't be read or written", error=type(error).__name__)
    return RecordUnavailable(retry_after=RETRY_AFTER_SECONDS)


def insert_into(table: Table, dialect: str) -> postgresql.Insert | sqlite.Insert:
    """Likewise, for a dialect; both say it in the same words."""
    return postgresql.insert(table) if dialect == POSTGRES else sqlite.insert(table)


def is_postgres(url: str) -> bool:
    """Whether a database is one of Postgres."""
    return url.startswith(POSTGRES)


def file_of(url: str) -> Path | None:
    """The file of a SQLite database; None when it is in memory, or elsewhere."""
    name = None if is_postgres(url) else make_url(url).database
    return None if not name or name == ":memory:" else Path(name)


def is_in_memory(url: str) -> bool:
    """Whether nothing of it outlives the process."""
    return file_of(url) is None and not is_postgres(url)


def require_writable(url: str) -> None:
    """Make a database's folders; raises `SettingsError` when it can't be written or is none."""
    path = file_of(url)
    if path is None:
        return
    try:
        _holders_of(path).mkdir(parents=True, exist_ok=True)
        probe = _holders_of(path) / secrets.token_hex(8)
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
    """The database with its tables, which `prepare` makes; raises `SettingsError`."""
    require_writable(url)
    path = file_of(url)
    engine = _postgres(url) if is_postgres(url) else _sqlite(url)
    database = Database(engine, path)
    try:
        await _prepare_in_turn(database, path, prepare)
        yield database
    finally:
        await database.aclose()


def _postgres(url: str) -> AsyncEngine:
    from app.db.postgres import connector  # noqa: PLC0415 - its driver takes long to come

    # Nobody waits longer for it than for a file.
    connect = connector(url, seconds=BUSY_SECONDS)
    return create_async_engine(f"{POSTGRES}+asyncpg://", async_creator=connect, pool_pre_ping=True)


def _sqlite(url: str) -> AsyncEngine:
    # In memory there is one connection, and who shared it would undo what others write.
    alone = {"poolclass": AsyncAdaptedQueuePool, "pool_size": 1, "max_overflow": 0}
    engine = create_async_engine(url, **({} if file_of(url) else alone))
    event.listen(engine.sync_engine, "connect", _prepare)
    return engine


async def _prepare_in_turn(
    database: Database, path: Path | None, prepare: Callable[[Connection], None]
) -> None:
    """Processes that start at once prepare the database one after the other."""
    is_server = database.engine.dialect.name == POSTGRES
    try:
        async with _in_turn(path), database.engine.begin() as connection:
            if is_server:
                await connection.execute(text("SELECT pg_advisory_xact_lock(0)"))
            await connection.run_sync(prepare)
        if is_server:
            from app.db.postgres import require_sessions  # noqa: PLC0415 - see above

            await require_sessions(database.engine)
        if database.file is not None:
            await database.file.note()
        await database.hold()
    except (OSError, ValueError, SQLAlchemyError, RecordUnavailable) as error:
        raise _refusal(error, path, is_server=is_server) from None


def _refusal(error: Exception, path: Path | None, *, is_server: bool) -> SettingsError:
    """What to tell of a database that can't be prepared."""
    if is_server:
        from app.db.postgres import refusal  # noqa: PLC0415 - see above

        return refusal(error)
    told = getattr(error, "orig", None) or type(error).__name__
    return SettingsError(
        f"DATABASE_URL: {path or 'the database in memory'} can't be used ({told}): look whether "
        "another process holds it, and at its disk and its owner"
    )


@contextlib.asynccontextmanager
async def _in_turn(path: Path | None) -> AsyncIterator[None]:
    if path is None:
        yield
        return
    descriptor = os.open(_holders_of(path), os.O_RDONLY)
    try:
        await asyncio.to_thread(fcntl.flock, descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _holders_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.holders")


def _prepare(connection: Any, _record: Any) -> None:
    """WAL: readers don't wait for writers. FULL: what is committed stays."""
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout = {BUSY_SECONDS * 1000}",
        "journal_mode = WAL",
        "synchronous = FULL",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
