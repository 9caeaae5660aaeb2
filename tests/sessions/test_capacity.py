"""Who may open a session now, and who waits for one."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from app.problems import (
    AtCapacity,
    KalturaBusy,
    KalturaFailed,
    RecordUnavailable,
    TicketNotFound,
    TooManySessions,
)
from app.sessions.access import SERVICE
from app.sessions.admission import Opened
from app.sessions.capacity import manager, waiting_line
from app.sessions.capacity.manager import QueuePosition
from app.sessions.capacity.state import CapacityState
from app.sessions.capacity.waiting_line import LineSnapshot, WaitingLineReader
from app.sessions.capacity.waiting_room import ABSENT_SECONDS, TURN_SECONDS
from app.sessions.lifecycle.options import SessionOptions
from app.sessions.lifecycle.presence import LEAVE_SECONDS
from app.sessions.lifecycle.termination import MAX_PAUSE_SECONDS
from app.sessions.runtime import SessionRuntime
from app.sessions.store.model import WATCHED_SECONDS
from tests.support.doubles import FakeClock, FakeKaltura, Gate, refusal, settled
from tests.support.sessions import Domain, grant

SHOP = f"{SERVICE}shop"


@pytest.fixture
def house(kaltura: FakeKaltura, clock: FakeClock) -> Domain:
    """One place, and a line for three."""
    return Domain(kaltura, clock, max_concurrent_sessions=1, max_waiting=3)


async def position(house: Domain, waiting: QueuePosition) -> int:
    return (await house.admission.place(waiting.ticket_id, 0)).position


async def is_called(house: Domain, waiting: QueuePosition) -> bool:
    return (await house.admission.place(waiting.ticket_id, 0)).turn_seconds_left is not None


async def test_a_rush_opens_as_many_as_there_are_places_and_the_others_come_in_in_order(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    house = Domain(kaltura, clock, max_concurrent_sessions=5)
    names = [f"visitor-{n:02}" for n in range(30)]
    first = await asyncio.gather(*(house.admission.open(name, SessionOptions()) for name in names))
    inside = [o for o in first if isinstance(o, SessionRuntime)]
    line = [o.position for o in first if isinstance(o, QueuePosition)]
    assert len(inside) == 5
    assert line == list(range(1, 26))
    came = [each.session.owner for each in inside]
    while inside:
        await house.end(inside.pop(0))
        # Everyone asks, those at the end of the line first.
        for name in reversed(names):
            if name in came:
                continue
            outcome = await house.admission.open(name, SessionOptions())
            if isinstance(outcome, SessionRuntime):
                inside.append(outcome)
                came.append(name)
            assert len(house.registry.sessions()) <= 5
    assert came == names
    assert kaltura.operations().count("create") == 30


async def test_a_session_that_is_being_opened_has_its_place(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    house = Domain(kaltura, clock, max_concurrent_sessions=2, max_sessions_per_visitor=1)
    gates = [Gate(httpx.Response(200, json={"sessionId": n, "token": "t"})) for n in "12"]
    kaltura.will("create", *gates)
    opening = [asyncio.create_task(house.open(name)) for name in "ab"]
    for gate in gates:
        await gate.reached.wait()
    with pytest.raises(TooManySessions):
        await house.open("a")
    c = await house.wait("c")
    assert not await is_called(house, c)
    for gate in gates:
        gate.open.set()
    await asyncio.gather(*opening)
    assert kaltura.operations().count("create") == 2


async def test_a_free_place_is_the_next_ones_and_nobody_jumps_the_line(house: Domain) -> None:
    session = await house.open("a")
    b = await house.wait("b")
    await house.end(session)
    assert await is_called(house, b)
    with pytest.raises(AtCapacity):
        await house.admission.open_now("an SDK, which cannot wait", SessionOptions())
    c = await house.wait("c")
    assert c.position == 2
    assert (await house.open("b")).session.owner == "b"


async def test_asking_again_keeps_the_place(house: Domain) -> None:
    await house.open("a")
    first, again = await house.wait("b"), await house.wait("b")
    assert again.ticket_id == first.ticket_id
    assert again.position == 1


async def test_a_turn_not_taken_within_its_time_goes_to_the_next(
    house: Domain, clock: FakeClock
) -> None:
    session = await house.open("a")
    b, c = await house.wait("b"), await house.wait("c")
    await house.end(session)
    clock.advance(TURN_SECONDS)
    await house.sweep()
    with pytest.raises(TicketNotFound):
        await house.admission.place(b.ticket_id, 0)
    assert await is_called(house, c)
    assert (await house.wait("b")).position == 2, "who missed their turn lines up anew"


async def test_who_does_not_ask_for_long_is_not_waited_for(house: Domain, clock: FakeClock) -> None:
    await house.open("a")
    b, c = await house.wait("b"), await house.wait("c")
    clock.advance(ABSENT_SECONDS - 1)
    assert await position(house, c) == 2
    clock.advance(1)
    await house.sweep()
    assert await position(house, c) == 1
    with pytest.raises(TicketNotFound):
        await house.admission.place(b.ticket_id, 0)


async def test_who_asks_while_nothing_can_be_written_keeps_the_place(
    house: Domain, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.open("a")
    b = await house.wait("b")
    clock.advance(ABSENT_SECONDS - 1)
    assert await position(house, b) == 1

    async def fails(*_: object) -> None:
        raise RecordUnavailable

    with monkeypatch.context() as broken:
        broken.setattr(house.capacity._store, "change", fails)
        with pytest.raises(RecordUnavailable):
            await house.sweep()
    clock.advance(1)
    await house.sweep()
    assert await position(house, b) == 1


async def test_leaving_the_line_lets_the_others_move_up_and_may_be_repeated(house: Domain) -> None:
    await house.open("a")
    b, c = await house.wait("b"), await house.wait("c")
    for _ in range(2):
        await house.admission.leave_line(b.ticket_id)
    assert await position(house, c) == 1


async def test_who_leaves_although_it_is_their_turn_gives_it_to_the_next(house: Domain) -> None:
    session = await house.open("a")
    b, c = await house.wait("b"), await house.wait("c")
    await house.end(session)
    await house.admission.leave_line(b.ticket_id)
    assert await is_called(house, c)


async def test_the_line_is_bounded(house: Domain) -> None:
    await house.open("a")
    for name in "bcd":
        await house.wait(name)
    with pytest.raises(AtCapacity) as full:
        await house.admission.open("e", SessionOptions())
    assert full.value.retry_after


async def test_a_change_is_looked_up_once_for_all_who_wait(
    kaltura: FakeKaltura, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = Domain(kaltura, clock, max_concurrent_sessions=1, max_waiting=30)
    session = await house.open("first")
    line = [await house.wait(f"visitor-{number}") for number in range(30)]
    asking = [asyncio.create_task(house.admission.place(each.ticket_id, 60)) for each in line]
    await settled()
    looks, store = Counter[str](), house.capacity._store
    read = store.read

    async def counted(rule: Callable[[CapacityState], Any]) -> Any:
        looks["times"] += 1
        await asyncio.sleep(0)
        return await read(rule)

    monkeypatch.setattr(store, "read", counted)
    await house.end(session)
    await settled()
    assert [each.done() for each in asking] == [True] + [False] * 29
    await house.admission.leave_line(line[0].ticket_id)
    async with asyncio.timeout(30):  # a change that one has missed would keep it for 60 s
        positions = [(await each).position for each in asking]
    assert positions == [1, *range(1, 30)]
    assert looks["times"] < 10, "two changes, and a look or two at each"


async def test_a_turn_is_told_at_once_and_a_better_place_the_later_the_more_wait(
    house: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await house.open("a")
    b, c = await house.wait("b"), await house.wait("c")
    monkeypatch.setattr(manager, "POSITIONS_PER_SECOND", 0.001)
    asking = asyncio.create_task(house.admission.place(c.ticket_id, 60))
    await settled()
    await house.admission.leave_line(b.ticket_id)
    await settled()
    assert not asking.done()
    await house.end(session)
    assert (await asking).turn_seconds_left == TURN_SECONDS


async def test_between_two_looks_is_a_pause_as_many_times_as_long_as_they_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waiting_line, "MAX_PAUSE_SECONDS", 60)
    line, begun = LineSnapshot(0.0, {}, set(), 0, is_due=False), asyncio.Event()

    async def look() -> LineSnapshot:
        begun.set()
        await asyncio.sleep(0.001)
        return line

    looks = WaitingLineReader(look, rest=1e6)
    assert await looks.since(time.monotonic()) is line
    begun.clear()
    again = asyncio.create_task(looks.since(time.monotonic()))
    await settled()
    assert not begun.is_set()
    again.cancel()


async def test_all_who_ask_are_told_when_the_line_can_not_be_looked_up() -> None:
    looks = 0

    async def look() -> LineSnapshot:
        nonlocal looks
        looks += 1
        await asyncio.sleep(0)
        raise RecordUnavailable

    line = WaitingLineReader(look)
    now = time.monotonic()
    answers = await asyncio.gather(*(line.since(now) for _ in range(3)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [RecordUnavailable] * 3
    assert looks == 1
    with pytest.raises(RecordUnavailable):
        await line.since(time.monotonic())
    assert looks == 2, "it is tried again"


async def test_a_visitor_with_a_session_does_not_wait_for_another(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    house = Domain(kaltura, clock, max_concurrent_sessions=1, max_sessions_per_visitor=1)
    await house.open("a")
    with pytest.raises(TooManySessions):
        await house.admission.open("a", SessionOptions())


async def test_one_whose_session_has_ended_here_may_open_another_at_once(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    house = Domain(kaltura, clock, max_sessions_per_visitor=1)
    session = await house.open("a")
    kaltura.will("end", refusal(500))
    with pytest.raises(KalturaFailed):
        await house.end(session)
    assert (await house.open("a")).session_id != session.session_id


async def test_a_long_poll_hears_of_the_turn_when_it_comes(house: Domain) -> None:
    session = await house.open("a")
    b = await house.wait("b")
    asking = asyncio.create_task(house.admission.place(b.ticket_id, 60))
    await asyncio.sleep(0)
    assert not asking.done()
    await house.end(session)
    assert (await asking).turn_seconds_left == TURN_SECONDS


async def test_a_long_poll_hears_of_a_better_place(house: Domain) -> None:
    await house.open("a")
    b, c = await house.wait("b"), await house.wait("c")
    asking = asyncio.create_task(house.admission.place(c.ticket_id, 60))
    await asyncio.sleep(0)
    await house.admission.leave_line(b.ticket_id)
    assert (await asking).position == 1


async def test_a_long_poll_ends_when_its_time_is_up(house: Domain) -> None:
    await house.open("a")
    b = await house.wait("b")
    assert (await house.admission.place(b.ticket_id, 0.01)).position == 1


async def test_a_long_poll_ends_when_its_ticket_is_given_up(house: Domain) -> None:
    await house.open("a")
    b = await house.wait("b")
    asking = asyncio.create_task(house.admission.place(b.ticket_id, 60))
    await asyncio.sleep(0)
    await house.admission.leave_line(b.ticket_id)
    with pytest.raises(TicketNotFound):
        await asking


async def test_the_estimate_is_when_places_become_free_if_sessions_last_as_they_lately_did(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    house = Domain(kaltura, clock, max_concurrent_sessions=2, session_max_seconds=900)
    for _ in range(2):
        session = await house.open("before")
        clock.advance(60)
        await house.end(session)
    await house.open("a")
    clock.advance(20)
    await house.open("b")
    waits = [(await house.wait(name)).estimated_seconds for name in "cdef"]
    assert waits == [40, 60, 100, 120]


async def test_before_anything_is_known_the_estimate_is_what_the_limits_say(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    house = Domain(kaltura, clock, max_concurrent_sessions=1, session_max_seconds=75)
    await house.open("a")
    clock.advance(2)
    assert (await house.wait("b")).estimated_seconds == 73
    assert (await house.wait("c")).estimated_seconds == 73 + 75


async def test_a_session_that_is_longer_than_most_lasts_as_the_longer_ones_did(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    house = Domain(kaltura, clock, max_concurrent_sessions=1, session_max_seconds=900)
    for seconds in (10, 10, 10, 10, 70):
        session = await house.open("before")
        clock.advance(seconds)
        await house.end(session)
    session = await house.open("a")
    for age, estimate in ((0, 10), (20, 50), (100, 800), (880, 20)):
        clock.now = session.session.opened_at + age
        await house.service.keep_alive(grant(session))
        assert (await house.wait("b")).estimated_seconds == estimate


async def test_the_estimate_knows_when_a_session_that_was_left_will_end(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    house = Domain(
        kaltura,
        clock,
        max_concurrent_sessions=1,
        session_max_seconds=900,
        session_idle_seconds=90,
    )
    session = await house.open("a")
    clock.advance(WATCHED_SECONDS - 1)
    assert (await house.wait("b")).estimated_seconds == 900 - WATCHED_SECONDS + 1
    clock.advance(1)
    assert (await house.wait("b")).estimated_seconds == 90 - WATCHED_SECONDS
    await house.presence.leave(session)
    assert (await house.wait("b")).estimated_seconds == LEAVE_SECONDS


async def test_while_kaltura_refuses_an_end_the_estimate_is_when_it_is_asked_again(
    house: Domain, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    session = await house.open("a")
    kaltura.will("end", *[refusal(500)] * 6)
    with pytest.raises(KalturaFailed):
        await house.end(session)
    for _ in range(5):
        clock.advance(MAX_PAUSE_SECONDS)
        await house.sweep()
    assert (await house.wait("b")).estimated_seconds == MAX_PAUSE_SECONDS


async def test_kalturas_own_429_counts_as_full_and_who_met_it_is_the_first_in_line(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    house = Domain(kaltura, clock, max_concurrent_sessions=5)
    a = await house.open("a")
    kaltura.will("create", refusal(429))
    b = await house.wait("b")
    assert b.position == 1
    assert (await house.wait("c")).position == 2, "Kaltura is not asked again for others"
    assert kaltura.operations().count("create") == 2
    await house.end(a)
    assert await is_called(house, b)
    assert (await house.open("b")).session.owner == "b"


async def test_after_a_429_kaltura_is_tried_again_in_a_while(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    house = Domain(kaltura, clock, max_concurrent_sessions=5)
    await house.open("a")
    busy = refusal(429)
    busy.headers["Retry-After"] = "20"
    kaltura.will("create", busy)
    b = await house.wait("b")
    clock.advance(19)
    assert not await is_called(house, b)
    clock.advance(1)
    assert await is_called(house, b)


async def test_a_429_does_not_cost_others_the_turn_that_they_could_not_take(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    house = Domain(kaltura, clock, max_concurrent_sessions=4)
    inside = [await house.open(name) for name in "1234"]
    b, c = await house.wait("b"), await house.wait("c")
    for session in inside[:2]:
        await house.end(session)
    assert await is_called(house, b)
    assert await is_called(house, c)
    busy = refusal(429)
    busy.headers["Retry-After"] = "60"
    kaltura.will("create", busy)
    assert (await house.wait("b")).position == 1
    waiting = await house.wait("c")
    assert (waiting.position, waiting.turn_seconds_left) == (2, None)
    for _ in range(2):
        clock.advance(TURN_SECONDS - 1)
        await house.sweep()
        assert (await house.wait("b")).position == 1
        assert await position(house, c) == 2
    clock.advance(2)
    assert await is_called(house, c)


async def test_a_rush_that_meets_kalturas_429_lines_up_in_order(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    house = Domain(kaltura, clock, max_concurrent_sessions=5)
    await house.open("a")
    kaltura.will("create", refusal(429))
    rush = [await house.wait(name) for name in "bcd"]
    assert [waiting.position for waiting in rush] == [1, 2, 3]
    clock.advance(5)
    gates = [Gate(refusal(429)) for _ in range(3)]
    kaltura.will("create", *gates)
    again = [asyncio.create_task(house.admission.open(name, SessionOptions())) for name in "bcd"]
    for gate in gates:
        await gate.reached.wait()
    for gate in gates:
        gate.open.set()
    assert [outcome.position for outcome in await asyncio.gather(*again)] == [1, 2, 3]  # type: ignore[union-attr] # all are in line


async def test_one_who_met_two_429s_has_one_place(kaltura: FakeKaltura, clock: FakeClock) -> None:
    house = Domain(kaltura, clock, max_concurrent_sessions=5)
    await house.open("a")
    gates = [Gate(refusal(429)) for _ in range(2)]
    kaltura.will("create", *gates)
    both = [asyncio.create_task(house.wait("b")) for _ in gates]
    for gate in gates:
        await gate.reached.wait()
    for gate in gates:
        gate.open.set()
    assert len({waiting.ticket_id for waiting in await asyncio.gather(*both)}) == 1
    assert (await house.wait("c")).position == 2


async def test_who_cannot_wait_or_finds_the_line_full_is_told_of_a_429_as_it_is(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    house = Domain(kaltura, clock, max_concurrent_sessions=5, max_waiting=1)
    await house.open("a")
    kaltura.will("create", refusal(429), refusal(429))
    with pytest.raises(KalturaBusy):
        await house.admission.open_now("an SDK, which cannot wait", SessionOptions())
    gate = Gate(refusal(429))
    kaltura.script["create"].appendleft(gate)
    slow = asyncio.create_task(house.admission.open("b", SessionOptions()))
    await gate.reached.wait()
    await house.wait("c")
    gate.open.set()
    with pytest.raises(KalturaBusy):
        await slow


async def test_a_429_while_none_of_ours_is_open_is_told_as_it_is(
    house: Domain, kaltura: FakeKaltura
) -> None:
    kaltura.will("create", refusal(429))
    with pytest.raises(KalturaBusy):
        await house.admission.open("a", SessionOptions())
    assert isinstance(await house.open("a"), SessionRuntime)


async def test_each_key_of_a_service_has_a_place_of_its_own(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    house = Domain(kaltura, clock, max_concurrent_sessions=1)
    await house.open("a")
    places = []
    for key in ("x", "y", "x", None, None):
        waiting = await house.admission.open_for_service(SHOP, SessionOptions(), key)
        assert isinstance(waiting, QueuePosition)
        places.append(waiting.position)
    assert places == [1, 2, 1, 3, 3]


async def test_a_services_ticket_makes_nobody_the_service(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    house = Domain(kaltura, clock, max_concurrent_sessions=1)
    await house.open("a")
    waiting = await house.admission.open_for_service(SHOP, SessionOptions(), "key")
    assert isinstance(waiting, QueuePosition)
    assert await position(house, waiting) == 1, "its page may ask how long it takes"
    with pytest.raises(TicketNotFound):
        await house.admission.ticket_owner(waiting.ticket_id)


async def test_an_end_that_kaltura_refuses_holds_its_place(
    house: Domain, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    a = await house.open("a")
    kaltura.will("end", refusal(500), refusal(500))
    with pytest.raises(Exception, match="Kaltura"):
        await house.end(a)
    b = await house.wait("b")
    assert not await is_called(house, b)
    for _ in range(2):
        clock.advance(30)
        await house.admission.place(b.ticket_id, 0)
        await house.sweep()
    assert await is_called(house, b)


# What the visitors of one address may have together


async def comes(house: Domain, name: str, address: str | None) -> Opened:
    return await house.admission.open(name, SessionOptions(), address=address)


@pytest.mark.parametrize(
    ("places", "percent", "share"),
    [(5, 80, 4), (5, 100, 5), (5, 1, 1), (10, 25, 3), (3, 80, 2), (2, 80, 2), (1, 80, 1)],
)
async def test_one_address_has_its_share_of_the_places_and_the_rest_is_left_to_others(
    kaltura: FakeKaltura, clock: FakeClock, places: int, percent: int, share: int
) -> None:
    house = Domain(kaltura, clock, max_concurrent_sessions=places, address_share_percent=percent)
    rush = (comes(house, f"a{n}", "home") for n in range(12))
    came = await asyncio.gather(*rush, return_exceptions=True)
    assert sum(isinstance(one, SessionRuntime) for one in came) == share
    others = [await comes(house, f"b{n}", f"away-{n}") for n in range(places - share)]
    assert all(isinstance(one, SessionRuntime) for one in others), "they wait behind nobody"
    assert isinstance(await comes(house, "c", "elsewhere"), QueuePosition)


@pytest.mark.parametrize(("places", "percent"), [(1, 80), (2, 80), (5, 100)])
async def test_where_the_share_is_everything_who_comes_first_is_first_in_line(
    kaltura: FakeKaltura, clock: FakeClock, places: int, percent: int
) -> None:
    house = Domain(kaltura, clock, max_concurrent_sessions=places, address_share_percent=percent)
    inside = [await comes(house, f"a{n}", "home") for n in range(places)]
    line = [await comes(house, name, address) for name, address in [("b", "home"), ("c", "away")]]
    assert [one.position for one in line if isinstance(one, QueuePosition)] == [1, 2]
    assert isinstance(inside[0], SessionRuntime)
    await house.end(inside[0])
    assert isinstance(await comes(house, "c", "away"), QueuePosition)
    assert isinstance(await comes(house, "b", "home"), SessionRuntime)


async def test_who_is_of_no_address_has_every_place(kaltura: FakeKaltura, clock: FakeClock) -> None:
    house = Domain(kaltura, clock, max_concurrent_sessions=5)
    came = [await comes(house, f"a{n}", None) for n in range(5)]
    assert all(isinstance(one, SessionRuntime) for one in came)


async def test_while_an_address_has_its_share_those_behind_it_in_line_are_called_first(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    house = Domain(kaltura, clock, max_concurrent_sessions=5)
    inside = [await comes(house, f"a{n}", "home") for n in range(4)]
    other = await comes(house, "b", "away")
    line = [await comes(house, name, "home") for name in ("a4", "a5")]
    line += [await comes(house, name, "away") for name in ("c", "d")]
    a4, a5, c, d = [one for one in line if isinstance(one, QueuePosition)]
    assert [await position(house, one) for one in (c, d, a4, a5)] == [1, 2, 3, 4]
    assert isinstance(other, SessionRuntime)
    await house.end(other)
    assert [await is_called(house, one) for one in (a4, a5, c, d)] == [False, False, True, False]
    assert isinstance(await comes(house, "a4", "home"), QueuePosition)
    assert isinstance(await comes(house, "c", "away"), SessionRuntime)
    assert isinstance(inside[0], SessionRuntime)
    await house.end(inside[0])
    assert await is_called(house, a4), "who came first of those whose address has room again"
    assert not await is_called(house, d)
    assert isinstance(await comes(house, "a4", "home"), SessionRuntime)
    assert isinstance(await comes(house, "new", "home"), QueuePosition)
    assert [await position(house, one) for one in (d, a5)] == [1, 2]


async def test_a_place_that_is_promised_to_an_address_counts_for_its_share(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    house = Domain(kaltura, clock, max_concurrent_sessions=5)
    inside = [await comes(house, f"a{n}", "home") for n in range(4)]
    called = await comes(house, "a4", "home")
    assert isinstance(inside[0], SessionRuntime)
    await house.end(inside[0])
    assert isinstance(called, QueuePosition)
    assert await is_called(house, called)
    assert isinstance(await comes(house, "a5", "home"), QueuePosition), "though two places are free"
    assert isinstance(await comes(house, "b", "away"), SessionRuntime)
    assert isinstance(await comes(house, "a4", "home"), SessionRuntime)


async def test_whoever_takes_their_turn_elsewhere_counts_there(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    house = Domain(kaltura, clock, max_concurrent_sessions=5)
    for n in range(4):
        await comes(house, f"a{n}", "home")
    away = await comes(house, "b", "away")
    assert isinstance(await comes(house, "c", "away"), QueuePosition)
    assert isinstance(away, SessionRuntime)
    await house.end(away)
    assert isinstance(await comes(house, "c", "home"), QueuePosition), "it is no way past the share"
    assert isinstance(await comes(house, "c", "away"), SessionRuntime)


async def test_one_address_has_its_share_of_the_line(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    house = Domain(kaltura, clock, max_concurrent_sessions=1, max_waiting=5)
    await house.open("inside")
    for n in range(4):
        assert isinstance(await comes(house, f"a{n}", "home"), QueuePosition)
    with pytest.raises(AtCapacity, match="network address") as refused:
        await comes(house, "a4", "home")
    assert refused.value.retry_after
    assert isinstance(await comes(house, "a0", "home"), QueuePosition), "who is in line stays there"
    assert isinstance(await comes(house, "b", "away"), QueuePosition)
    with pytest.raises(AtCapacity) as full:
        await comes(house, "c", "elsewhere")
    assert "network address" not in full.value.detail


async def test_who_cannot_wait_is_told_that_it_is_the_address(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    house = Domain(kaltura, clock, max_concurrent_sessions=5)
    for n in range(4):
        await comes(house, f"a{n}", "home")
    with pytest.raises(AtCapacity, match="network address"):
        await house.admission.open_now(
            "an SDK, which cannot wait", SessionOptions(), address="home"
        )
    opened = await house.admission.open_now("another", SessionOptions(), address="away")
    assert opened.session.address not in {None, "away"}, "what is kept is a digest"
