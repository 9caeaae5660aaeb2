"""What outlives a process: on a real SQLite file, with processes as databases of their own."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import httpx
import pytest
from asgi_lifespan import LifespanManager
from pydantic import SecretStr
from sqlalchemy import Connection, event
from sqlalchemy.exc import OperationalError

from app import main
from app.db.database import BUSY_SECONDS, Database, open_database
from app.identity.visitor import Visitor
from app.kaltura.client import SessionAccess
from app.migrations import prepare
from app.problems import BudgetSpent, KalturaFailed, KalturaTimeout, RecordUnavailable, SessionEnded
from app.sessions import registry
from app.sessions.access import Caller
from app.sessions.capacity.budgets import DAY_SECONDS
from app.sessions.clock import SessionClock
from app.sessions.keyring import Keyring
from app.sessions.lifecycle import reaper
from app.sessions.lifecycle.options import SessionOptions
from app.sessions.registry import MAX_ENDED
from app.sessions.runtime import SessionRuntime
from app.sessions.store.assembly import session_store
from app.sessions.store.model import AvatarSession, EndReason
from tests.support.database import engines
from tests.support.doubles import (
    KALTURA_TOKEN,
    FakeClock,
    FakeKaltura,
    Gate,
    refusal,
    settings,
    settled,
)
from tests.support.leases import die, lease_on
from tests.support.session_store import InMemorySessionStore
from tests.support.sessions import Domain

KEY = SecretStr("a-signing-key-for-tests-of-32-characters")
OTHER_KEY = SecretStr("another-signing-key-of-32-characters!")
BASE_URL = "https://kaltura.test"


class Process:
    """A broker on the database file; `kill` leaves everything as it is, as SIGKILL would."""

    def __init__(self, house: Domain, database: Database) -> None:
        self.house = house
        self.registry = house.registry
        self.database = database

    async def kill(self) -> None:
        await die(self.database)


Start = Callable[..., Any]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "broker.db"


@pytest.fixture
async def start(database_url: str, kaltura: FakeKaltura, clock: FakeClock) -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        async def start(
            keys: tuple[SecretStr, ...] = (KEY,),
            base_url: str = BASE_URL,
            monotonic: FakeClock = clock,
            **changes: Any,
        ) -> Process:
            database = await stack.enter_async_context(open_database(database_url, prepare))
            lease = await stack.enter_async_context(lease_on(database, database_url))
            times = SessionClock(clock, monotonic, lambda: 0.0)
            repository = session_store(
                database, Keyring(keys).at_rest(), base_url=base_url, clock=times, lease=lease
            )
            changes |= {"monotonic": monotonic, "database_url": database_url}
            house = Domain(kaltura, clock, repository, session_clock=times, lease=lease, **changes)
            stack.push_async_callback(house.registry.aclose)
            await house.registry.take_over()
            return Process(house, database)

        yield start


def rows(path: Path, columns: str = "*") -> list[Any]:
    with sqlite3.connect(path) as connection:
        found = connection.execute(f"SELECT {columns} FROM sessions").fetchall()  # noqa: S608 - our own words
    connection.close()
    return found


@asynccontextmanager
async def broken(database: Database) -> AsyncIterator[list[str]]:
    """A disk that takes nothing more, and the statements that it refused."""
    refused: list[str] = []

    def refuse(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        refused.append(statement)
        raise OperationalError("INSERT", {}, Exception("database or disk is full"))

    for engine in engines(database):
        event.listen(engine, "before_cursor_execute", refuse)
    yield refused
    for engine in engines(database):
        event.remove(engine, "before_cursor_execute", refuse)


async def written_as_far_as_possible(process: Process) -> None:
    """Return when nothing is written in the background any more."""
    await process.database.settle()
    await settled()


async def test_a_session_is_written_down_before_its_visitor_gets_it(
    start: Start, path: Path, kaltura: FakeKaltura
) -> None:
    process = await start()
    on_disk: list[int] = []

    async def init_client() -> Any:
        on_disk.append(len(rows(path)))
        return refusal(500)

    kaltura.will("init-client", init_client)
    with pytest.raises(Exception, match="Kaltura"):
        await process.house.open()
    assert on_disk == [1]


async def test_a_watched_session_lives_on_in_the_next_process(
    start: Start, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    first = await start()
    opened = await first.house.admission.open_now("visitor-1", SessionOptions())
    await first.kill()
    clock.advance(30)
    second = await start()
    found = await second.house.access_control.find(
        Caller(token=second.house.issued(opened).token.get_secret_value()),
        opened.session.session_id,
    )
    assert found.session.media == opened.session.media
    for _ in range(12):
        clock.advance(10)
        await second.house.service.keep_alive(
            await second.house.access_control.find(
                Caller(visitor=Visitor("visitor-1")), opened.session.session_id
            )
        )
        await second.house.sweep()
    await second.house.say(await second.house.here(opened), "still here")
    assert kaltura.calls[-1].authorization == f"Bearer {KALTURA_TOKEN}"
    assert kaltura.operations().count("end") == 0


async def test_an_unwatched_session_is_ended_by_the_next_process(
    start: Start, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    first = await start()
    session = await first.house.open()
    await first.kill()
    second = await start()
    clock.advance(90)
    await second.house.sweep()
    assert (await second.house.now(session)).ended == EndReason.IDLE
    assert kaltura.operations().count("end") == 1


async def test_a_session_past_its_time_is_ended_at_once(
    start: Start, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    first = await start()
    session = await first.house.open()
    await first.kill()
    clock.advance(901)
    second = await start()
    await second.house.sweep()
    assert (await second.house.now(session)).ended == EndReason.EXPIRED
    assert kaltura.operations().count("end") == 1


async def test_an_end_that_kaltura_refused_is_tried_again_by_the_next_process(
    start: Start, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    first = await start()
    session = await first.house.open()
    kaltura.will("end", *[refusal(503)] * 3)
    with pytest.raises(Exception, match="Kaltura"):
        await first.house.end(session)
    await first.registry.take_over()
    await first.kill()
    second = await start()
    await second.house.sweep()
    current = await second.house.now(session)
    assert (current.ended, current.ended_upstream) == (EndReason.VISITOR, True)


async def test_sessions_taken_over_hold_their_places(start: Start) -> None:
    first = await start(max_concurrent_sessions=2)
    for owner in "ab":
        await first.house.open(owner)
    await first.kill()
    second = await start(max_concurrent_sessions=2)
    assert (await second.house.wait("c")).position == 1


async def test_a_process_that_lives_keeps_its_sessions_and_a_dead_ones_are_taken_over_later(
    start: Start,
) -> None:
    first, second = await start(), await start()
    session = await first.house.open()
    await second.registry.take_over()
    assert second.registry.sessions() == []
    await first.kill()
    await second.registry.take_over()
    assert [s.session_id for s in second.registry.sessions()] == [session.session_id]
    third = await start()
    assert third.registry.sessions() == [], "one process takes it over, not two"


async def test_the_reaper_takes_over_what_a_process_leaves_that_dies_while_it_runs(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reaper, "TAKE_OVER_SECONDS", 0)
    first, second = await start(), await start()
    session = await first.house.open()
    running = asyncio.create_task(second.house.reaper.run())
    await first.kill()
    async with asyncio.timeout(10):
        while await second.registry.find(session.session_id) is None:  # noqa: ASYNC110 - the reaper is what we wait for
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_of_two_processes_that_find_the_same_dead_one_only_one_has_its_sessions(
    start: Start, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = await start(), await start()
    session = await first.house.open()
    await first.kill()

    async def found_by_another_too(_: str) -> bool:
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE sessions SET holder = 'another that was quicker'")
        connection.close()
        return False

    monkeypatch.setattr(second.database, "is_process_running", found_by_another_too)
    await second.registry.take_over()
    assert second.registry.sessions() == []
    assert await second.registry.find(session.session_id) is None


async def test_however_many_have_ended_lately_none_that_is_open_is_left_behind(
    start: Start, path: Path, clock: FakeClock
) -> None:
    first = await start()
    await first.house.end(await first.house.open())
    await first.database.settle()
    with sqlite3.connect(path) as connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(sessions)")]
        own = ", ".join(column for column in columns if column != "session_id")
        connection.executemany(
            f"INSERT INTO sessions (session_id, {own}) SELECT ?, {own} FROM sessions LIMIT 1",  # noqa: S608 - our own words
            [(f"ended-{n}",) for n in range(MAX_ENDED)],
        )
    connection.close()
    clock.advance(1)
    session = await first.house.open()
    await first.kill()
    second = await start()
    assert [s.session_id for s in second.registry.sessions()] == [session.session_id]


async def test_a_session_that_was_only_half_opened_is_ended_and_its_key_opens_another(
    start: Start, kaltura: FakeKaltura
) -> None:
    first = await start()
    gate = Gate()
    kaltura.will("init-client", gate)
    opening = asyncio.create_task(first.house.admission.open("a", SessionOptions(), "key"))
    await gate.reached.wait()
    await first.kill()
    second = await start(max_sessions_per_visitor=1)
    again = await second.house.admission.open("a", SessionOptions(), "key")
    assert isinstance(again, SessionRuntime)
    caller = Caller(visitor=Visitor("a"))
    held_by_a = await second.house.access_control.find(caller, again.session.session_id)
    assert held_by_a.session.ended is None
    await second.house.sweep()
    assert [c.session_id for c in kaltura.calls if c.operation == "end"] == ["session-1"]
    gate.open.set()
    await asyncio.gather(opening, return_exceptions=True)


async def test_a_key_stays_with_the_session_that_was_opened_last(
    start: Start, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    first, second = await start(), await start()
    kaltura.will("init-client", gate := Gate())
    half_opened = asyncio.create_task(first.house.admission.open("a", SessionOptions(), "key"))
    await gate.reached.wait()
    await first.kill()
    clock.advance(1)
    opening = asyncio.create_task(second.house.admission.open("a", SessionOptions(), "key"))
    await second.registry.take_over()
    opened = await opening
    assert await second.house.admission.open("a", SessionOptions(), "key") is opened
    gate.open.set()
    await asyncio.gather(half_opened, return_exceptions=True)


async def test_what_one_process_ended_no_other_ends_again(
    start: Start, kaltura: FakeKaltura
) -> None:
    first = await start()
    await first.house.end(await first.house.open())
    await first.kill()
    second = await start()
    await second.house.sweep()
    assert kaltura.operations().count("end") == 1
    assert second.registry.sessions() == []


async def test_pages_are_told_why_an_earlier_process_ended_their_session(start: Start) -> None:
    first = await start()
    session = await first.house.open()
    await first.house.shutdown.close()
    await first.kill()
    second = await start()
    with pytest.raises(SessionEnded) as over:
        await second.house.speech.say_text(
            await second.house.grant(session), "hello", None, is_final=True
        )
    assert over.value.extensions == {"endReason": "shutdown"}


async def test_the_same_key_is_answered_with_the_same_session_after_a_crash(
    start: Start, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    first = await start()
    before = await first.house.admission.open("a", SessionOptions(), "key")
    assert isinstance(before, SessionRuntime)
    token = first.house.issued(before).token
    await first.kill()
    clock.advance(10)
    second = await start()
    after = await second.house.admission.open("a", SessionOptions(), "key")
    assert isinstance(before, SessionRuntime)
    assert isinstance(after, SessionRuntime)
    assert second.house.issued(after).token == token
    assert kaltura.operations().count("create") == 1


async def test_todays_minutes_are_remembered(start: Start, clock: FakeClock) -> None:
    first = await start(daily_minutes_per_visitor=1)
    session = await first.house.open("a")
    clock.advance(40)
    await first.house.end(session)
    await first.kill()
    second = await start(daily_minutes_per_visitor=1)
    again = await second.house.open("a")
    assert again.session.expires_at == clock.now + 20
    clock.advance(20)
    await second.house.sweep()
    with pytest.raises(BudgetSpent):
        await second.house.open("a")
    await second.house.open("b")


@pytest.mark.parametrize("by", [-3600, 3600])
async def test_a_wall_clock_that_is_set_changes_the_length_of_no_session(
    start: Start, clock: FakeClock, kaltura: FakeKaltura, by: int
) -> None:
    clock.now -= clock.now % DAY_SECONDS - DAY_SECONDS / 2
    passing = FakeClock(5.0)
    first = await start(monotonic=passing, daily_minutes=10)
    over, open_ = await first.house.open("a"), await first.house.open("a")
    await first.house.end(over)
    for one in (clock, passing):
        one.advance(60)
    clock.advance(by)
    assert await first.house.budgets.seconds_left(await first.house.now(open_)) == 540
    await first.registry.take_over()
    await first.kill()
    second = await start(monotonic=FakeClock(9.0), daily_minutes=10)
    [taken_over] = second.registry.runtimes()
    assert taken_over.session.expires_at - clock() == 540
    assert await second.registry.seconds_used(clock() - DAY_SECONDS / 4) == 60
    await second.house.end(taken_over)
    assert await second.registry.seconds_used(clock() - DAY_SECONDS / 4) == 60
    third = await start(monotonic=FakeClock(9.0))
    assert third.registry.sessions() == []
    assert kaltura.operations().count("end") == 2


async def test_a_wall_clock_that_could_not_be_followed_is_followed_later(
    start: Start, path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = await start(monotonic=FakeClock(5.0))
    await process.house.open()
    [(opened_at,)] = rows(path, "opened_at")
    clock.advance(3600)
    write = process.database.write

    async def uncommitted(work: Callable[[Connection], Any], **_: Any) -> Any:
        def refused(connection: Connection) -> None:
            work(connection)
            raise OperationalError("COMMIT", {}, Exception("database or disk is full"))

        return await write(refused)

    with monkeypatch.context() as patch:
        patch.setattr(process.database, "write", uncommitted)
        with pytest.raises(RecordUnavailable):
            await process.registry.take_over()
    await process.registry.take_over()
    assert rows(path, "opened_at") == [(opened_at + 3600,)]


async def test_the_journal_and_the_memory_count_the_same_seconds(
    start: Start, clock: FakeClock
) -> None:
    process, memory = await start(), InMemorySessionStore(SessionClock(clock, clock))
    midnight = clock.now
    lives = {  # from, to, until when they might have lasted
        "over before": (-500, -400, -100),
        "over midnight": (-500, 30, 400),
        "open since yesterday": (-300, None, 700),
        "swept late": (-300, 60, 50),
        "past its time": (10, None, 100),
        "today": (20, 80, 900),
    }
    for name, (opened, ended, expires) in lives.items():
        session = session_of(name, clock)._replace(
            opened_at=midnight + opened, expires_at=midnight + expires
        )
        if ended is not None:
            ended_at = midnight + ended
            session = session._replace(
                ended=EndReason.VISITOR, ended_at=ended_at, ended_upstream=True
            )
        for store in (process.house.store, memory):
            await store.save(session)
    counted = []
    for now in (0, 100, 500, 1000):
        clock.now = midnight + now
        counted.append(
            [await store.seconds_used(midnight, "a") for store in (process.house.store, memory)]
        )
    assert counted[1:] == [[330, 330], [730, 730], [930, 930]]


async def test_the_minutes_of_an_emulator_do_not_count_for_kaltura(
    start: Start, clock: FakeClock
) -> None:
    first = await start(base_url="http://127.0.0.1:8001", daily_minutes=1)
    await first.house.open("a")
    clock.advance(60)
    second = await start(daily_minutes=1)
    assert (await second.house.open("a")).session.expires_at == clock.now + 60


async def test_a_session_that_was_opened_elsewhere_is_ended_there_and_takes_no_place(
    start: Start, kaltura: FakeKaltura
) -> None:
    first = await start(base_url="https://elsewhere.test/v1")
    await first.house.open("a")
    await first.kill()
    second = await start(max_concurrent_sessions=1)
    kaltura.opened = 100
    await second.house.open("b")
    await second.house.sweep()
    ends = [str(call.request.url) for call in kaltura.calls if call.operation == "end"]
    assert ends == ["https://elsewhere.test/v1/session-1/end"]


async def test_a_session_elsewhere_stays_there_until_it_is_ended(
    start: Start, kaltura: FakeKaltura
) -> None:
    first = await start(base_url="https://elsewhere.test/v1")
    await first.house.open("a")
    await first.kill()
    second = await start()
    kaltura.will("end", refusal(500))
    await second.house.sweep()
    await second.registry.aclose()
    await second.kill()
    third = await start()
    await third.house.sweep()
    ends = {str(call.request.url) for call in kaltura.calls if call.operation == "end"}
    assert ends == {"https://elsewhere.test/v1/session-1/end"}
    assert kaltura.operations().count("end") == 2


async def test_the_key_of_a_session_that_has_ended_opens_no_other_after_a_restart_either(
    start: Start, kaltura: FakeKaltura
) -> None:
    first = await start()
    before = await first.house.admission.open("a", SessionOptions(), "key")
    assert isinstance(before, SessionRuntime)
    await first.house.presence.hand_over(before, hung_up=False)
    await first.house.end(before)
    await first.kill()
    second = await start()
    after = await second.house.admission.open("a", SessionOptions(), "key")
    assert isinstance(after, SessionRuntime)
    assert after.session.session_id == before.session.session_id
    assert kaltura.operations().count("create") == 1


async def test_an_id_that_another_process_remembers_is_still_ours_to_change(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = Domain(FakeKaltura(), clock)
    ours = house.registry.add(session_of("same", clock))
    assert ours is not None
    theirs = ours.session._replace(ended=EndReason.VISITOR, ended_upstream=True)
    monkeypatch.setattr(house.store, "take_over", AsyncMock(return_value=[theirs]))
    await house.registry.take_over()
    await house.registry.touch(ours)
    assert (await house.now(ours)).seen_at == clock.now


async def test_a_shutdown_that_keeps_ends_nothing_and_the_next_process_goes_on(
    start: Start, kaltura: FakeKaltura
) -> None:
    first = await start(shutdown_sessions="keep")
    session = await first.house.open()
    await first.house.shutdown.close()
    await first.kill()
    second = await start()
    assert "end" not in kaltura.operations()
    assert (await second.house.now(session)).ended is None


async def test_an_end_that_kaltura_refused_at_shutdown_is_finished_by_the_next_process(
    start: Start, path: Path, kaltura: FakeKaltura
) -> None:
    kaltura.will("end", refusal(500))
    configured = settings(
        database_url=f"sqlite+aiosqlite:///{path}", secret_key=(KEY,), avatar_base_url=BASE_URL
    )
    app = main.create_app(
        configured, transports=main.Transports(kaltura=kaltura), shutdown_seconds=0.05
    )
    async with LifespanManager(app) as manager:
        transport = httpx.ASGITransport(app=manager.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://broker.test") as client:
            await client.post("/api/create-avatar-session")
    assert rows(path, "ended, ended_upstream") == [("shutdown", 0)]
    second = await start()
    await second.house.sweep()
    assert second.registry.sessions() == []


# What is on disk


async def test_no_secret_is_on_disk_in_clear(start: Start, path: Path) -> None:
    process = await start()
    opened = await process.house.admission.open("a", SessionOptions(), "canary-idempotency-key")
    assert isinstance(opened, SessionRuntime)
    secrets = (
        KALTURA_TOKEN,
        process.house.issued(opened).token.get_secret_value(),
        "whep/session",
        "canary-idem",
    )
    written = b"".join(
        file.read_bytes() for file in path.parent.glob("broker.db*") if file.is_file()
    )
    assert opened.session.session_id.encode() in written
    for secret in secrets:
        assert secret.encode() not in written


async def test_what_opens_a_session_is_forgotten_when_it_is_over(start: Start, path: Path) -> None:
    process = await start()
    session = await process.house.open()
    assert [sealed is None for (sealed,) in rows(path, "sealed")] == [False]
    await process.house.end(session)
    assert rows(path, "sealed, ended, ended_upstream") == [(None, "visitor", 1)]


async def test_after_a_rotation_of_the_key_what_was_open_can_still_be_ended(start: Start) -> None:
    first = await start()
    session = await first.house.open()
    await first.kill()
    second = await start((OTHER_KEY, KEY))
    assert (await second.house.now(session)).access.token.get_secret_value() == KALTURA_TOKEN


@pytest.mark.parametrize("column", ["last_moment", "ended", "sealed"])
async def test_a_row_of_another_version_is_named_and_stops_nothing(
    start: Start, path: Path, column: str, capsys: pytest.CaptureFixture[str]
) -> None:
    first = await start()
    await first.house.open("a")
    await first.house.open("b")
    await first.kill()
    with sqlite3.connect(path) as connection:
        connection.execute(f"UPDATE sessions SET {column} = 'a new reason' WHERE owner = 'a'")  # noqa: S608 - our own words
    connection.close()
    second = await start()
    assert [session.owner for session in second.registry.sessions()] == ["b"]
    assert "session-1" in capsys.readouterr().out


@pytest.mark.parametrize("change", ["another key", "another row's secrets"])
async def test_what_cannot_be_read_is_named_and_stops_nothing(
    start: Start,
    path: Path,
    change: str,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    first = await start()
    await first.house.open("a")
    await first.house.open("b")
    await first.kill()
    if change == "another row's secrets":
        with sqlite3.connect(path) as connection:
            connection.execute(
                "UPDATE sessions SET sealed = (SELECT sealed FROM sessions WHERE owner = 'a')"
            )
        connection.close()
    second = await start((OTHER_KEY,) if change == "another key" else (KEY,))
    left = [session.owner for session in second.registry.sessions()]
    assert left == ([] if change == "another key" else ["a"])
    assert "SECRET_KEY is not the one" in capsys.readouterr().out
    await second.house.open("c")


# When it can't be written


async def test_what_is_written_down_is_not_written_again(start: Start) -> None:
    process = await start()
    session = await process.house.open()
    async with broken(process.database):
        await process.house.end(session)
    await process.registry.aclose()
    async with broken(process.database) as refused:
        await process.registry.aclose()
    assert refused == []


async def test_a_second_session_of_an_id_is_not_written_down(
    start: Start, path: Path, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    process = await start()
    await process.house.open("a")
    kaltura.opened = 0
    clock.advance(1)
    with pytest.raises(KalturaFailed):
        await process.house.open("b")
    assert rows(path, "owner") == [("a",)]


async def test_without_a_journal_nothing_new_is_begun_and_nothing_stays_open(
    start: Start, kaltura: FakeKaltura
) -> None:
    process = await start()
    async with broken(process.database):
        with pytest.raises(RecordUnavailable) as refused:
            await process.house.open()
        assert refused.value.retry_after
        assert kaltura.operations() == ["create", "end"]
        assert process.registry.sessions() == []
    await process.house.open()


async def test_when_todays_minutes_cannot_be_read_nothing_new_is_begun(
    start: Start, kaltura: FakeKaltura
) -> None:
    process = await start(daily_minutes=1)
    async with broken(process.database):
        with pytest.raises(RecordUnavailable):
            await process.house.open()
    assert kaltura.calls == []


async def test_a_disk_that_refuses_is_not_asked_for_each_session_anew(start: Start) -> None:
    process = await start()
    sessions = [await process.house.open(owner) for owner in "abc"]
    async with broken(process.database) as refused:
        for session in sessions:
            await process.house.end(session)
        await written_as_far_as_possible(process)
        refused.clear()
        with pytest.raises(RecordUnavailable):
            await process.registry.take_over()
        assert len(refused) == 1


async def test_what_could_not_be_written_down_is_bounded(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "MAX_ENDED", 2)
    process = await start()
    async with broken(process.database):
        for _ in range(5):
            with pytest.raises(RecordUnavailable):
                await process.house.open()
        await written_as_far_as_possible(process)
    assert len(process.registry._writer._unwritten) == 2


async def test_a_disk_that_hangs_holds_up_no_end(
    start: Start, path: Path, kaltura: FakeKaltura
) -> None:
    process = await start()
    for owner in "abc":
        await process.house.open(owner)
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        closing = asyncio.create_task(process.house.shutdown.close())
        async with asyncio.timeout(BUSY_SECONDS / 2):
            while kaltura.operations().count("end") < 3:  # noqa: ASYNC110 - closing is what we wait for
                await asyncio.sleep(0.01)
        other.execute("ROLLBACK")
    other.close()
    await closing
    assert rows(path, "ended_upstream") == [(1,)] * 3


async def test_nor_does_it_keep_the_reaper_from_ending_what_is_due(
    start: Start, path: Path, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    process = await start()
    session, other_session = await process.house.open(), await process.house.open()
    async with broken(process.database):
        await process.house.end(other_session)
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        reaping = asyncio.create_task(process.house.reaper.run())
        await asyncio.sleep(0.01)  # it is at what could not be written down
        clock.now = session.session.expires_at
        async with asyncio.timeout(BUSY_SECONDS / 2):
            while kaltura.calls[-1].session_id != session.session_id:  # noqa: ASYNC110 - likewise
                await asyncio.sleep(0.01)
        other.execute("ROLLBACK")
    other.close()
    reaping.cancel()
    await asyncio.wait([reaping])


async def test_what_kaltura_opens_too_late_is_ended_though_it_cannot_be_written_down(
    start: Start, path: Path, kaltura: FakeKaltura
) -> None:
    process = await start(timeout_seconds=0.01)
    kaltura.will("create", gate := Gate(httpx.Response(200, json={"sessionId": "l", "token": "t"})))
    kaltura.will("end", refusal(500))
    with pytest.raises(KalturaTimeout):
        await process.house.open()
    async with broken(process.database):
        gate.open.set()
        await process.house.shutdown.close()
        assert kaltura.operations() == ["create", "end", "end"]
    assert rows(path) == []


async def test_an_end_that_could_not_be_written_down_is_written_down_later(
    start: Start, path: Path
) -> None:
    process = await start()
    session = await process.house.open()
    async with broken(process.database):
        await process.house.end(session)
        assert process.registry.sessions() == [], "it has ended all the same"
    assert rows(path, "ended_upstream") == [(0,)]
    await process.registry.take_over()
    assert rows(path, "ended_upstream, ended") == [(1, "visitor")]


async def test_a_change_during_the_write_of_an_earlier_one_is_written_too(
    kaltura: FakeKaltura, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = Domain(kaltura, clock, avatar_token_mode="direct")
    session = await house.open()
    written: list[AvatarSession] = []

    async def save(changed: AvatarSession) -> None:
        await house.registry.mark_ended(session, EndReason.GONE)
        written.append(changed)

    monkeypatch.setattr(house.store, "save", save)
    await house.registry.touch(session)
    await house.registry.take_over()
    assert [each.ended for each in written] == [None, EndReason.GONE]


async def test_first_signs_of_life_are_written_together_and_with_what_else_is_to_be_written(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    house = Domain(kaltura, clock, avatar_token_mode="direct")
    assert isinstance(house.store, InMemorySessionStore)
    sessions = [await house.open() for _ in range(3)]
    opened = len(house.store.saves)
    for session in sessions:
        await house.say(session, "Hi.")
    await settled()
    assert len(house.store.saves) == opened
    await house.registry.mark_ended(sessions[0], EndReason.GONE)
    await settled()
    [together] = house.store.saves[opened:]
    assert {(each.session_id, each.seen_at, each.ended) for each in together} == {
        (session.session_id, clock.now, session.session.ended) for session in sessions
    }


async def test_closing_waits_for_the_write_under_way_and_repeats_it_when_it_fails(
    kaltura: FakeKaltura, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = Domain(kaltura, clock)
    assert isinstance(house.store, InMemorySessionStore)
    session = await house.open()
    working, disk_fails = house.store.save, asyncio.Event()

    async def save(_: AvatarSession) -> None:
        await disk_fails.wait()
        monkeypatch.setattr(house.store, "save", working)
        raise RecordUnavailable

    monkeypatch.setattr(house.store, "save", save)
    await house.registry.mark_ended(session, EndReason.GONE)
    await settled()
    closing = asyncio.create_task(house.registry.aclose())
    await settled()
    disk_fails.set()
    await closing
    assert [each.ended for each in house.store.saved.values()] == [EndReason.GONE]


async def test_what_another_database_in_its_place_lacks_is_written_there(
    start: Start, path: Path, tmp_path: Path
) -> None:
    first = await start()
    with sqlite3.connect(path) as source, sqlite3.connect(tmp_path / "backup.db") as backup:
        source.backup(backup)
    session = await first.house.open()
    (tmp_path / "backup.db").replace(path)
    await first.registry.take_over()
    await first.kill()
    second = await start()
    assert [one.session_id for one in second.registry.sessions()] == [session.session_id]


async def test_a_sign_of_life_costs_no_write(start: Start, path: Path, clock: FakeClock) -> None:
    process = await start()
    session = await process.house.open()
    async with broken(process.database):
        for _ in range(3):
            clock.advance(10)
            await process.house.service.keep_alive(await process.house.grant(session))
        await process.house.say(session, "hello")
        assert not process.registry._writer._unwritten


async def test_old_rows_are_forgotten(start: Start, path: Path, clock: FakeClock) -> None:
    process = await start()
    await process.house.end(await process.house.open())
    clock.advance(32 * 24 * 3600)
    await process.registry.take_over()
    assert rows(path) == []


def session_of(session_id: str, clock: FakeClock) -> AvatarSession:
    return AvatarSession(
        access=SessionAccess(session_id, SecretStr("t")),
        owner="a",
        opened_at=clock.now,
        expires_at=clock.now + 900,
        token_expires_at=clock.now + 900,
        seen_at=None,
        ready=True,
    )


async def test_a_direct_session_that_was_never_heard_of_is_still_not_idle(
    start: Start, clock: FakeClock
) -> None:
    first = await start()
    for name in ("silent", "heard"):
        added = first.registry.add(session_of(name, clock))
        assert added is not None
        await first.registry.save(added)
    await first.registry.touch(added)
    await first.registry.take_over()
    await first.kill()
    second = await start()
    seen = {s.session_id: s.seen_at for s in second.registry.sessions()}
    assert seen == {"silent": None, "heard": clock.now}


async def test_the_first_sign_of_life_of_a_direct_session_does_not_upset_the_order(
    start: Start, kaltura: FakeKaltura
) -> None:
    process = await start(avatar_token_mode="direct")
    session = await process.house.open()
    await asyncio.gather(*(process.house.say(session, str(n)) for n in range(5)))
    said: list[str] = []
    async with asyncio.timeout(5):
        while len(said) < 5:
            await asyncio.sleep(0)
            said = [c.body["text"] for c in kaltura.calls if c.operation == "say-text"]
    assert said == ["0", "1", "2", "3", "4"]
