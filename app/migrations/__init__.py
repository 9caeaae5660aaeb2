"""The migrations, which bring a database of any earlier version to this version's tables.

They only add, and remove nothing that earlier versions need. So earlier versions can use the tables
too, and a rollout can be undone without a backup.
"""

from pathlib import Path
from typing import Final

import structlog
from sqlalchemy import (
    Column,
    Connection,
    MetaData,
    String,
    Table,
    delete,
    false,
    insert,
    inspect,
    select,
)

from app.audit.schema import AUDIT
from app.config.sources import SettingsError
from app.db.database import METADATA, POSTGRES
from app.replicas.rates import RATES
from app.replicas.secret_key_canary import SECRET_KEY_CANARY
from app.replicas.table import REPLICAS
from app.sessions.store.capacity_tables import CAPACITY, LINE, OPENINGS
from app.sessions.store.repository import SESSIONS

HEAD: Final = "0009"
"""The revision of this version's tables: the last one in `versions/`."""

USABLE_FROM: Final = "0003"
"""The oldest revision whose version can use this version's tables.

A migration must raise it when it removes something, or needs data that older versions do not write.
"""

PRESENT: Final = Table(
    "schema_revision", METADATA, Column("version_num", String(32), primary_key=True)
)
"""The revision of the present tables, which alembic keeps there."""

USABLE: Final = Table(
    "alembic_version", MetaData(), Column("version_num", String(32), primary_key=True)
)
"""The `USABLE_FROM` of the version that made the present tables.

Versions up to revision 0003 know only this table, and start where it names a revision of theirs.
"""

TABLES: Final = (
    PRESENT,
    AUDIT,
    SESSIONS,
    REPLICAS,
    CAPACITY,
    OPENINGS,
    LINE,
    RATES,
    SECRET_KEY_CANARY,
)
"""Every table there is."""

_BEFORE_REVISIONS: Final = {AUDIT.name: "0002", SESSIONS.name: "0001"}
"""The revision of a database that stores none, by the newest table that it has.

The tables are in order of their age, the newest first.
"""

log = structlog.get_logger(__name__)


def prepare(connection: Connection) -> None:
    """Create the tables, or upgrade them; a newer version's are left as they are.

    A new database gets all tables at once; the result is the same as after every migration. Raises
    `SettingsError` if a newer version made tables that this one can't use.
    """
    revision = _revision(connection)
    if revision is not None and revision > HEAD:
        _require_usable(connection, revision)
    else:
        if revision is None:
            METADATA.create_all(connection, tables=TABLES)
        elif revision < HEAD:
            _upgrade(connection, revision)
        _store(connection, PRESENT, HEAD)
        _store(connection, USABLE, USABLE_FROM)
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
    for table in (PRESENT, USABLE):  # earlier versions have only the second
        if (known := _stored(connection, table)) is not None:
            return known
    tables = inspect(connection).get_table_names()
    return next((revision for name, revision in _BEFORE_REVISIONS.items() if name in tables), None)


def _require_usable(connection: Connection, revision: str) -> None:
    """Raise `SettingsError` unless this version can use the tables of a newer one."""
    usable_from = _stored(connection, USABLE)
    if usable_from is None or usable_from > HEAD:
        raise SettingsError(
            f"DATABASE_URL: a newer version wrote there (revision {revision}): start that version, "
            "or name another database"
        )
    log.warning(
        "a newer version has migrated the database: this one uses it, and leaves it as it is",
        revision=revision,
        own_revision=HEAD,
    )


def _stored(connection: Connection, table: Table) -> str | None:
    if not inspect(connection).has_table(table.name):
        return None
    known: str | None = connection.execute(select(table.c.version_num)).scalar()
    return known


def _store(connection: Connection, table: Table, revision: str) -> None:
    if _stored(connection, table) != revision:
        table.create(connection, checkfirst=True)
        connection.execute(delete(table))
        connection.execute(insert(table).values(version_num=revision))


def _upgrade(connection: Connection, revision: str) -> None:
    # Loading alembic takes as long as the rest of the start, and few starts need it.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    _store(connection, PRESENT, revision)
    # No older version starts on tables that are half migrated to what it can't use.
    _store(connection, USABLE, USABLE_FROM if revision >= USABLE_FROM else HEAD)
    if connection.dialect.name == POSTGRES:
        connection.commit()  # alembic's transactions are one for each migration
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
