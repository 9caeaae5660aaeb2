"""The record's writer: what is on disk when, and what happens when the disk takes nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from sqlalchemy import Connection

from app.audit.model import PENDING, UNKNOWN, Entry, Event
from app.audit.reader import AuditReader, Filter
from app.audit.writer import (
    GATHER_SECONDS,
    LATE_SECONDS,
    MAX_LATE_SECONDS,
    MAX_QUEUED,
    MAX_QUEUED_WHILE_FAILING,
    AuditWriter,
)
from app.db.database import Database, open_database
from app.migrations import prepare
from app.problems import RecordUnavailable
from app.replicas.postgres_lease import PostgresLease
from tests.support.doubles import FakeClock, settled
from tests.support.leases import die, lease_on

SAID = Entry(at=0.0, event=Event.SAY_TEXT, outcome=PENDING)
KEPT_ALIVE = Entry(at=0.0, event=Event.KEEP_ALIVE, outcome=PENDING)


class Disk:
    """A database whose commits a test can hold up, or refuse."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.commits: list[int] = []
        self.open = asyncio.Event()
        self.open.set()
        self.is_full = False
        write = database.write

        async def written(work: Any, **_: Any) -> Any:
            await self.open.wait()
            if self.is_full:
                raise RecordUnavailable

            def counted(connection: Connection) -> Any:
                ids = work(connection)
                self.commits.append(len(ids))
                return ids

            return await write(counted)

        database.write = written  # type: ignore[method-assign] # a disk of this test's own


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
async def disk(stack: AsyncExitStack, database_url: str) -> Disk:
    database = await stack.enter_async_context(open_database(database_url, prepare))
    await stack.enter_async_context(lease_on(database, database_url))
    return Disk(database)


@pytest.fixture
async def record(stack: AsyncExitStack, disk: Disk, clock: FakeClock) -> AuditWriter:
    record = AuditWriter(disk.database, required=True, monotonic=clock, clock=lambda: 0.0)
    await stack.enter_async_context(record.running())
    return record


def in_doubt(record: AuditWriter) -> bool:
    return record.is_doubtful


async def entries(disk: Disk, record: AuditWriter) -> list[Entry]:
    page = await AuditReader(disk.database, record).page(Filter(), limit=1000)
    return [found.entry for found in reversed(page.found)]


async def test_what_waits_is_written_in_one_commit(disk: Disk, record: AuditWriter) -> None:
    disk.open.clear()
    first = record.begin(SAID)
    await asyncio.sleep(0)
    others = [record.begin(SAID) for _ in range(20)]
    disk.open.set()
    for line in (first, *others):
        await record.durable(line)
    assert disk.commits == [1, 20]


async def test_calls_are_gathered_for_one_commit_while_several_are_under_way(
    disk: Disk, record: AuditWriter
) -> None:
    await asyncio.gather(*(record.durable(record.begin(SAID)) for _ in range(3)))
    first = record.begin(SAID)
    await settled()
    second = record.begin(SAID)
    for line in (first, second):
        await record.durable(line)
    assert disk.commits == [3, 2]


