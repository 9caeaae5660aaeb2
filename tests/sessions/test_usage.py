"""Sessions and minutes by day and by visitor, from the history of sessions."""

from collections.abc import AsyncIterator
from datetime import date

import pytest
from sqlalchemy import Connection, insert

from app.db.database import Database, open_database
from app.migrations import prepare
from app.sessions.store.repository import SESSIONS
from app.sessions.store.usage import DAYS, UsageReader
from tests.support.doubles import FakeClock

DAY = 24 * 3600
TODAY = date(2027, 1, 15)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with open_database(database_url, prepare) as database:
        yield database


async def opened(
    database: Database, at: float, seconds: float, owner: str = "ada", base_url: str = "kaltura"
) -> None:
    row = {
        "session_id": f"session of {owner} at {at}",
        "opened_at": at,
        "holder": "h",
        "base_url": base_url,
        "owner": owner,
        "expires_at": at + DAY,
        "token_expires_at": at + DAY,
        "last_moment": "expired",
        "seen": True,
        "ready": True,
        "ended": "visitor",
        "ended_at": at + seconds,
        "ended_upstream": True,
    }

    def write(connection: Connection) -> None:
        connection.execute(insert(SESSIONS).values(row))

    await database.write(write)


async def test_minutes_stand_on_the_days_on_which_they_were(
    database: Database, clock: FakeClock
) -> None:
    midnight = clock.now - clock.now % DAY
    await opened(database, midnight, 60)
    await opened(database, midnight - 0.6, 60.6, "eve")
    await opened(database, midnight - 1, 1, "bob")
    await opened(database, midnight - DAYS * DAY, 600)
    await opened(database, midnight - 100, 50, base_url="an emulator")
    used = await UsageReader(database, "kaltura", clock).by_day()
    days = list(used.values())
    assert next(iter(used)) == TODAY
    assert [day.sessions for day in days[:2]] == [1, 2]
    assert [day.seconds for day in days[:2]] == pytest.approx([120, 1.6])
    assert (len(days), sum(day.sessions for day in days)) == (DAYS, 3)


async def test_who_used_the_most_comes_first(database: Database, clock: FakeClock) -> None:
    midnight = clock.now - clock.now % DAY
    await opened(database, midnight + 10, 60)
    await opened(database, midnight - 500, 30)
    await opened(database, midnight - 500, 300, "eve")
    usage = UsageReader(database, "kaltura", clock)
    assert [(v, u.sessions, u.seconds) for v, u in (await usage.by_visitor()).items()] == [
        ("eve", 1, 300),
        ("ada", 2, 90),
    ]
    assert list(await usage.by_visitor(1)) == ["ada"]
