"""The database's tables, as this version has them, whatever version wrote there before."""

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, false, inspect, select, text

from app.audit.schema import AUDIT
from app.config.sources import SettingsError
from app.db.database import METADATA, POSTGRES
from app.sessions.store.repository import SESSIONS

HEAD: Final = "0003"
"""The revision of this version's tables; the last of `versions/`."""

_BEFORE_REVISIONS: Final = {AUDIT.name: "0002", SESSIONS.name: "0001"}
"""Versions that kept no revision made their tables anyway: the revision of the latest such."""


def prepare(connection: Connection) -> None:
    """Make the tables, or bring them from where they are; raises `SettingsError`.

    A new database gets them at once, which is the same as getting them step by step.
    """
    revision = _revision(connection)
    if revision is None:
        METADATA.create_all(connection)
        _note(connection, HEAD)
    elif revision != HEAD:
        _upgrade(connection, revision)
    if connection.dialect.name == POSTGRES:
        _require_rights(connection)


def _require_rights(connection: Connection) -> None:
    """Ask for everything that will be done to each table, of no row: Postgres refuses it here."""
    for table in METADATA.sorted_tables:
        column = table.columns[0]
        none = select(table).where(false())
        connection.execute(none)
        connection.execute(table.insert().from_select(table.columns.keys(), none))
        connection.execute(table.update().values({column: column}).where(false()))
        connection.execute(table.delete().where(false()))


def _revision(connection: Connection) -> str | None:
    """Where the tables are; None when there are none."""
    there = set(inspect(connection).get_table_names())
    if "alembic_version" in there:
        known = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        if known is not None:
            return str(known)
    return next((revision for name, revision in _BEFORE_REVISIONS.items() if name in there), None)


def _note(connection: Connection, revision: str) -> None:
    connection.execute(
        text("CREATE TABLE IF NOT EXISTS alembic_version (version_num VARCHAR(32) PRIMARY KEY)")
    )
    connection.execute(text("DELETE FROM alembic_version"))
    connection.execute(text("INSERT INTO alembic_version VALUES (:it)"), {"it": revision})


def _upgrade(connection: Connection, revision: str) -> None:
    # Loading it takes as long as the rest of the start, and hardly any start needs it.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    _note(connection, revision)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError:
        raise SettingsError(
            f"DATABASE_URL: a newer version wrote there (revision {revision}): start that version, "
            "or name another database"
        ) from None
