"""Which replica has a session, as it is remembered."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest

from app.problems import RecordUnavailable
from app.replicas import owners
from app.replicas.owners import FRESH_SECONDS, UNKNOWN_SECONDS, SessionOwner, SessionOwners
from tests.support.doubles import FakeClock, settled

OWNER = SessionOwner("holder-1", "http://one.test")


class Table:
    """The rows of sessions, and how often they are asked for."""

    def __init__(self) -> None:
        self.rows: dict[str, SessionOwner] = {"session-1": OWNER}
        self.looks = 0
        self.is_down = False

    async def find(self, session_id: str) -> SessionOwner | None:
        self.looks += 1
        if self.is_down:
            raise RecordUnavailable
        return self.rows.get(session_id)


@pytest.mark.parametrize(
    ("session_id", "seconds"), [("session-1", FRESH_SECONDS), ("nobody", UNKNOWN_SECONDS)]
)
async def test_it_is_remembered_for_a_moment_and_that_nobody_has_it_for_a_shorter_one(
    clock: FakeClock, session_id: str, seconds: float
) -> None:
    table = Table()
    owners = SessionOwners(table.find, clock)
    for _ in range(3):
        await owners.find(session_id)
    assert table.looks == 1
    clock.advance(seconds)
    await owners.find(session_id)
    assert table.looks == 2
    assert UNKNOWN_SECONDS < FRESH_SECONDS


async def test_what_is_forgotten_is_looked_up_even_when_it_was_read_just_before(
    clock: FakeClock,
) -> None:
    table = Table()
    owners = SessionOwners(table.find, clock)
    for forget in (partial(owners.forget, "session-1"), owners.forget_all):
        await owners.find("session-1")
        table.looks = 0
        forget()
        await owners.find("session-1")
        assert table.looks == 1

    async def overtaken(session_id: str) -> SessionOwner | None:
        found = await table.find(session_id)
        late.forget(session_id)  # it changes between the read and its answer
        return found

    late = SessionOwners(overtaken, clock)
    table.looks = 0
    await late.find("session-1")
    await late.find("session-1")
    assert table.looks == 2


async def test_while_the_database_is_away_the_last_owner_counts(clock: FakeClock) -> None:
    table = Table()
    owners = SessionOwners(table.find, clock)
    await owners.find("session-1")
    clock.advance(FRESH_SECONDS)
    table.is_down = True
    assert await owners.find("session-1") == OWNER
    with pytest.raises(RecordUnavailable):
        await owners.find("session-2")


async def test_no_more_than_so_many_are_remembered(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owners, "MAX_REMEMBERED", 3)
    table = Table()
    remembered = SessionOwners(table.find, clock)
    for number in range(10):
        await remembered.find(f"nobody-{number}")
    assert len(remembered._found) == 3


@asynccontextmanager
async def telling(owners: SessionOwners) -> AsyncIterator[None]:
    """Those who watch are told of sessions that move."""
    running = asyncio.create_task(owners.run())
    await settled()
    yield
    running.cancel()
    await asyncio.wait([running])


async def test_whoever_waits_for_an_owner_is_told_when_its_session_has_moved(
    clock: FakeClock,
) -> None:
    table, told = Table(), list[str]()
    table.rows["session-2"] = OWNER
    owners = SessionOwners(table.find, clock)
    async with telling(owners):
        with (
            owners.watched("session-1", OWNER, lambda: told.append("one")),
            owners.watched("session-2", OWNER, lambda: told.append("two")),
        ):
            owners.forget_all()
            await settled()
            assert told == [], "none has moved"
            table.rows["session-1"] = SessionOwner("holder-2", None)
            table.is_down = True
            owners.forget_all()
            await settled()
            assert told == [], "nobody knows"
            table.is_down = False
            owners.forget_all()
            await settled()
            assert told == ["one"]
        del table.rows["session-2"]
        owners.forget_all()
        await settled()
    assert told == ["one"], "who has its answer waits no more"


async def test_so_is_who_begins_to_wait_when_the_session_has_moved_already(
    clock: FakeClock,
) -> None:
    table, told = Table(), list[str]()
    owners = SessionOwners(table.find, clock)
    async with telling(owners):
        asked = await owners.find("session-1")
        assert asked is not None
        table.rows["session-1"] = SessionOwner("holder-2", None)
        owners.forget_all()
        await settled()
        with owners.watched("session-1", asked, lambda: told.append("moved")):
            await settled()
        assert told == ["moved"]
