"""On Postgres several transactions write at once, and a session's in the order of its changes."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import insert, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.database import Database, open_database
from app.kaltura.client import SessionAccess
from app.migrations import prepare
from app.sessions.clock import SessionClock
from app.sessions.keyring import Keyring
from app.sessions.store.model import AvatarSession
from app.sessions.store.repository import SESSIONS, SessionRepository
from tests.support.doubles import FakeClock

KEY = SecretStr("a-signing-key-for-tests-of-32-characters")
WAITING = text(
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE wait_event_type = 'Lock' AND datname = current_database()"
)


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    async with open_database(postgres_url, prepare) as database:
        yield database


@pytest.fixture
async def wall() -> FakeClock:
    return FakeClock()


@pytest.fixture
def repository(database: Database, clock: FakeClock, wall: FakeClock) -> SessionRepository:
    times = SessionClock(wall, clock, lambda: 0.0)
    cipher = Keyring([KEY]).at_rest()
    return SessionRepository(database, cipher, base_url="https://kaltura.test", clock=times)


@pytest.fixture
async def other(database: Database) -> AsyncIterator[AsyncConnection]:
    """The open transaction of somebody else, for whose end others may have to wait."""
    async with database.engine.connect() as connection:
        yield connection


def session(name: str, owner: str, opened_at: float) -> AvatarSession:
    return AvatarSession(
        access=SessionAccess(name, SecretStr("token")),
        owner=owner,
        opened_at=opened_at,
        expires_at=opened_at + 900,
        token_expires_at=opened_at + 900,
        seen_at=None,
        ready=True,
    )


async def waiting(database: Database, count: int) -> None:
    """Return when so many statements wait for a lock."""
    async with asyncio.timeout(4):
        while (await database.read(WAITING))[0][0] < count:  # noqa: ASYNC110 - Postgres tells nobody
            await asyncio.sleep(0.01)


async def test_a_slow_write_holds_up_its_own_sessions_next_and_no_other(
    database: Database, repository: SessionRepository, other: AsyncConnection, clock: FakeClock
) -> None:
    first = session("session-1", "nobody", clock())
    await repository.save(first)
    await other.execute(update(SESSIONS).values(owner="somebody"))
    changes = [asyncio.create_task(repository.save(first._replace(owner=o))) for o in "abc"]
    await waiting(database, 1)
    async with asyncio.timeout(4):
        await repository.save(session("session-2", "d", clock()))
    assert [row[0] for row in await database.read(WAITING)] == [1], "the others are not sent yet"
    await other.commit()
    await asyncio.gather(*changes)
    found = await database.read(SESSIONS.select().order_by(SESSIONS.c.session_id))
    assert [row.owner for row in found] == ["c", "d"]


async def test_no_row_keeps_the_time_from_before_the_clock_was_set(
    database: Database,
    repository: SessionRepository,
    other: AsyncConnection,
    clock: FakeClock,
    wall: FakeClock,
) -> None:
    new = session("session-1", "ada", clock())
    await other.execute(insert(SESSIONS).values(_row_of(new)))  # the save has to wait for its end
    saving = asyncio.create_task(repository.save(new))
    await waiting(database, 1)
    wall.advance(3600)
    following = asyncio.create_task(repository.seconds_used(clock()))
    done, _ = await asyncio.wait({following}, timeout=0.3)
    assert not done, "it has to wait for the one that is under way"
    await other.rollback()
    await asyncio.gather(saving, following)
    [row] = await database.read(SESSIONS.select())
    assert row.opened_at == new.opened_at + 3600


def _row_of(new: AvatarSession) -> dict[str, Any]:
    return {
        "session_id": new.session_id,
        "opened_at": new.opened_at,
        "holder": "another",
        "base_url": "another",
        "owner": new.owner,
        "expires_at": 0,
        "token_expires_at": 0,
        "last_moment": "expired",
        "seen": False,
        "ready": False,
        "ended_upstream": True,
    }
