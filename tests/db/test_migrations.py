"""A database is brought to this version from whatever version it is of, and loses nothing."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text
from structlog.testing import capture_logs

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
    migrations._store(connection, migrations.USABLE, "0001")
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


def of_a_newer_version(usable_from: str) -> Callable[[Connection], None]:
    """A database whose tables were made by a version that does not exist yet."""

    def begin(connection: Connection) -> None:
        prepare(connection)
        migrations._store(connection, migrations.PRESENT, "9999")
        migrations._store(connection, migrations.USABLE, usable_from)
        connection.execute(text("ALTER TABLE sessions ADD COLUMN added_later VARCHAR"))
        connection.execute(text(SESSION))

    return begin


@pytest.mark.parametrize("usable_from", ["0001", HEAD])
async def test_a_newer_versions_tables_are_used_where_they_can_be_and_left_as_they_are(
    database_url: str, usable_from: str
) -> None:
    async with open_database(database_url, of_a_newer_version(usable_from)):
        pass
    for _ in range(2):
        with capture_logs() as logs:
            revision, sessions, _, differences = await state(database_url)
        assert (revision, sessions, len(differences)) == ("9999", 1, 1)
        [told] = logs
        assert (told["log_level"], told["revision"]) == ("warning", "9999")


def of_a_newer_version_before_replicas(connection: Connection) -> None:
    """One that told its revision where this one tells what can use its tables."""
    migrations._store(connection, migrations.USABLE, "9999")


@pytest.mark.parametrize(
    "begin", [of_a_newer_version(usable_from="9998"), of_a_newer_version_before_replicas]
)
async def test_a_newer_versions_tables_that_can_not_be_used_are_refused_in_one_line(
    database_url: str, begin: Callable[[Connection], None]
) -> None:
    async with open_database(database_url, begin):
        pass
    with pytest.raises(SettingsError, match=r"^DATABASE_URL: a newer version .* 9999.*$"):
        async with open_database(database_url, prepare):
            pass


AS_BEFORE = (
    """SELECT session_id, opened_at, holder, base_url, owner, origin_key, origin_wish, expires_at,
        token_expires_at, last_moment, seen, ready, sealed, ended, ended_at, ended_upstream
        FROM sessions""",
    f"{SESSION} ON CONFLICT (session_id, opened_at) DO UPDATE SET holder = excluded.holder",
    """SELECT id, at, event, request_id, session_id, visitor, outcome, upstream_status,
        duration_ms, text, detail, once, holder FROM audit""",
    """INSERT INTO audit (at, event, outcome, detail, once, holder)
        VALUES (1, 'ended', 'ok', '{}', 'k', 'h') ON CONFLICT (once) DO NOTHING""",
)
"""The statements of the version that knows revision 0003 and no other: they go on as they are."""


@pytest.mark.parametrize("begin", [prepare, of_an_earlier_version])
async def test_the_version_before_replicas_starts_and_works_on_the_tables_of_this_one(
    database_url: str, begin: Callable[[Connection], None]
) -> None:
    async with open_database(database_url, begin):
        pass
    async with open_database(database_url, prepare) as database, database.engine.begin() as one:
        told = await one.execute(text("SELECT version_num FROM alembic_version"))
        assert told.all() == [("0003",)]
        for statement in AS_BEFORE * 2:
            await one.execute(text(statement))


@pytest.mark.parametrize(("usable_from", "meanwhile"), [("0002", "0002"), ("0003", HEAD)])
async def test_on_half_of_an_upgrade_no_version_starts_that_could_not_use_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, usable_from: str, meanwhile: str
) -> None:
    def cut_off(*_: object) -> None:
        raise OSError

    url = f"sqlite+aiosqlite:///{tmp_path}/broker.db"
    monkeypatch.setattr(migrations, "USABLE_FROM", usable_from)
    monkeypatch.setattr(command, "upgrade", cut_off)

    def begin(connection: Connection) -> None:
        of_the_first_with_a_record(connection)
        migrations._store(connection, migrations.PRESENT, "0002")
        with contextlib.suppress(OSError):
            prepare(connection)
        assert migrations._stored(connection, migrations.PRESENT) == "0002"
        assert migrations._stored(connection, migrations.USABLE) == meanwhile

    async with open_database(url, begin):
        pass
    monkeypatch.undo()
    assert (await state(url))[0] == HEAD


def test_the_head_is_the_last_of_the_scripts() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD
