"""What an operator sees of several processes on one Postgres, whichever of them is asked."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partialmethod
from typing import Any

import httpx
import pytest
from asgi_lifespan import LifespanManager

from app import __version__
from app.db.database import Database
from app.main import Transports, create_app
from app.problems import RecordUnavailable
from app.replicas.lease import TRUST_SECONDS, TTL_SECONDS
from app.replicas.postgres_lease import PostgresLease
from app.sessions.store.model import WATCHED_SECONDS
from app.sessions.store.overview import DEAD_SECONDS
from app.web.bounds import WebBounds
from app.web.operator.replica_stats import ReplicaStats, ReplicaStatsReader
from tests.support.audit import API
from tests.support.doubles import FakeClock, FakeKaltura, settings
from tests.support.metrics import BEARER, OPERATOR, scraped, value
from tests.support.operators import following
from tests.support.visitor_api import opened, path

Start = Callable[..., Awaitable[list[httpx.AsyncClient]]]
Sql = Any


@pytest.fixture
async def start(
    postgres_url: str, kaltura: FakeKaltura, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Start]:
    """Starts replicas with these settings, which tell of themselves often."""
    often = partialmethod(PostgresLease.run, lambda _: asyncio.sleep(0.05))
    monkeypatch.setattr(PostgresLease, "run", often)
    async with AsyncExitStack() as stack:

        async def start(number: int, **changes: Any) -> list[httpx.AsyncClient]:
            replicas = []
            for n in range(number):
                app = create_app(
                    settings(database_url=postgres_url, operator_token=OPERATOR, **changes),
                    transports=Transports(kaltura=kaltura),
                    clocks=clock.clocks,
                    bounds=WebBounds(stream_seconds=600, look_seconds=0.02, rest_seconds=0.01),
                    listening_at=("127.0.0.1", 8001 + n),
                )
                manager = await stack.enter_async_context(LifespanManager(app))
                transport = httpx.ASGITransport(manager.app)
                client = httpx.AsyncClient(transport=transport, base_url="http://broker.test")
                replicas.append(await stack.enter_async_context(client))
            return replicas

        yield start


async def asked(replica: httpx.AsyncClient, view: str) -> dict[str, Any]:
    answer = await replica.get(f"{API}/{view}", headers=BEARER)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def seen(replica: httpx.AsyncClient, view: str, wanted: Callable[[Any], bool]) -> Any:
    """What a replica tells, as soon as it is what is wanted."""
    async with asyncio.timeout(10):
        while not wanted(body := await asked(replica, view)):
            pass
    return body


async def signed_in(replica: httpx.AsyncClient) -> httpx.AsyncClient:
    assert (await replica.post(f"{API}/sign-in", json={"token": OPERATOR})).is_success
    return replica


def replica_of(body: dict[str, Any], url: str) -> dict[str, Any]:
    return next(replica for replica in body["replicas"] if replica["url"] == url)


async def test_every_replica_tells_the_sessions_of_all(start: Start, clock: FakeClock) -> None:
    replicas = await start(3)
    created = []
    for replica in replicas:
        created.append(await opened(replica))
        clock.advance(1)
    await replicas[2].post(path(created[2], "speak"), json={"text": "Hello"})
    one, *others = [await asked(replica, "sessions") for replica in replicas]
    assert [each["sessionId"] for each in one["sessions"]] == [
        each["sessionId"] for each in reversed(created)
    ]
    assert all(each["sessions"] == one["sessions"] for each in others)
    assert [each["lastWords"] for each in one["sessions"]] == ["Hello", None, None]
    names = {each["replica"] for each in one["sessions"]}
    assert names == {each["name"] for each in (await asked(replicas[0], "health"))["replicas"]}
    assert len(names) == 3
    assert (await asked(replicas[0], "usage"))["today"]["sessions"] == 3
    assert (await asked(replicas[1], "health"))["live"] == 3
    await replicas[2].post(path(created[2], "end"))
    left = {each["sessionId"] for each in (await asked(replicas[0], "sessions"))["sessions"]}
    assert left == {each["sessionId"] for each in created[:2]}


async def test_what_only_its_owner_knows_of_a_session_is_told_by_all(
    start: Start, clock: FakeClock
) -> None:
    owner, other = await start(2)
    quiet, watched = await opened(owner), await opened(other)
    clock.advance(WATCHED_SECONDS + 1)
    await other.post(path(watched, "keep-alive"))

    def is_right(body: Any) -> bool:
        return {each["sessionId"]: each["watched"] for each in body["sessions"]} == {
            quiet["sessionId"]: False,
            watched["sessionId"]: True,
        }

    for replica in (owner, other):
        await seen(replica, "sessions", is_right)


async def test_the_day_that_is_left_is_shared_by_the_sessions_of_all(start: Start) -> None:
    replicas = await start(2, daily_minutes=9)
    for replica in replicas:
        await opened(replica)
    for replica in replicas:
        sessions = (await asked(replica, "sessions"))["sessions"]
        assert [each["secondsLeft"] for each in sessions] == [270, 270]


async def test_every_replica_tells_of_all_replicas(start: Start) -> None:
    replicas = await start(2)
    await opened(replicas[0])
    for n, replica in enumerate(replicas):
        health = await asked(replica, "health")
        assert {each["url"] for each in health["replicas"]} == {
            f"http://127.0.0.1:{port}" for port in (8001, 8002)
        }
        own = replica_of(health, f"http://127.0.0.1:{8001 + n}")
        assert [each for each in health["replicas"] if each["thisOne"]] == [own]
        assert own["live"] == (1 if n == 0 else 0)
        for each in health["replicas"]:
            assert (each["state"], each["version"]) == ("up", __version__)
            assert (each["sameSettings"], each["breaker"]) == (True, "closed")
            assert 0 <= each["leaseAgeSeconds"] < TRUST_SECONDS


async def test_a_replica_is_told_with_its_state_and_the_dead_not_for_long(
    start: Start, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PostgresLease, "declare_dead", lambda *_: None)
    [replica] = await start(1)
    rows = [
        ("up", 1, "up"),
        ("draining", 2, "draining"),
        ("up", 9, "suspended"),
        ("draining", 60, "suspended"),
        ("dead", 61, "dead"),
        ("dead", DEAD_SECONDS + 60, None),
    ]
    for state, age, _ in rows:
        await sql.execute(
            "INSERT INTO replicas (holder, url, version, state, expires_at, settings_hash, stats) "
            "VALUES ($1, 'http://192.0.2.1', '0.0.9', $2, "
            "extract(epoch FROM clock_timestamp()) + $3::float8, 'other', 'nothing to read')",
            f"{age:03}",
            state,
            TTL_SECONDS - age,
        )
    others = [each for each in (await asked(replica, "health"))["replicas"] if not each["thisOne"]]
    assert [each["state"] for each in others] == [told for *_, told in rows if told]
    for each in others:
        assert each["leaseAgeSeconds"] == pytest.approx(int(each["name"]), abs=0.9)
        assert (each["version"], each["sameSettings"]) == ("0.0.9", False)
    samples = (await scraped(replica))["avatar_broker_all_replicas"].samples
    counted = {sample.labels["state"]: sample.value for sample in samples}
    assert counted == {"up": 2, "draining": 1, "suspended": 2, "dead": 1}


async def test_what_is_counted_of_kaltura_and_the_record_is_that_of_all(start: Start) -> None:
    one, two = await start(2)
    await opened(one)
    await opened(two)

    def is_right(body: Any) -> bool:
        calls = {each["operation"]: each["calls"] for each in body["operations"]}
        return calls == {"create": 2, "init-client": 2}

    for replica in (one, two):
        await seen(replica, "health", is_right)


async def test_who_follows_one_replica_hears_of_the_sessions_of_all(start: Start) -> None:
    one, two = await start(2)
    async with following(await signed_in(one), f"{API}/events") as stream:
        await stream.until("event: health")
        session = await opened(two)
        await stream.until(session["sessionId"])
    async with following(one, f"{API}/audit/events") as stream:
        await stream.begun()
        await two.post(path(session, "speak"), json={"text": "Good news"})
        await stream.until("Good news")


async def test_the_console_names_the_replica_of_each_session(start: Start) -> None:
    one, two = await start(2)
    session = await opened(two)
    page = (await (await signed_in(one)).get("/operator")).text
    assert session["sessionId"] in page
    assert 'id="replicas"' in page


# Metrics


async def test_figures_of_a_process_are_its_own_and_figures_of_all_are_the_same_everywhere(
    start: Start,
) -> None:
    replicas = await start(2)
    for replica in replicas:
        await opened(replica)
    assert [await value(replica, "sessions_live") for replica in replicas] == [1, 1]
    for replica in replicas:
        assert await value(replica, "all_sessions_live") == 2
        assert await value(replica, "all_replicas", state="up") == 2
        assert await value(replica, "all_replicas") == 2


async def test_a_lost_lease_is_counted_and_so_are_the_sessions_that_another_took_over(
    start: Start, sql: Sql
) -> None:
    replicas = loser, other = await start(2)
    session = await opened(loser)
    await sql.execute("UPDATE replicas SET state = 'dead' WHERE url LIKE '%:8001'")
    async with asyncio.timeout(10):
        # The loser has joined again, so it may be the one.
        while sum([await value(each, "sessions_taken_over_total") for each in replicas]) != 1:
            pass
    assert await value(loser, "lease_losses_total") == 1
    assert await value(other, "lease_losses_total") == 0
    [live] = (await asked(other, "sessions"))["sessions"]
    assert live["sessionId"] == session["sessionId"]


async def test_a_change_that_came_too_late_is_counted(start: Start, sql: Sql) -> None:
    owner, other = await start(2)
    session = await opened(owner)
    await sql.execute(
        "UPDATE sessions SET holder = (SELECT holder FROM replicas WHERE url LIKE '%:8002')"
    )
    await owner.post(path(session, "end"))
    async with asyncio.timeout(10):
        while await value(owner, "fenced_writes_total") != 1:
            pass
    assert await value(other, "fenced_writes_total") == 0


# When something is wrong


async def test_while_the_database_is_away_what_was_known_of_others_is_still_told(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = await start(2)
    sessions = {(await opened(replica))["sessionId"] for replica in (one, two)}
    await asked(one, "sessions")
    await asked(one, "health")

    async def broken(*_: Any) -> Any:
        raise RecordUnavailable(retry_after=1)

    monkeypatch.setattr(Database, "read", broken)
    told = (await asked(one, "sessions"))["sessions"]
    assert {each["sessionId"] for each in told} == sessions
    assert len((await asked(one, "health"))["replicas"]) == 2


@pytest.mark.parametrize("told", ["", "{}", "nonsense", '{"breaker": "melted"}', '{"more": [1]}'])
def test_what_another_version_tells_is_no_trouble(told: str) -> None:
    assert ReplicaStats.read(told) == ReplicaStats()


async def test_a_fault_in_what_is_told_costs_no_lease(
    start: Start, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr(ReplicaStatsReader, "told", broken)
    await start(1)
    renewed = "SELECT expires_at FROM replicas"
    before = await sql.fetchval(renewed)
    async with asyncio.timeout(5):
        while await sql.fetchval(renewed) == before:
            pass
