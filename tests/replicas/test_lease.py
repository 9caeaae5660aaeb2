"""Several processes on one Postgres: a session has one owner, whoever is cut off or killed."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
import httpx
import pytest
from asgi_lifespan import LifespanManager
from pydantic import SecretStr
from structlog.testing import capture_logs

from app.db.database import Database, open_database
from app.main import Transports, create_app
from app.migrations import prepare
from app.problems import OutcomeUnknown, RecordUnavailable, ReplicaUnavailable
from app.replicas import postgres_lease
from app.replicas.lease import SESSIONS_MOVED, TTL_SECONDS
from app.replicas.membership import own_url, settings_hash
from app.replicas.postgres_lease import PostgresLease
from app.replicas.table import ReplicaState
from app.sessions.clock import SessionClock
from app.sessions.keyring import Keyring
from app.sessions.lifecycle.handover import SPEAKING_SECONDS
from app.sessions.lifecycle.options import SessionOptions
from app.sessions.runtime import SessionRuntime
from app.sessions.speech.text.moderation import in_process
from app.sessions.store.model import EndReason
from app.sessions.store.shared_repository import SharedSessionRepository
from tests.support.doubles import (
    KS,
    FakeClock,
    FakeKaltura,
    Gate,
    allowing_at,
    settings,
    settled,
)
from tests.support.leases import joined, lapse
from tests.support.postgres import Postgres
from tests.support.sessions import Domain, grant

KEYS = Keyring([SecretStr("a-signing-key-for-tests-of-32-characters")])
BASE_URL = "https://kaltura.test"


class Replica(Domain):
    """A process on the database, whose lease the test renews; `monotonic` is its own clock."""

    database: Database
    lease: PostgresLease
    monotonic: FakeClock

    @property
    def session_ids(self) -> set[str]:
        return {session.session_id for session in self.registry.sessions()}

    async def lapse(self) -> None:
        """Its lease runs out, and it does not know."""
        await lapse(self.database, self.lease.name)

    async def look(self) -> None:
        """It looks for sessions of the dead, as the reaper does every second."""
        await self.registry.take_over()


Start = Callable[..., Awaitable[Replica]]


@pytest.fixture
async def start(postgres_url: str, kaltura: FakeKaltura, clock: FakeClock) -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        async def start(**changes: Any) -> Replica:
            monotonic = FakeClock(1000.0)
            database = await stack.enter_async_context(open_database(postgres_url, prepare))
            lease = await stack.enter_async_context(joined(database, postgres_url, monotonic))
            times = SessionClock(clock, clock, lambda: 0.0)
            store = SharedSessionRepository(
                database, KEYS.at_rest(), base_url=BASE_URL, clock=times, lease=lease
            )
            changes.setdefault("max_concurrent_sessions", 100)
            changes |= {"database_url": postgres_url, "lease": lease, "session_clock": times}
            replica = Replica(kaltura, clock, store, **changes)
            replica.database, replica.lease, replica.monotonic = database, lease, monotonic
            lease.on_lost(replica.registry.lose_all)
            stack.push_async_callback(replica.registry.aclose)
            return replica

        yield start


async def holders(sql: asyncpg.Connection) -> dict[str, str]:
    """Who has each session, as the database says."""
    return {r["session_id"]: r["holder"] for r in await sql.fetch("SELECT * FROM sessions")}


async def states(sql: asyncpg.Connection) -> dict[str, str]:
    return {r["holder"]: r["state"] for r in await sql.fetch("SELECT * FROM replicas")}


async def finished(handing_over: asyncio.Task[None], replica: Replica, clock: FakeClock) -> None:
    """Lets the time of a handover pass, no faster than it can write."""
    while not handing_over.done():
        await clock.pass_by(1, step=1)
        replica.monotonic.advance(0.1)
        await asyncio.wait({handing_over}, timeout=0.05)


def cut_off(replica: Replica, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its dedicated connection reaches Postgres no more."""

    async def unreachable(*_: Any) -> bool:
        raise ConnectionError

    monkeypatch.setattr(replica.lease._connection, "execute", unreachable)


# Trust


