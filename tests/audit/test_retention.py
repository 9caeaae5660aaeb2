"""The record forgets what is older than the operator keeps it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import literal, select

from app.audit import retention
from app.audit.model import Entry, Event
from app.audit.reader import AuditReader, Filter
from app.audit.retention import Retention
from app.audit.writer import AuditWriter
from app.db.database import Database, open_database
from app.migrations import prepare
from tests.support.audit import TOKEN, Operator, opens
from tests.support.doubles import FakeClock
from tests.support.visitor_api import Visit

DAY = 24 * 3600
BATCH = 50


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with open_database(database_url, prepare) as database:
        yield database


async def test_what_is_too_old_is_forgotten_and_nothing_else(
    database: Database, clock: FakeClock
) -> None:
    record = AuditWriter(database, required=True, monotonic=clock, clock=lambda: 0.0)
    async with record.running():
        for age in (10.1, 9.9, 0):
            record.begin(Entry(at=clock() - age * DAY, event=Event.SAY_TEXT))
        await record.flush()
        assert await Retention(database, days=10, clock=clock).forget() == 1
        found = (await AuditReader(database, record).page(Filter(), limit=9)).found
    assert [one.entry.at for one in found] == [clock(), clock() - 9.9 * DAY]


async def test_no_call_waits_for_more_than_a_batch(
    database: Database, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = AuditWriter(database, required=True, monotonic=clock, clock=lambda: 0.0)
    deleted: list[int] = []
    forget_some = Retention._forget_some

    def counted(self: Retention, connection: Any) -> int:
        deleted.append(forget_some(self, connection))
        return deleted[-1]

    monkeypatch.setattr(Retention, "_forget_some", counted)
    monkeypatch.setattr(retention, "BATCH", BATCH)
    connected = [database.read(select(literal(1))) for _ in range(2)]
    await asyncio.gather(*connected)  # so that neither has to connect first
    async with record.running():
        for _ in range(20 * BATCH + 7):
            record.begin(Entry(at=0.0, event=Event.SAY_TEXT))
        await record.flush()
        forgetting = asyncio.create_task(
            Retention(database, days=1, clock=clock, sleep=lambda _: asyncio.sleep(0)).forget()
        )
        while not deleted:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0)
        await record.durable(record.begin(Entry(at=clock(), event=Event.INTERRUPT)))
        assert len(deleted) < 22, "the call came in between"
        assert await forgetting == 20 * BATCH + 7
    assert deleted == [BATCH] * 20 + [7, 0]


async def test_a_broker_forgets_by_itself(visit: Visit, tmp_path: Path, clock: FakeClock) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/broker.db"
    visitor = await visit(operator_token=TOKEN, audit_retention_days=1, database_url=url)
    await opens(visitor)
    clock.advance(DAY + 1)
    operator = Operator(visitor)
    async with asyncio.timeout(20):
        while "opened" in await operator.kinds():  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)
