"""What runs in a database, as tests watch it."""

import asyncio
import sqlite3
from collections.abc import Callable, Generator
from typing import Any, Final, Self

import aiosqlite
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.util.concurrency import await_only

from app.db.database import Database
from app.migrations import prepare

MEMORY: Final = ":memory:"


def engines(database: Database) -> list[Engine]:
    """Every engine that runs statements: that of the readers, and a SQLite file's writer's."""
    writers = [] if database.writer is None else [database.writer.engine]
    return [database.engine.sync_engine, *writers]


def prepared_by_a_copy() -> Callable[[Connection], None]:
    """As `prepare` does, but a database in memory becomes a copy of one that is prepared.

    Statement by statement its tables are almost half of what the start of a broker costs.
    """
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        prepare(connection)
        connection.commit()
        made = connection.connection.driver_connection
        assert isinstance(made, sqlite3.Connection)
        image = made.serialize()
    engine.dispose()

    def prepared(connection: Connection) -> None:
        database = connection.connection.driver_connection
        if isinstance(database, ConnectionWithoutThread):
            await_only(database._execute(database._conn.deserialize, image))
        else:
            prepare(connection)

    return prepared


def compiled_for_all(create: Callable[..., Any], first: dict[type, Engine]) -> Callable[..., Any]:
    """As `create` makes engines, but those of SQLite share the statements that they compile.

    A compiled statement belongs to a dialect, so they share that too. `first` has the first engine
    of each dialect.
    """

    def made(*arguments: Any, **options: Any) -> Any:
        engine = create(*arguments, **options)
        one: Engine = getattr(engine, "sync_engine", engine)
        if one.dialect.name == "sqlite":
            other = first.setdefault(type(one.dialect), one)
            one.dialect, one._compiled_cache = other.dialect, other._compiled_cache
        return engine

    return made


TAKE_TURNS: Final = {"execute", "executemany", "executescript", "commit", "rollback"}


class ConnectionWithoutThread(aiosqlite.Connection):
    """A connection to a database in memory, whose statements wait for no other thread.

    Each statement still takes a turn of the loop, so that other tasks run in between. To open its
    cursor, to fetch its rows and to close it takes none: these are most of what is asked for.
    """

    async def _execute(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if fn.__name__ in TAKE_TURNS:
            await asyncio.sleep(0)
        return fn(*args, **kwargs)

    async def _opened(self) -> Self:
        self._connection = self._connector()
        return self

    def __await__(self) -> Generator[Any, None, Self]:
        return self._opened().__await__()

    def stop(self) -> None:
        """Close the connection; there is no thread to stop."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def without_threads(connect: Callable[..., aiosqlite.Connection]) -> Callable[..., Any]:
    """As `aiosqlite.connect`, but a database in memory has no thread.

    The hops to that thread and back are a third of what a short test costs.
    """

    def connected(database: Any, **options: Any) -> aiosqlite.Connection:
        if database != MEMORY:
            return connect(database, **options)
        return ConnectionWithoutThread(lambda: sqlite3.connect(MEMORY, **options), 1)

    return connected
