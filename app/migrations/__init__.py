"""The migrations, which bring a database of any earlier version to this version's tables."""

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, false, inspect, select, text

from app.audit.schema import AUDIT
from app.config.sources import SettingsError
from app.db.database import METADATA, POSTGRES
from app.replicas.rates import RATES
from app.replicas.table import REPLICAS
from app.sessions.store.capacity_tables import CAPACITY, LINE, OPENINGS
from app.sessions.store.repository import SESSIONS

HEAD: Final = "0006"
"""The revision of this version's tables: the last one in `versions/`."""

TABLES: Final = (AUDIT, SESSIONS, REPLICAS, CAPACITY, OPENINGS, LINE, RATES)
"""Every table there is."""

_BEFORE_REVISIONS: Final = {AUDIT.name: "0002", SESSIONS.name: "0001"}
"""For databases from before revisions were stored: the revision that each table tells of.

The tables are in order of their age, the newest first.
"""


def prepare(connection: Connection) -> None:
    """Create the tables, or upgrade them; raises `SettingsError` if a newer version made them.

    A new database gets all tables at once; the result is the same as after every migration.
    """
    revision = _revision(connection)
    if revision is None:
        METADATA.create_all(connection, tables=TABLES)
        _store_revision(connection, HEAD)
    elif revision != HEAD:
        _upgrade(connection, revision)
    if connection.dialect.name == POSTGRES:
        _require_rights(connection)


def _require_rights(connection: Connection) -> None:
    """Run each kind of statement on no rows of each table, so that a missing right shows here."""
    for table in TABLES:
        column = table.columns[0]
        none = select(table).where(false())
        connection.execute(none)
        connection.execute(table.insert().from_select(table.columns.keys(), none))
        connection.execute(table.update().values({column: column}).where(false()))
        connection.execute(table.delete().where(false()))


def _revision(connection: Connection) -> str | None:
    """The revision of the present tables; None when there are no tables."""
    tables = set(inspect(connection).get_table_names())
    if "alembic_version" in tables:
        known = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        if known is not None:
            return str(known)
    return next((revision for name, revision in _BEFORE_REVISIONS.items() if name in tables), None)


def _store_revision(connection: Connection, revision: str) -> None:
    connection.execute(
        text("CREATE TABLE IF NOT EXISTS alembic_version (version_num VARCHAR(32) PRIMARY KEY)")
    )
    connection.execute(text("DELETE FROM alembic_version"))
    connection.execute(
        text("INSERT INTO alembic_version VALUES (:revision)"), {"revision": revision}
    )


def _upgrade(connection: Connection, revision: str) -> None:
    # Loading alembic takes as long as the rest of the start, and few starts need it.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    _store_revision(connection, revision)
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
