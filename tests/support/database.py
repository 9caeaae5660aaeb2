"""What runs in a database, as tests watch it."""

from sqlalchemy import Engine

from app.db.database import Database


def engines(database: Database) -> list[Engine]:
    """Every engine that runs statements: that of the readers, and a SQLite file's writer's."""
    writers = [] if database.writer is None else [database.writer.engine]
    return [database.engine.sync_engine, *writers]
