"""A migration of Postgres takes as long as it takes, in one process, and holds up no writer."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection
from structlog.testing import capture_logs

from app import migrations
from app.config.sources import SettingsError
from app.db import database as opening
from app.db.database import METADATA, Database, open_database
from app.db.migration_connection import POLL_SECONDS, migrating
from app.db.postgres import Connect, connector
from app.migrations import prepare
from app.problems import RecordUnavailable

SESSION = text(
    "INSERT INTO sessions (session_id, opened_at, holder, base_url, owner, expires_at, "
    "token_expires_at, last_moment, seen, ready, ended_upstream) VALUES "
    "(gen_random_uuid(), 1, 'h', 'u', 'ada', 2, 2, 'expired', false, true, true)"
)
INDEX = "sessions_of_origin"
_IS_VALID = text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)")
_INVALIDATE = text("UPDATE pg_index SET indisvalid = false WHERE indexrelid = to_regclass(:name)")


@pytest.fixture
def connect(postgres_url: str) -> Connect:
    return connector(postgres_url, seconds=5.0)


@contextlib.asynccontextmanager
async def of_revision_0004(url: str) -> AsyncIterator[Database]:
    """A database that lacks the index, and a broker that writes to it."""

    def begin(connection: Connection) -> None:
        METADATA.create_all(connection)
        connection.execute(text(f"DROP INDEX {INDEX}"))
        migrations._store(connection, migrations.USABLE, "0004")

    async with open_database(url, begin) as database:
        yield database


async def is_usable(database: Database) -> bool:
    found = await database.read(_IS_VALID.bindparams(name=INDEX))
    return [row[0] for row in found] == [True]


async def test_no_bound_of_a_statement_bounds_a_migration(
    postgres_url: str, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    bounded = await connect()
    name = postgres_url.rpartition("/")[2]
    for bound in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
        await bounded.execute(f"ALTER DATABASE {name} SET {bound} = '200ms'")
    await bounded.close()
    monkeypatch.setattr(opening, "BUSY_SECONDS", 0.3)

    def slow(connection: Connection) -> None:
        connection.execute(text("SELECT pg_sleep(0.5)"))

    async with open_database(postgres_url, slow) as database:
        with pytest.raises(RecordUnavailable):
            await database.read(text("SELECT pg_sleep(0.5)"))


async def test_a_start_waits_for_another_processs_migration_and_says_so_once(
    connect: Connect,
) -> None:
    waits = 0

    async def sleep(_: float) -> None:
        nonlocal waits
        waits += 1
        if waits == 3:
            await other.aclose()

    async with contextlib.AsyncExitStack() as other:
        await other.enter_async_context(migrating(connect))
        with capture_logs() as logs:
            async with migrating(connect, sleep=sleep):
                pass
    assert waits == 3
    assert len(logs) == 1


async def test_a_migration_that_never_ends_is_told_in_one_line(connect: Connect) -> None:
    async def sleep(_: float) -> None:
        pass

    async with migrating(connect):
        with pytest.raises(SettingsError, match=r"^DATABASE_URL: another process .* 1 minutes.*$"):
            async with migrating(connect, wait_seconds=60 * POLL_SECONDS, sleep=sleep):
                pass


async def test_an_index_is_built_while_others_write(postgres_url: str) -> None:
    async with of_revision_0004(postgres_url) as database:
        async with database.engine.connect() as slow_writer:
            await slow_writer.execute(SESSION)
            upgrading = asyncio.create_task(_upgrade(postgres_url))
            await _waits_for_writers(database)
            async with database.engine.connect() as writer:
                await writer.execute(text("SET lock_timeout = '2s'"))
                await writer.execute(SESSION)
                await writer.commit()
            assert not upgrading.done()
            await slow_writer.commit()
        await upgrading
        assert await is_usable(database)


async def test_starts_that_wait_for_an_index_do_not_keep_it_from_being_built(
    postgres_url: str,
) -> None:
    async with of_revision_0004(postgres_url) as database:
        await asyncio.gather(*(_upgrade(postgres_url) for _ in range(3)))
        assert await is_usable(database)


async def test_an_index_that_was_cut_off_is_built_anew(postgres_url: str) -> None:
    async with of_revision_0004(postgres_url) as database:
        async with database.engine.begin() as connection:
            await connection.execute(text(f"CREATE INDEX {INDEX} ON sessions (owner)"))
            await _invalidate(connection)
        assert not await is_usable(database)
        await _upgrade(postgres_url)
        assert await is_usable(database)


async def _upgrade(url: str) -> None:
    async with open_database(url, prepare):
        pass


async def _invalidate(connection: AsyncConnection) -> None:
    """As `CREATE INDEX CONCURRENTLY` leaves it when it is cut off."""
    await connection.execute(_INVALIDATE, {"name": INDEX})


async def _waits_for_writers(database: Database) -> None:
    building = text(
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX%' "
        "AND wait_event_type = 'Lock' AND datname = current_database()"
    )
    async with asyncio.timeout(10):
        while not (await database.read(building))[0][0]:  # noqa: ASYNC110 - Postgres tells nobody
            await asyncio.sleep(0.02)
