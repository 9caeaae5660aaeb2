"""The database: where it is, how it is opened, and which processes use it.

SQLite in a file, or in memory, where nothing outlives the process.
"""

import asyncio
import contextlib
import fcntl
import os
import secrets
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import structlog
from sqlalchemy import Executable, MetaData, Row, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from app.environment import SettingsError
from app.problems import RecordUnavailable

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
    """An open database, and the name of this process among those that use it.

    Each process holds a lock on a file of its own name beside the database. The kernel lets go of
    it when the process dies, however it dies, so that who is dead is known and never guessed.
    """

    def __init__(self, engine: AsyncEngine, holders: Path | None) -> None:
        self.engine = engine
        self.holder = secrets.token_hex(8)
        self._holders = holders
        # SQLite has one writer at a time; waiting here costs less than waiting there.
        self._writing = asyncio.Lock()
        self._failures = 0
        self._under_way: set[asyncio.Task[Any]] = set()
        self._own_lock = self._try_lock(self.holder, os.O_CREAT)

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
            async with self.engine.begin() as connection:
                return await work(connection)
        except (SQLAlchemyError, OSError) as error:
            log.error("the database can't be read or written", error=type(error).__name__)  # noqa: TRY400 - a traceback would quote the row
            raise RecordUnavailable(retry_after=RETRY_AFTER_SECONDS) from None

    def is_held(self, holder: str) -> bool:
        """Whether the process of this name still runs; a dead one's file is removed."""
        if holder == self.holder:
            return True
        lock = self._try_lock(holder)
        if lock is None:
            return self._holders is not None and (self._holders / holder).exists()
        self._remove(holder, lock)
        return False

    def release(self) -> None:
        """Let go: what this process has left is for the next one."""
        if self._own_lock is not None:
            self._remove(self.holder, self._own_lock)
            self._own_lock = None

    def _try_lock(self, holder: str, flags: int = 0) -> int | None:
        """A descriptor with the lock on a holder's file; None when there is none to be had."""
        if self._holders is None:
            return None
        try:
            descriptor = os.open(self._holders / holder, os.O_RDWR | flags, 0o600)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return descriptor

    def _remove(self, holder: str, lock: int) -> None:
        if self._holders is not None:
            (self._holders / holder).unlink(missing_ok=True)
        os.close(lock)


def file_of(url: str) -> Path | None:
    """The file of a SQLite database; None when it is in memory."""
    name = make_url(url).database
    return None if not name or name == ":memory:" else Path(name)


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
async def open_database(url: str, metadata: MetaData) -> AsyncIterator[Database]:
    """The database with its tables, as long as the block; raises `SettingsError`."""
    require_writable(url)
    path = file_of(url)
    # In memory there is one connection, and who shared it would undo what others write.
    alone: dict[str, Any] = {"poolclass": AsyncAdaptedQueuePool, "pool_size": 1, "max_overflow": 0}
    engine = create_async_engine(url, **({} if path else alone))
    event.listen(engine.sync_engine, "connect", _prepare)
    database = Database(engine, _holders_of(path) if path else None)
    try:
        async with _in_turn(path), engine.begin() as connection:
            await connection.run_sync(metadata.create_all)
        yield database
    finally:
        await database.settle()
        await engine.dispose()
        database.release()


@contextlib.asynccontextmanager
async def _in_turn(path: Path | None) -> AsyncIterator[None]:
    """Processes that start at once prepare the database one after the other."""
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