async def test_keep_alives_are_gathered_until_their_outcomes_are_known(
    disk: Disk, record: AuditWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.audit.writer.ROUTINE_GATHER_SECONDS", 3600)
    await asyncio.gather(*(record.durable(record.begin(SAID)) for _ in range(3)))
    lines = [record.begin(KEPT_ALIVE) for _ in range(2)]
    await asyncio.sleep(2 * GATHER_SECONDS)
    for line in lines:
        record.note(line, outcome="ok")
    assert disk.commits == [3]
    await record.durable(record.begin(SAID))  # it does not wait as long, and takes them along
    assert disk.commits == [3, 3]
    outcomes = [entry.outcome for entry in await entries(disk, record)]
    assert outcomes == [PENDING, PENDING, PENDING, "ok", "ok", PENDING]


async def test_a_lone_keep_alive_is_written_at_once(
    disk: Disk, record: AuditWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.audit.writer.ROUTINE_GATHER_SECONDS", 3600)
    await record.durable(record.begin(KEPT_ALIVE))
    assert disk.commits == [1]


async def test_what_became_of_a_call_is_added_and_nobody_waits_for_it(
    disk: Disk, record: AuditWriter
) -> None:
    line = record.begin(SAID)
    await record.durable(line)
    record.note(line, outcome="ok", duration_ms=7.5)
    [entry] = await entries(disk, record)
    assert (entry.outcome, entry.duration_ms) == ("ok", 7.5)
    assert disk.commits == [1, 1]


async def test_each_call_of_one_commit_has_its_own_outcome(disk: Disk, record: AuditWriter) -> None:
    outcomes = ["ok", "queue-full", "kaltura-failed"]
    lines = [record.begin(SAID._replace(text=outcome)) for outcome in outcomes]
    for line, outcome in zip(lines, outcomes, strict=True):
        await record.durable(line)
        record.note(line, outcome=outcome)
    assert [(each.text, each.outcome) for each in await entries(disk, record)] == [
        (outcome, outcome) for outcome in outcomes
    ]


async def test_what_becomes_known_before_the_commit_costs_no_second_one(
    disk: Disk, record: AuditWriter
) -> None:
    line = record.begin(SAID)
    record.note(line, outcome="ok")
    await record.durable(line)
    assert [entry.outcome for entry in await entries(disk, record)] == ["ok"]
    assert disk.commits == [1]


async def test_what_becomes_known_during_the_commit_is_not_lost(
    disk: Disk, record: AuditWriter
) -> None:
    disk.open.clear()
    line = record.begin(SAID)
    await asyncio.sleep(0.01)
    record.note(line, outcome="kaltura-error")
    disk.open.set()
    assert [entry.outcome for entry in await entries(disk, record)] == ["kaltura-error"]


async def test_entries_stand_in_the_order_in_which_they_were_told(
    disk: Disk, record: AuditWriter
) -> None:
    disk.open.clear()
    for n in range(5):
        record.begin(Entry(at=n, event=Event.ENDED, dedup_key=f"end of {n}"))
        record.begin(Entry(at=n + 0.5, event=Event.OPENED))
    disk.open.set()
    assert [entry.at for entry in await entries(disk, record)] == [n / 2 for n in range(10)]


async def test_the_end_of_a_session_is_told_once_however_often_it_is_told(
    disk: Disk, record: AuditWriter
) -> None:
    for at in (1.0, 2.0):
        record.begin(Entry(at=at, event=Event.ENDED, dedup_key="end of session-1"))
        await record.flush()
    assert [entry.at for entry in await entries(disk, record)] == [1.0]


async def test_what_cannot_be_written_is_refused_and_forgotten_unless_it_is_a_fact(
    disk: Disk, record: AuditWriter
) -> None:
    disk.is_full = True
    asked = record.begin(SAID)
    sent = record.begin(Entry(at=1.0, event=Event.SAY_TEXT, outcome=PENDING), must_persist=True)
    for line in (asked, sent):
        with pytest.raises(RecordUnavailable):
            await record.durable(line)
    assert in_doubt(record)
    record.note(sent, outcome="ok")
    record.note(asked, outcome="ok")
    disk.is_full = False
    await record.durable(record.begin(Entry(at=2.0, event=Event.INTERRUPT)))
    assert not in_doubt(record)
    assert [(e.at, e.outcome) for e in await entries(disk, record)] == [(1.0, "ok"), (2.0, "ok")]


async def test_what_is_kept_is_written_though_nobody_calls(
    stack: AsyncExitStack, disk: Disk
) -> None:
    record = AuditWriter(
        disk.database,
        required=True,
        monotonic=FakeClock(),
        clock=lambda: 0.0,
        retry_seconds=0.01,
    )
    await stack.enter_async_context(record.running())
    disk.is_full = True
    record.begin(Entry(at=1.0, event=Event.ENDED), must_persist=True, bypass_limits=True)
    await record.flush()
    assert in_doubt(record)
    disk.is_full = False
    async with asyncio.timeout(10):
        await record.next_commit()
    assert not in_doubt(record)


async def test_a_commit_that_takes_long_is_doubted_before_it_fails(
    disk: Disk, record: AuditWriter, clock: FakeClock
) -> None:
    disk.open.clear()
    line = record.begin(SAID)
    await asyncio.sleep(0)
    clock.advance(LATE_SECONDS)
    assert not in_doubt(record)
    clock.advance(0.01)
    assert in_doubt(record)
    disk.open.set()
    await record.durable(line)
    assert not in_doubt(record)


async def test_nobody_is_held_up_by_an_end_nor_where_the_record_is_not_required(
    disk: Disk, clock: FakeClock, record: AuditWriter
) -> None:
    disk.is_full = True
    await record.durable(record.begin(SAID, bypass_limits=True))
    optional = AuditWriter(disk.database, required=False, monotonic=clock, clock=lambda: 0.0)
    async with optional.running():
        await optional.durable(optional.begin(SAID))
        await optional.flush()
        assert optional.waiting == 1
        disk.is_full = False
    assert len(await entries(disk, record)) == 1, "it is tried once more at the end"


async def test_an_entry_that_is_written_long_after_says_so(disk: Disk, clock: FakeClock) -> None:
    record = AuditWriter(disk.database, required=True, monotonic=clock, clock=clock)
    async with record.running():
        disk.is_full = True
        for age in (MAX_LATE_SECONDS, 3600.0):
            record.begin(Entry(at=clock() - age, event=Event.ENDED), must_persist=True)
        await record.flush()
        disk.is_full = False
        await record.durable(record.begin(Entry(at=clock(), event=Event.OPENED)))
        found = [(e.at, e.detail) for e in await entries(disk, record)]
    assert found == [
        (clock() - MAX_LATE_SECONDS, {}),
        (clock(), {"lateSeconds": 3600.0}),
        (clock(), {}),
    ]


async def test_what_waits_in_memory_is_bounded(disk: Disk, record: AuditWriter) -> None:
    disk.open.clear()
    lines = [record.begin(SAID, must_persist=True) for _ in range(MAX_QUEUED + 2)]
    of_a_refused_call = record.begin(SAID)
    assert record.waiting == MAX_QUEUED
    assert record.lost == 2, "a call that is refused has not happened"
    assert in_doubt(record)
    for line in (lines[-1], of_a_refused_call):
        with pytest.raises(RecordUnavailable):
            await record.durable(line)
    disk.open.set()
    await record.durable(lines[-3])


@pytest.mark.parametrize("event", [Event.KEEP_ALIVE, Event.INTERRUPT])
async def test_in_a_long_outage_what_there_is_much_of_leaves_room_to_the_rest(
    disk: Disk, record: AuditWriter, event: Event
) -> None:
    disk.is_full = True
    with pytest.raises(RecordUnavailable):
        await record.durable(record.begin(SAID))
    disk.open.clear()
    entry = SAID._replace(event=event)
    for _ in range(MAX_QUEUED_WHILE_FAILING + 2):
        record.begin(entry, must_persist=True)
    lost = record.lost
    record.begin(SAID._replace(event=Event.END), must_persist=True)
    waiting = record.waiting
    disk.is_full = False
    disk.open.set()
    assert (waiting, lost, record.lost) == (MAX_QUEUED_WHILE_FAILING + 1, 2, 2)


async def test_a_caller_who_gives_up_does_not_take_the_others_along(
    disk: Disk, record: AuditWriter
) -> None:
    disk.open.clear()
    line = record.begin(SAID)
    gone = asyncio.create_task(record.durable(line))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    disk.open.set()
    await record.durable(line)
    assert len(await entries(disk, record)) == 1


async def test_what_was_pending_when_its_process_died_is_unknown(
    disk: Disk, record: AuditWriter, stack: AsyncExitStack, database_url: str
) -> None:
    await record.durable(record.begin(SAID))
    assert [entry.outcome for entry in await entries(disk, record)] == [PENDING]
    other = await stack.enter_async_context(open_database(database_url, prepare))
    lease = await stack.enter_async_context(lease_on(other, database_url))
    audit_reader = AuditReader(
        other, AuditWriter(other, required=True, monotonic=FakeClock(), clock=lambda: 0.0)
    )

    async def outcome() -> str:
        return (await audit_reader.page(Filter(), limit=1)).found[0].entry.outcome

    assert await outcome() == PENDING
    await die(disk.database)
    if isinstance(lease, PostgresLease):
        await other.write(lease.declare_dead)
    assert await outcome() == UNKNOWN