async def test_a_lease_is_trusted_no_more_well_before_others_may_end_it(
    start: Start, sql: asyncpg.Connection
) -> None:
    one = await start()
    lasts = await sql.fetchval(
        "SELECT expires_at - extract(epoch FROM clock_timestamp())::float8 FROM replicas"
    )
    assert one.lease.is_trusted()
    one.monotonic.advance(lasts - 1.5)
    assert not one.lease.is_trusted()


async def test_trust_counts_from_the_moment_at_which_the_renewal_began(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await start()
    execute = one.lease._connection.execute

    async def slow(*arguments: Any) -> bool:
        one.monotonic.advance(5)
        return await execute(*arguments)

    monkeypatch.setattr(one.lease._connection, "execute", slow)
    assert await one.lease.renew()
    one.monotonic.advance(4)
    assert not one.lease.is_trusted()


OPENS_OR_SAYS = {"create", "init-client", "say-text", "say-audio"}


async def calls_of_every_kind(replica: Replica, session: SessionRuntime) -> dict[str, bool]:
    """Which operations a replica carries out, and which it refuses as suspended."""
    created = replica.admission.open_now("visitor-2", SessionOptions())
    tried: dict[str, Awaitable[Any]] = {
        "create": created,
        "say-text": replica.say(session, "hello"),
        "interrupt": replica.speech.interrupt(grant(session)),
        "keep-alive": replica.service.keep_alive(grant(session)),
        "end": replica.service.end(grant(session)),
    }
    done = {}
    for operation, call in tried.items():
        try:
            await call
            done[operation] = True
        except ReplicaUnavailable as refused:
            assert refused.retry_after
            done[operation] = False
    return done


async def test_without_trust_nothing_is_opened_or_said_and_the_rest_goes_on(
    start: Start, kaltura: FakeKaltura
) -> None:
    one = await start()
    session = await one.open()
    before = len(kaltura.calls)
    one.monotonic.advance(9)
    assert await calls_of_every_kind(one, session) == {
        "create": False,
        "say-text": False,
        "interrupt": True,
        "keep-alive": True,
        "end": True,
    }
    assert OPENS_OR_SAYS.isdisjoint(kaltura.operations()[before:])
    assert await one.lease.renew()
    await one.say(await one.open(), "I am back")


async def test_a_session_whose_media_may_not_be_asked_for_is_ended(
    start: Start, kaltura: FakeKaltura
) -> None:
    one = await start()

    async def opened_slowly() -> httpx.Response:
        one.monotonic.advance(9)
        return httpx.Response(200, json={"success": True, "sessionId": "s", "token": "t"})

    kaltura.will("create", opened_slowly)
    with pytest.raises(ReplicaUnavailable):
        await one.open()
    assert kaltura.operations() == ["create", "end"]


async def test_a_text_in_line_is_said_when_the_lease_is_renewed(
    start: Start, kaltura: FakeKaltura, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await start()
    session = await one.open()
    for text in ("one " * 100, "two"):
        await one.say(session, text)
    one.monotonic.advance(9)
    refused = Counter[str]()
    require = one.lease.require_trusted

    def counted() -> None:
        refused["times"] += not one.lease.is_trusted()
        require()

    monkeypatch.setattr(one.lease, "require_trusted", counted)
    while not refused:
        await clock.pass_by(1, step=0.5)
    assert kaltura.operations().count("say-text") == 1
    assert await one.lease.renew()
    await clock.pass_by(5, step=0.5)
    assert kaltura.operations().count("say-text") == 2


async def test_a_text_that_others_may_not_hear_of_is_not_told_as_accepted(
    start: Start, kaltura: FakeKaltura
) -> None:
    one, two = await start(), await start()
    session = await one.open()
    kaltura.will("say-text", gate := Gate())
    saying = asyncio.create_task(one.say(session, "Sent before it was frozen."))
    await gate.reached.wait()
    one.monotonic.advance(9)
    with pytest.raises(OutcomeUnknown):
        await one.say(session, "In line, but on record too late.")
    await one.lapse()
    await two.look()
    await one.lease.renew()
    assert one.lease.is_trusted(), "under its new name"
    gate.open.set()
    with pytest.raises(OutcomeUnknown):
        await saying


# Owners


async def test_an_owner_that_was_cut_off_can_not_write_itself_back(
    start: Start, sql: asyncpg.Connection, kaltura: FakeKaltura
) -> None:
    one = await start()
    session = await one.open()
    two = await start()
    await one.lapse()
    await two.look()
    await one.registry.mark_ended(session, EndReason.OPERATOR)
    await one.registry.aclose()
    assert await holders(sql) == {session.session_id: two.lease.name}
    assert await sql.fetchval("SELECT ended FROM sessions") is None
    assert one.session_ids == set()
    with pytest.raises(ReplicaUnavailable):
        await one.say(session, "I still have it")
    with pytest.raises(ReplicaUnavailable):
        await one.service.end(grant(session))
    assert kaltura.operations() == ["create", "init-client"]
    await two.say(await two.here(session), "no, I have")


async def test_a_write_that_no_owner_may_make_holds_up_no_other(
    start: Start, sql: asyncpg.Connection
) -> None:
    one, two = await start(), await start()
    lost, kept = await one.open(), await one.open()
    await sql.execute(
        "UPDATE sessions SET holder = $1 WHERE session_id = $2", two.lease.name, lost.session_id
    )
    for session in (lost, kept):
        await one.registry.mark_ended(session, EndReason.OPERATOR)
    await one.registry.aclose()
    ended = await sql.fetch("SELECT session_id FROM sessions WHERE ended IS NOT NULL")
    assert [row["session_id"] for row in ended] == [kept.session_id]
    assert one.session_ids == {kept.session_id}


async def test_whoever_comes_back_after_it_was_declared_dead_has_another_name_and_no_session(
    start: Start, sql: asyncpg.Connection, kaltura: FakeKaltura
) -> None:
    one, two = await start(), await start()
    session, name = await one.open(), one.lease.name
    async with session.call_lock.held():
        waiting = asyncio.create_task(one.say(session, "before"))
        await settled()
        await one.lapse()
        await two.look()
        assert await one.lease.renew()
    assert one.lease.name not in {name, two.lease.name}
    assert one.database.process_name == one.lease.name
    assert (await states(sql))[name] == ReplicaState.DEAD.value
    assert one.session_ids == set()
    with pytest.raises(ReplicaUnavailable):
        await waiting
    assert "say-text" not in kaltura.operations()
    another = await one.open()
    assert (await holders(sql))[another.session_id] == one.lease.name


async def test_one_that_was_forgotten_by_mistake_has_its_sessions_again_under_its_new_name(
    start: Start, sql: asyncpg.Connection
) -> None:
    one = await start()
    session = await one.open()
    await sql.execute("UPDATE replicas SET state = 'dead'")
    assert await one.lease.renew()
    await one.look()
    assert one.session_ids == {session.session_id}
    await one.say(await one.here(session), "still here")


async def test_a_name_whose_row_may_or_may_not_have_been_inserted_is_not_used(
    start: Start, sql: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await start()
    execute, names = one.lease._connection.execute, [one.lease.name]

    async def loses_its_answer(statement: str, *arguments: Any) -> bool:
        done = await execute(statement, *arguments)
        if statement.startswith("INSERT"):
            raise ConnectionError
        return done

    await sql.execute("UPDATE replicas SET state = 'dead'")
    with monkeypatch.context() as patch:
        patch.setattr(one.lease._connection, "execute", loses_its_answer)
        for _ in range(2):
            assert not await one.lease.renew()
            assert not one.lease.is_trusted()
            names.append(one.lease.name)
    assert await one.lease.renew()
    names.append(one.lease.name)
    assert len(set(names)) == len(names)
    assert (await states(sql)).keys() == set(names)


async def test_what_is_done_once_the_sessions_are_lost_is_not_done_under_the_old_name(
    start: Start, sql: asyncpg.Connection
) -> None:
    one = await start()
    name, names = one.lease.name, list[str]()
    one.lease.on_lost(lambda: names.append(one.lease.name))
    await sql.execute("UPDATE replicas SET state = 'dead'")
    assert await one.lease.renew()
    assert len(names) == 1
    assert name not in names


@pytest.mark.parametrize("knows", [False, True])
async def test_what_kaltura_opens_for_a_process_declared_dead_is_ended_and_no_visitor_gets_it(
    start: Start, sql: asyncpg.Connection, kaltura: FakeKaltura, *, knows: bool
) -> None:
    one, two = await start(), await start()
    created = httpx.Response(200, json={"success": True, "sessionId": "late", "token": "t"})
    kaltura.will("create", gate := Gate(created))
    opening = asyncio.create_task(one.open())
    await gate.reached.wait()
    await one.lapse()
    await two.look()
    if knows:
        assert await one.lease.renew()
    gate.open.set()
    with pytest.raises(ReplicaUnavailable):
        await opening
    for replica in (one, two):
        await replica.look()
        await replica.sweep()
    assert kaltura.operations() == ["create", "end"]
    row = await sql.fetchrow("SELECT ended, ended_upstream FROM sessions")
    assert tuple(row or ()) == ("failed", True)


async def test_what_was_never_written_is_ended_by_the_next_owner(
    start: Start, sql: asyncpg.Connection, kaltura: FakeKaltura, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = await start(), await start()
    write = one.database.write

    async def away(*_: Any, **__: Any) -> Any:
        raise RecordUnavailable

    monkeypatch.setattr(one.database, "write", away)
    kaltura.will("end", httpx.Response(500))
    with pytest.raises(RecordUnavailable):
        await one.open()
    monkeypatch.setattr(one.database, "write", write)
    await one.lapse()
    await two.look()
    assert await one.lease.renew()
    await one.registry.aclose()
    await two.look()
    await two.sweep()
    assert await sql.fetchval("SELECT ended_upstream FROM sessions")
    assert kaltura.operations().count("end") == 2


# Take-over


async def test_two_that_take_over_share_and_take_nothing_twice(
    start: Start, sql: asyncpg.Connection
) -> None:
    one, two, three = await start(), await start(), await start()
    own = await two.open()
    sessions = {(await one.open()).session_id for _ in range(9)}
    await one.lapse()
    await asyncio.gather(two.look(), three.look())
    assert two.session_ids | three.session_ids == sessions | {own.session_id}
    assert (len(two.session_ids), len(three.session_ids)) == (5, 5)
    assert set((await holders(sql)).values()) == {two.lease.name, three.lease.name}


async def test_what_another_is_taking_just_now_is_left_to_it_without_waiting(
    start: Start, sql: asyncpg.Connection
) -> None:
    one, two = await start(), await start()
    sessions = [(await one.open()).session_id for _ in range(3)]
    await one.lapse()
    async with sql.transaction():
        await sql.execute("SELECT * FROM sessions WHERE session_id = $1 FOR UPDATE", sessions[0])
        async with asyncio.timeout(4):
            await two.look()
        assert two.session_ids == set(sessions[1:])
    await two.look()
    assert two.session_ids == set(sessions)


async def test_one_that_renews_while_it_is_judged_lives(
    start: Start, sql: asyncpg.Connection
) -> None:
    one, two = await start(), await start()
    session = await one.open()
    await one.lapse()
    renewal = sql.transaction()
    await renewal.start()
    await sql.execute(
        "UPDATE replicas SET expires_at = extract(epoch FROM clock_timestamp())::float8 + 10 "
        "WHERE holder = $1",
        one.lease.name,
    )
    judging = asyncio.create_task(two.look())
    waits = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    async with asyncio.timeout(4):
        while not await sql.fetchval(waits):  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)
    await renewal.commit()
    await judging
    assert two.session_ids == set()
    assert one.session_ids == {session.session_id}
    assert ReplicaState.DEAD.value not in (await states(sql)).values()


async def test_whoever_could_not_renew_judges_nobody_until_the_others_had_time_to_renew(
    start: Start, sql: asyncpg.Connection
) -> None:
    one, two = await start(), await start()
    session = await one.open()
    with pytest.MonkeyPatch.context() as patch:
        cut_off(two, patch)
        assert not await two.lease.renew()
    await one.lapse()
    for _ in range(4):
        await two.look()
        assert two.session_ids == set(), "the database may have been away for all of them"
        two.monotonic.advance(TTL_SECONDS / 4)
        assert await two.lease.renew()
    await two.look()
    assert two.session_ids == {session.session_id}


@pytest.mark.parametrize("is_renewed", [False, True])
async def test_whoever_slept_judges_nobody_either(
    start: Start, sql: asyncpg.Connection, *, is_renewed: bool
) -> None:
    one, two = await start(), await start()
    await one.open()
    await one.lapse()
    two.monotonic.advance(60)
    if is_renewed:
        assert await two.lease.renew()
    await two.look()
    await two.database.write(two.lease.declare_dead)
    assert two.session_ids == set()
    assert ReplicaState.DEAD.value not in (await states(sql)).values()


async def test_whoever_may_be_taken_for_dead_takes_nothing(
    start: Start, sql: asyncpg.Connection
) -> None:
    one, two = await start(), await start()
    session = await one.open()
    await one.lease.leave()
    two.monotonic.advance(9)
    await two.look()
    assert two.session_ids == set()
    assert await two.lease.renew()
    await two.look()
    assert two.session_ids == {session.session_id}


async def test_what_a_process_took_while_it_was_declared_dead_it_has_not(
    start: Start, sql: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = await start(), await start()
    session, name, write = await one.open(), two.lease.name, two.database.write
    await one.lease.leave()

    async def answers_late(work: Any) -> Any:
        rows = await write(work)
        await sql.execute("UPDATE replicas SET state = 'dead' WHERE holder = $1", name)
        assert await two.lease.renew()
        return rows

    with monkeypatch.context() as patch:
        patch.setattr(two.database, "write", answers_late)
        await two.look()
    assert await holders(sql) == {session.session_id: name}
    assert two.session_ids == set()
    await two.look()
    assert await holders(sql) == {session.session_id: two.lease.name}
    assert two.session_ids == {session.session_id}


async def test_one_that_drains_takes_nothing_and_keeps_what_it_has(
    start: Start, sql: asyncpg.Connection
) -> None:
    one, two, three = await start(), await start(), await start()
    own, sessions = await two.open(), {(await one.open()).session_id for _ in range(3)}
    await two.lease.drain()
    assert (await states(sql))[two.lease.name] == ReplicaState.DRAINING.value
    await sql.execute("UPDATE replicas SET state = 'up'")  # a renewal that came late
    await one.lapse()
    await two.look()
    await sql.execute("UPDATE replicas SET state = 'draining' WHERE holder = $1", two.lease.name)
    await three.look()
    assert (two.session_ids, three.session_ids) == ({own.session_id}, sessions)


async def test_a_session_whose_process_is_not_known_at_all_has_the_next_owner(
    start: Start, sql: asyncpg.Connection
) -> None:
    one, two = await start(), await start()
    await two.look()
    session = await one.open()
    await sql.execute("DELETE FROM replicas WHERE holder = $1", one.lease.name)
    await two.look()
    assert two.session_ids == {session.session_id}


# Notifications


async def test_a_death_is_heard_at_once_and_looked_for_every_second(
    start: Start, sql: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert postgres_lease.LOOK_SECONDS <= 1
    monkeypatch.setattr(postgres_lease, "LOOK_SECONDS", 60)
    one, two = await start(), await start()
    session = await one.open()
    moved: list[str] = []
    two.lease.on_notify(SESSIONS_MOVED, moved.append)
    assert await two.lease.renew()
    await two.lease.wait_for_deaths(5)  # it may have missed some before it listened
    assert moved == [""]
    waiting = asyncio.create_task(two.lease.wait_for_deaths(60))
    await settled()
    await one.lease.leave()
    async with asyncio.timeout(5):
        await waiting
        await two.look()
        while len(moved) < 2:  # noqa: ASYNC110 - Postgres tells it
            await asyncio.sleep(0.01)
    assert two.session_ids == {session.session_id}


async def test_after_its_connection_broke_a_lease_is_renewed_and_listens(
    start: Start, own_postgres: Postgres
) -> None:
    one = await start()
    heard: list[str] = []
    one.lease.on_notify(SESSIONS_MOVED, heard.append)
    assert await one.lease.renew()
    name = one.lease.name
    own_postgres.cut()
    async with asyncio.timeout(5):
        while len(heard) < 2:
            await one.lease.renew()
    assert (one.lease.name, one.lease.is_trusted()) == (name, True)


async def test_a_process_counts_as_dead_until_it_has_joined_again(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = await start(), await start()
    await one.lapse()
    await two.look()
    told = [one.lease.is_declared_dead]  # it does not know yet
    with monkeypatch.context() as away:
        away.setattr(one.lease, "join", fails)
        await one.lease.renew()
        told.append(one.lease.is_declared_dead)
    await one.lease.renew()
    assert [*told, one.lease.is_declared_dead] == [False, True, False]


async def fails() -> None:
    raise ConnectionError


# Handing over at a planned stop


async def test_a_process_that_stops_hands_its_sessions_to_the_others_and_ends_none(
    start: Start, kaltura: FakeKaltura
) -> None:
    one, two = await start(), await start()
    sessions = [await one.open(f"visitor-{number}") for number in range(3)]
    await one.lease.drain()
    await one.handover.run()
    assert one.session_ids == set()
    await one.shutdown.close()
    await two.look()
    assert two.session_ids == {session.session_id for session in sessions}
    assert "end" not in kaltura.operations()
    with pytest.raises(ReplicaUnavailable):
        await one.say(sessions[0], "Hello.")


async def test_what_waits_is_said_before_its_session_is_handed_over_and_told_afterwards(
    start: Start, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    one, two = await start(), await start()
    session = await one.open()
    kaltura.will("say-text", gate := Gate())
    saying = asyncio.create_task(one.say(session, "The first."))
    await gate.reached.wait()
    handing_over = asyncio.create_task(one.handover.run())
    await settled()
    await two.look()
    assert two.session_ids == set(), "it speaks"
    gate.open.set()
    await saying
    await finished(handing_over, one, clock)
    await two.look()
    taken = await two.here(session)
    [receipt] = two.speech.feed(grant(taken)).receipts
    assert (receipt.text, receipt.state) == ("The first.", "done")
    await two.say(taken, "The second.")
    assert [call.body["text"] for call in kaltura.calls if call.operation == "say-text"] == [
        "The first.",
        "The second.",
    ]


async def test_what_takes_too_long_to_say_is_told_as_lost_and_said_by_nobody(
    start: Start, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    one, two = await start(), await start()
    session = await one.open()
    kaltura.will("say-text", gate := Gate())
    saying = asyncio.create_task(one.say(session, "The first."))
    await gate.reached.wait()
    await one.say(session, "The second.")
    handing_over = asyncio.create_task(one.handover.run())
    await settled()
    while not one.handover.has_begun:
        await settled()
    clock.advance(SPEAKING_SECONDS)
    await settled()
    gate.open.set()
    await saying
    await handing_over
    await two.look()
    taken = await two.here(session)
    _, second = two.speech.feed(grant(taken)).receipts
    assert (second.state, second.reason) == ("failed", "replica-lost")
    assert kaltura.operations().count("say-text") == 1


@pytest.mark.parametrize("in_time", [True, False])
async def test_a_text_that_is_still_being_checked_is_said_before_or_refused(
    start: Start, kaltura: FakeKaltura, clock: FakeClock, *, in_time: bool
) -> None:
    gate = Gate()
    one, two = await start(hooks=[in_process(allowing_at(gate))]), await start()
    session = await one.open()
    saying = asyncio.create_task(one.say(session, "Checked."))
    await gate.reached.wait()
    handing_over = asyncio.create_task(one.handover.run())
    while not one.handover.has_begun:
        await settled()
    assert one.session_ids == {session.session_id}
    if in_time:
        gate.open.set()
        assert (await saying).state != "interrupted"
    else:
        clock.advance(SPEAKING_SECONDS)
        await settled()
        gate.open.set()
        with pytest.raises(ReplicaUnavailable):
            await saying
    await finished(handing_over, one, clock)
    await two.look()
    await two.here(session)
    assert kaltura.operations().count("say-text") == in_time


async def test_without_others_a_stop_is_as_the_setting_says(
    start: Start, kaltura: FakeKaltura
) -> None:
    one = await start()
    await one.open()
    await one.handover.run()
    await one.shutdown.close()
    assert kaltura.operations()[-1] == "end"


async def test_what_was_said_is_kept_from_those_who_read_the_database(
    start: Start, sql: asyncpg.Connection
) -> None:
    one, two = await start(), await start()
    await one.say(await one.open(), "A secret.")
    one.monotonic.advance(SPEAKING_SECONDS)
    await two.lease.renew()
    [runtime] = one.registry.runtimes()
    assert runtime.speech is not None
    await one.registry.give_up(runtime, runtime.speech.receipts_as_json())
    [row] = await sql.fetch("SELECT utterances FROM sessions")
    assert row["utterances"]
    assert b"secret" not in row["utterances"]
    await two.look()
    await two.end(await two.here(runtime))
    assert await sql.fetchval("SELECT utterances FROM sessions") is None


# The whole broker


async def test_others_are_told_at_once_that_a_process_stops(
    postgres_url: str, sql: asyncpg.Connection
) -> None:
    stopping = asyncio.Event()
    app = create_app(settings(database_url=postgres_url), stopping=stopping)
    async with LifespanManager(app):
        stopping.set()
        async with asyncio.timeout(5):
            while set((await states(sql)).values()) != {"draining"}:  # noqa: ASYNC110 - a row tells nobody
                await asyncio.sleep(0.01)


@pytest.mark.parametrize(("sessions", "others"), [(5, []), (6, ["http://127.0.0.1:8001"])])
async def test_a_start_warns_of_replicas_that_have_other_limits(
    postgres_url: str, sessions: int, others: list[str]
) -> None:
    one = create_app(settings(database_url=postgres_url), listening_at=("127.0.0.1", 8001))
    changed = settings(database_url=postgres_url, max_concurrent_sessions=sessions)
    async with LifespanManager(one):
        with capture_logs() as logs:
            async with LifespanManager(create_app(changed, listening_at=("127.0.0.1", 8002))):
                pass
    assert [line["others"] for line in logs if "others" in line] == ([others] if others else [])


@pytest.mark.parametrize(("shutdown", "ends"), [("keep", 0), ("end", 1)])
async def test_what_a_stop_leaves_open_the_others_have_at_once(
    postgres_url: str, sql: asyncpg.Connection, kaltura: FakeKaltura, shutdown: str, ends: int
) -> None:
    configured = settings(database_url=postgres_url, shutdown_sessions=shutdown)
    transports = Transports(kaltura=kaltura)
    one, two = (
        create_app(configured, transports=transports, listening_at=("0.0.0.0", port))  # noqa: S104
        for port in (8001, 8002)
    )
    async with LifespanManager(two) as stays, client(stays) as visitor:
        async with LifespanManager(one) as stops, client(stops) as before:
            created = await before.post("/api/create-avatar-session")
            session = f"/api/avatar-sessions/{created.json()['sessionId']}"
        living = await sql.fetch("SELECT url FROM replicas WHERE state = 'up'")
        assert [row["url"] for row in living] == ["http://127.0.0.1:8002"]
        async with asyncio.timeout(5):
            found = await visitor.get(session, headers=bearer(created))
            while not found.is_success:
                await asyncio.sleep(0.01)  # else nothing else has its turn
                found = await visitor.get(session, headers=bearer(created))
        assert found.json()["endReason"] == (None if shutdown == "keep" else "shutdown")
        assert kaltura.operations().count("end") == ends
    assert set((await states(sql)).values()) == {"dead"}


def client(manager: LifespanManager) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=manager.app)
    return httpx.AsyncClient(transport=transport, base_url="http://broker.test")


def bearer(created: httpx.Response) -> dict[str, str]:
    return {"Authorization": f"Bearer {created.json()['token']}"}


# What the others are told


@pytest.mark.parametrize(
    ("listens", "url"),
    [
        ("0.0.0.0", "http://10.0.0.7:8000"),  # noqa: S104
        ("::", "http://10.0.0.7:8000"),
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("fd00::1", "http://[fd00::1]:8000"),
        ("broker.internal", "http://broker.internal:8000"),
    ],
)
def test_others_reach_a_process_where_it_listens(listens: str, url: str) -> None:
    assert own_url(listens, 8000, "10.0.0.7") == url


def test_the_digest_of_the_settings_differs_where_replicas_should_not() -> None:
    digest = settings_hash(settings())
    assert settings_hash(settings(port=1, host="::", replica_url="http://a.test")) == digest
    assert settings_hash(settings(avatar_ks=f"{KS}-2")) == digest, "no secret is in it"
    assert settings_hash(settings(max_concurrent_sessions=3)) != digest
