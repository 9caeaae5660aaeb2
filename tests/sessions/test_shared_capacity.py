"""Several processes on one Postgres share the places and the line, exactly."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import Float, bindparam, event, text

from app.db.database import Database, open_database
from app.migrations import prepare
from app.problems import (
    AtCapacity,
    InvalidRequest,
    KalturaTimeout,
    Problem,
    RecordUnavailable,
    TicketNotFound,
    TooManySessions,
)
from app.sessions.admission import Opened
from app.sessions.capacity.manager import QueuePosition
from app.sessions.capacity.shared_store import SharedCapacityStore
from app.sessions.capacity.waiting_room import TURN_SECONDS
from app.sessions.clock import SessionClock
from app.sessions.keyring import Keyring
from app.sessions.lifecycle.options import SessionOptions
from app.sessions.runtime import SessionRuntime
from app.sessions.store.assembly import session_store
from tests.support.doubles import FakeClock, FakeKaltura, Gate, refusal, settled
from tests.support.leases import die, lease_on
from tests.support.sessions import Domain

KEYS = Keyring([SecretStr("a-signing-key-for-tests-of-32-characters")])
BASE_URL = "https://kaltura.test"
OPENING_SECONDS = 100.0
ANOTHER = {"sessionId": "another", "token": "t"}

Start = Callable[..., Awaitable[Domain]]


class Process(Domain):
    """A process on the database; `kill` leaves everything as it is, as SIGKILL would."""

    database: Database

    async def kill(self) -> None:
        await die(self.database)

    def statements(self) -> list[str]:
        """A list to which every statement is added that the process sends from now on."""
        sent: list[str] = []
        event.listen(
            self.database.engine.sync_engine,
            "before_cursor_execute",
            lambda _connection, _cursor, statement, *_: sent.append(statement),
        )
        return sent


@pytest.fixture
async def start(postgres_url: str, kaltura: FakeKaltura, clock: FakeClock) -> AsyncIterator[Start]:
    """Starts one more process at each call; all have the same clock."""
    now: Any = bindparam("now", callable_=clock, type_=Float)
    async with AsyncExitStack() as stack:

        async def start(**changes: Any) -> Process:
            database = await stack.enter_async_context(open_database(postgres_url, prepare))
            times = SessionClock(clock, clock, lambda: 0.0)
            lease = await stack.enter_async_context(lease_on(database, postgres_url))
            repository = session_store(
                database, KEYS.at_rest(), base_url=BASE_URL, clock=times, lease=lease
            )
            shared = SharedCapacityStore(
                database,
                base_url=BASE_URL,
                max_waiting=changes.get("max_waiting", 100),
                ticket_key=KEYS.tickets(),
                opening_seconds=OPENING_SECONDS,
                now=now,
            )
            house = Process(
                kaltura,
                clock,
                repository,
                session_clock=times,
                lease=lease,
                shared_capacity=shared,
                database_url=postgres_url,
                **changes,
            )
            house.database = database
            stack.push_async_callback(house.registry.aclose)
            return house

        yield start


async def comes(house: Domain, name: str, address: str | None = None) -> Opened:
    return await house.admission.open(name, SessionOptions(), address=address)


def token_of(house: Domain, opened: Opened) -> str:
    assert not isinstance(opened, QueuePosition)
    session = opened.session if isinstance(opened, SessionRuntime) else opened
    return house.tokens.issue(session).token.get_secret_value()


async def test_a_rush_on_several_processes_takes_no_place_twice(
    start: Start, kaltura: FakeKaltura
) -> None:
    houses = [await start(max_concurrent_sessions=5) for _ in range(3)]
    rush = [comes(houses[number % 3], f"visitor-{number}") for number in range(45)]
    answers = await asyncio.gather(*rush)
    positions = [each.position for each in answers if isinstance(each, QueuePosition)]
    assert sorted(positions) == list(range(1, 41))
    assert kaltura.operations().count("create") == 5


async def test_all_who_come_to_one_process_at_once_take_the_lock_together(start: Start) -> None:
    house = await start(max_concurrent_sessions=1, max_waiting=10)
    assert isinstance(house, Process)
    said = house.statements()
    rush = [comes(house, f"visitor-{number}") for number in range(20)]
    answers = await asyncio.gather(*rush, return_exceptions=True)
    assert [type(each) for each in answers] == (
        [SessionRuntime] + [QueuePosition] * 10 + [AtCapacity] * 9
    ), "one who is refused undoes nothing for the others"
    assert sum("FOR UPDATE" in each for each in said) <= 3, "two rounds, and the first lock's row"


async def test_those_in_line_are_called_in_the_order_in_which_they_came(start: Start) -> None:
    one, two = await start(max_concurrent_sessions=1), await start(max_concurrent_sessions=1)
    session = await one.open("first")
    tickets = [
        (house, name, await house.wait(name))
        for house, name in ((two, "a"), (one, "b"), (two, "c"), (one, "d"))
    ]
    for house, name, waiting in tickets:
        other = one if house is two else two
        await (one if await one.registry.find(session.session_id) else two).end(session)
        place = await other.admission.place(waiting.ticket_id, 0)
        assert place.turn_seconds_left == TURN_SECONDS
        opened = await comes(house, name)
        assert isinstance(opened, SessionRuntime)
        session = opened


async def test_whoever_waits_hears_of_what_another_process_did(start: Start) -> None:
    one, two = await start(max_concurrent_sessions=1), await start(max_concurrent_sessions=1)
    session = await one.open("first")
    waiting = await two.wait("second")
    answer = asyncio.create_task(two.admission.place(waiting.ticket_id, 20))
    await settled()
    await one.end(session)
    await two.reaper.sweep()
    assert (await answer).turn_seconds_left == TURN_SECONDS


async def test_those_who_wait_ask_without_a_lock_and_share_what_is_read(start: Start) -> None:
    house = await start(max_concurrent_sessions=1)
    assert isinstance(house, Process)
    await house.open("first")
    line = [await house.wait(f"visitor-{number}") for number in range(20)]
    said = house.statements()
    places = await asyncio.gather(*(house.admission.place(each.ticket_id, 0) for each in line))
    assert [place.position for place in places] == list(range(1, 21))
    assert len(said) <= 6, "two reads of three queries: who asks during one has the next"
    assert not [each for each in said if "FOR UPDATE" in each or not each.startswith("SELECT")]


async def test_a_request_that_is_repeated_at_several_processes_opens_one_session(
    start: Start, kaltura: FakeKaltura
) -> None:
    choice: dict[str, Any] = {"max_concurrent_sessions": 9, "avatar_allowed_ids": "another"}
    houses = [await start(**choice) for _ in range(3)]
    asked = [
        house.admission.open("a", SessionOptions(), "key") for house in houses for _ in range(2)
    ]
    answers = await asyncio.gather(*asked)
    assert kaltura.operations().count("create") == 1
    assert len({token_of(houses[0], answer) for answer in answers}) == 1
    with pytest.raises(InvalidRequest, match="another wish"):
        await houses[2].admission.open("a", SessionOptions(avatar_id="another"), "key")


@pytest.mark.parametrize("first", ["is created", "is joined", "is opened", "is taken over"])
async def test_a_used_ticket_is_known_with_its_key_at_every_process(
    start: Start, kaltura: FakeKaltura, first: str
) -> None:
    one, two = await start(max_concurrent_sessions=1), await start(max_concurrent_sessions=1)
    assert isinstance(one, Process)

    async def ask(house: Domain, key: str = "key") -> Opened:
        owner = await house.admission.ticket_owner_for_create(ticket, key, None)
        return await house.admission.open(owner, SessionOptions(), key, ticket=ticket)

    before = await one.open("first")
    ticket = (await one.wait("second")).ticket_id
    await one.end(before)
    joined = {"success": True, "whepUrl": kaltura.whep_url, "turn": kaltura.turn}
    held_up = {"is created": ("create", ANOTHER), "is joined": ("init-client", joined)}
    if first in held_up:
        operation, answer = held_up[first]
        kaltura.will(operation, gate := Gate(httpx.Response(200, json=answer)))
        asking = asyncio.create_task(ask(one))
        await gate.reached.wait()
        assert await two.admission.ticket_owner_for_create(ticket, "key", None) == "second"
        repeating = asyncio.create_task(ask(two))
        gate.open.set()
        opened, again = await asyncio.gather(asking, repeating)
    else:
        opened = await ask(one)
        if first == "is taken over":
            await one.kill()
            await two.registry.take_over()
        again = await ask(two)
    assert token_of(one, again) == token_of(one, opened)
    assert kaltura.operations().count("create") == 2
    with pytest.raises(TicketNotFound):
        await ask(two, "another key")


@pytest.mark.parametrize("next_has_it", [False, True])
async def test_a_session_that_failed_before_its_visitor_got_it_is_not_the_answer_elsewhere(
    start: Start, kaltura: FakeKaltura, monkeypatch: pytest.MonkeyPatch, *, next_has_it: bool
) -> None:
    one, two = await start(), await start()

    async def fails(*_: Any, **__: Any) -> None:
        raise RecordUnavailable(retry_after=1)

    monkeypatch.setattr(one.registry, "mark_opened", fails)
    if next_has_it:
        kaltura.will("end", refusal(500))  # so that it is left to the next
    with pytest.raises(RecordUnavailable):
        await one.admission.open("a", SessionOptions(), "key")
    await one.registry.aclose()
    if next_has_it:
        assert isinstance(one, Process)
        await one.kill()
        await two.registry.take_over()
    opened = await two.admission.open("a", SessionOptions(), "key")
    assert isinstance(opened, SessionRuntime)
    assert opened.session.ended is None
    assert kaltura.operations().count("create") == 2


async def test_a_visitor_has_as_many_sessions_as_allowed_at_all_processes_together(
    start: Start,
) -> None:
    limits: dict[str, Any] = {"max_concurrent_sessions": 9, "max_sessions_per_visitor": 2}
    one, two = await start(**limits), await start(**limits)
    first = await one.open("a")
    await two.open("a")
    for house in (one, two):
        with pytest.raises(TooManySessions):
            await house.open("a")
    await one.end(first)
    await two.open("a")


async def test_an_address_has_its_share_at_all_processes_together(start: Start) -> None:
    limits: dict[str, Any] = {"max_concurrent_sessions": 4, "address_share_percent": 50}
    one, two = await start(**limits), await start(**limits)
    assert isinstance(await comes(one, "a", "home"), SessionRuntime)
    assert isinstance(await comes(two, "b", "home"), SessionRuntime)
    assert isinstance(await comes(one, "c", "home"), QueuePosition)
    assert isinstance(await comes(one, "d", "away"), SessionRuntime)


async def test_the_place_of_a_process_that_died_while_opening_is_free_in_time_and_no_sooner(
    start: Start, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    one, two = await start(max_concurrent_sessions=1), await start(max_concurrent_sessions=1)
    kaltura.will("create", gate := Gate())
    dying = asyncio.create_task(one.open("a"))
    await gate.reached.wait()
    assert isinstance(one, Process)
    await one.kill()
    await two.wait("b")
    clock.advance(OPENING_SECONDS - 1)
    with pytest.raises(AtCapacity):
        await two.open("c")
    clock.advance(1)
    await two.open("c")
    gate.open.set()
    await asyncio.gather(dying, return_exceptions=True)


async def test_a_create_that_timed_out_keeps_its_place_at_every_process(
    start: Start, kaltura: FakeKaltura
) -> None:
    one = await start(max_concurrent_sessions=1, timeout_seconds=0.05)
    two = await start(max_concurrent_sessions=1)
    kaltura.will("create", gate := Gate(refusal(500)))
    with pytest.raises(KalturaTimeout):
        await one.open("a")
    await two.wait("b")
    gate.open.set()
    async with asyncio.timeout(10):
        while not isinstance(await comes(two, "b"), SessionRuntime):
            await settled()


async def test_where_kaltura_allows_fewer_sessions_every_process_keeps_to_it(
    start: Start, kaltura: FakeKaltura
) -> None:
    one, two = await start(max_concurrent_sessions=9), await start(max_concurrent_sessions=9)
    session = await one.open("a")
    kaltura.will("create", refusal(429))
    assert isinstance(await comes(two, "b"), QueuePosition)
    assert isinstance(await comes(one, "c"), QueuePosition)
    await one.end(session)
    assert isinstance(await comes(two, "b"), SessionRuntime)


async def test_an_end_is_no_failure_where_the_place_can_not_be_given_on_yet(
    start: Start, kaltura: FakeKaltura, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = await start(max_concurrent_sessions=1)
    session = await house.open("a")

    async def fails(*_: object) -> None:
        raise RecordUnavailable

    monkeypatch.setattr(SharedCapacityStore, "change", fails)
    await house.end(session)
    assert kaltura.operations()[-1] == "end"


async def test_no_row_tells_a_tickets_id(start: Start) -> None:
    house = await start(max_concurrent_sessions=1)
    assert isinstance(house, Process)
    await house.open("a")
    waiting = await house.wait("b")
    for table in ("line", "capacity", "openings"):
        rows = await house.database.read(text(f"SELECT * FROM {table}"))  # noqa: S608 - our own words
        assert waiting.ticket_id not in str(rows)


class Visitors:
    """What visitors of one broker do, step by step, and what comes of it."""

    def __init__(self, house: Domain) -> None:
        self._house = house
        self._sessions: dict[str, list[SessionRuntime]] = {}
        self._tickets: dict[str, str] = {}

    async def step(self, what: str, name: str) -> object:
        try:
            return await getattr(self, what)(name)
        except Problem as problem:
            return problem.name

    async def comes(self, name: str) -> object:
        came = await comes(self._house, name, "home" if name < "d" else "away")
        if isinstance(came, QueuePosition):
            self._tickets[name] = came.ticket_id
            return came.position, came.estimated_seconds, came.turn_seconds_left
        assert isinstance(came, SessionRuntime)
        self._sessions.setdefault(name, []).append(came)
        return "opened"

    async def asks(self, name: str) -> object:
        came = await self._house.admission.place(self._tickets.get(name, "none"), 0)
        return came.position, came.estimated_seconds, came.turn_seconds_left

    async def leaves(self, name: str) -> object:
        await self._house.admission.leave_line(self._tickets.pop(name, "none"))
        return (await self._house.stats_reader.stats()).waiting

    async def ends(self, name: str) -> object:
        for session in self._sessions.pop(name, []):
            await self._house.end(session)
        return None


@pytest.mark.parametrize("seed", range(2))
async def test_the_rules_are_the_same_wherever_the_state_is_kept(
    start: Start, clock: FakeClock, seed: int
) -> None:
    limits: dict[str, Any] = {
        "max_concurrent_sessions": 3,
        "max_waiting": 3,
        "max_sessions_per_visitor": 2,
        "address_share_percent": 67,
    }
    local, shared = Domain(FakeKaltura(), clock, **limits), await start(**limits)
    here, there = Visitors(local), Visitors(shared)
    choices = random.Random(seed)
    seen = set()
    for _ in range(200):
        [what] = choices.choices(["comes", "asks", "leaves", "ends"], [8, 3, 1, 2])
        name = choices.choice("abcdef")
        happened = await here.step(what, name)
        assert await there.step(what, name) == happened, (what, name)
        seen.add(happened if isinstance(happened, str) else what)
        clock.advance(choices.choice([0, 1, 10]))
        await asyncio.gather(local.sweep(), shared.sweep())
    assert seen >= {"opened", "too-many-sessions", "at-capacity", "ticket-not-found", "asks"}
