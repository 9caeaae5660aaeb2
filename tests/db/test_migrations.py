"""A database is brought to this version from whatever version it is of, and loses nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from app import migrations
from app.audit.schema import AUDIT
from app.config.sources import SettingsError
from app.db.database import METADATA, open_database
from app.migrations import HEAD, prepare
from app.sessions.store.repository import SESSIONS

SESSION = (
    "INSERT INTO sessions (session_id, opened_at, holder, base_url, owner, expires_at, "
    "token_expires_at, last_moment, seen, ready, ended_upstream) VALUES "
    "('session-1', 1.5, 'h', 'u', 'ada', 2, 2, 'expired', false, true, true)"
)


def of_an_earlier_version(connection: Connection) -> None:
    """As versions before the record left it."""
    SESSIONS.create(connection)
    connection.execute(text(SESSION))


def of_the_first_with_a_record(connection: Connection) -> None:
    METADATA.create_all(connection)
    connection.execute(text(SESSION))


def broken_off(connection: Connection) -> None:
    """An upgrade was killed in its middle."""
    of_an_earlier_version(connection)
    migrations._store_revision(connection, "0001")
    AUDIT.create(connection)
    connection.execute(text("DROP INDEX audit_of_session"))


async def state(url: str) -> tuple[str | None, int, set[str], list[object]]:
    """The revision, how many sessions there are, the indexes, and what differs from the code."""

    def look(connection: Connection) -> tuple[str | None, int, set[str], list[object]]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        indexes = {index["name"] for index in inspect(connection).get_indexes("audit")}
        return (
            migrations._revision(connection),
            connection.execute(text("SELECT count(*) FROM sessions")).scalar_one(),
            {str(name) for name in indexes},
            compare_metadata(context, METADATA),
        )

    async with open_database(url, prepare) as database, database.engine.connect() as connection:
        return await connection.run_sync(look)


@pytest.mark.parametrize("begin", [of_an_earlier_version, of_the_first_with_a_record, broken_off])
async def test_what_an_earlier_version_left_is_taken_over_whole(
    database_url: str, begin: Callable[[Connection], None]
) -> None:
    async with open_database(database_url, begin):
        pass
    for _ in range(2):
        revision, sessions, indexes, differences = await state(database_url)
        assert (revision, sessions, differences) == (HEAD, 1, [])
        assert {index.name for index in AUDIT.indexes} <= indexes


async def test_a_new_database_is_as_if_it_had_come_all_the_way(database_url: str) -> None:
    revision, sessions, indexes, differences = await state(database_url)
    assert (revision, sessions, differences) == (HEAD, 0, [])
    assert {index.name for index in AUDIT.indexes} <= indexes


async def test_what_a_newer_version_wrote_is_left_alone(database_url: str) -> None:
    async with open_database(database_url, lambda c: migrations._store_revision(c, "9999")):
        pass
    with pytest.raises(SettingsError, match=r"DATABASE_URL: a newer version .* 9999"):
        async with open_database(database_url, prepare):
            pass


def test_the_head_is_the_last_of_the_scripts() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD
