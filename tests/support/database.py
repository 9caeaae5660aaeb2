"""What runs in a database, as tests watch it."""

import sqlite3
from collections.abc import Callable

import aiosqlite
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.util.concurrency import await_only

from app.db.database import Database, is_in_memory
from app.migrations import prepare


def engines(database: Database) -> list[Engine]:
    """Every engine that runs statements: that of the readers, and a SQLite file's writer's."""
    writers = [] if database.writer is None else [database.writer.engine]
    return [database.engine.sync_engine, *writers]


def prepared_by_one_script() -> Callable[[Connection], None]:
    """As `prepare` does, but all tables of a database in memory at once.

    Statement by statement they are almost half of what the start of a broker costs.
    """
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        prepare(connection)
        connection.commit()
        made = connection.connection.driver_connection
        assert isinstance(made, sqlite3.Connection)
        script = "\n".join(made.iterdump())
    engine.dispose()

    def prepared(connection: Connection) -> None:
        database = connection.connection.driver_connection
        url = connection.engine.url.render_as_string()
        if is_in_memory(url) and isinstance(database, aiosqlite.Connection):
            await_only(database.executescript(script))
        else:
            prepare(connection)

    return prepared
