"""How long something lasts depends neither on the wall clock nor on a process that stood still."""

from typing import Any

import httpx
import pytest

from app.problems import BudgetSpent
from app.sessions.access import Caller
from app.sessions.capacity.waiting_room import ABSENT_SECONDS, TURN_SECONDS
from app.sessions.clock import PAUSE_SECONDS, SessionClock
from app.sessions.store.model import EndReason
from tests.support.doubles import FakeClock, FakeKaltura
from tests.support.sessions import Domain

HOUR = 3600
SET = pytest.mark.parametrize("by", [-HOUR, HOUR, 365 * 24 * HOUR], ids=["back", "ahead", "year"])


@pytest.fixture
def monotonic() -> FakeClock:
    """Time as it passes; the wall clock shows another and is set at will."""
    return FakeClock(5.0)


class Times:
    """A wall clock that goes with the time that passes, until it is set."""

    def __init__(self, wall: FakeClock, monotonic: FakeClock) -> None:
        self.wall, self.monotonic = wall, monotonic

    def pass_by(self, seconds: float) -> None:
        self.wall.advance(seconds)
        self.monotonic.advance(seconds)


@pytest.fixture
def times(clock: FakeClock, monotonic: FakeClock) -> Times:
    return Times(clock, monotonic)


@pytest.fixture
def house(kaltura: FakeKaltura, clock: FakeClock, monotonic: FakeClock) -> Domain:
    return Domain(kaltura, clock, monotonic=monotonic)


@SET
async def test_an_idle_session_is_ended_when_it_has_been_idle_for_so_long(
    house: Domain, times: Times, by: int
) -> None:
    session = await house.open()
    times.wall.advance(by)
    times.pass_by(house.settings.session_idle_seconds - 1)
    await house.sweep()
    assert (await house.now(session)).ended is None
    times.pass_by(1)
    await house.sweep()
    assert (await house.now(session)).ended is EndReason.IDLE


@SET
async def test_a_watched_session_lasts_as_long_as_it_may(
    house: Domain, times: Times, by: int
) -> None:
    session = await house.open()
    opened = house.issued(session)
    caller = Caller(token=opened.token.get_secret_value())
    times.pass_by(1)
    times.wall.advance(by)
    times.pass_by(house.settings.session_max_seconds - 2)
    await house.service.keep_alive(await house.access_control.find(caller, session.session_id))
    await house.sweep()
    assert await house.budgets.seconds_left(await house.now(session)) == 1
    times.pass_by(1)
    assert (
        await house.access_control.find(caller, session.session_id)
    ).session.ended is EndReason.EXPIRED


@SET
async def test_a_page_that_went_away_has_the_same_moment_to_come_back(
    house: Domain, times: Times, by: int
) -> None:
    session = await house.open()
    await house.presence.leave(session)
    times.wall.advance(by)
    times.pass_by(2)
    await house.sweep()
    assert (await house.now(session)).ended is None
    times.pass_by(1)
    await house.sweep()
    assert (await house.now(session)).ended is EndReason.LEFT


@SET
async def test_an_end_that_was_refused_is_tried_again_as_soon(
    house: Domain, kaltura: FakeKaltura, times: Times, by: int
) -> None:
    session = await house.open()
    kaltura.will("end", httpx.Response(500))
    house.terminator.end_soon(session, EndReason.LEFT)
    await house.terminator.settle()
    times.wall.advance(by)
    await house.sweep()
    assert kaltura.operations().count("end") == 1
    times.pass_by(2)
    await house.sweep()
    assert (await house.now(session)).ended_upstream


@SET
async def test_a_place_in_line_is_kept_for_as_long(
    kaltura: FakeKaltura, clock: FakeClock, monotonic: FakeClock, times: Times, by: int
) -> None:
    house = Domain(kaltura, clock, monotonic=monotonic, max_concurrent_sessions=1)
    session = await house.open()
    waiting = await house.wait("b")
    times.wall.advance(by)
    times.pass_by(ABSENT_SECONDS - 1)
    assert (await house.admission.place(waiting.ticket_id, 0)).position == 1
    await house.end(session)
    times.wall.advance(by)
    times.pass_by(TURN_SECONDS - 1)
    assert (await house.admission.place(waiting.ticket_id, 0)).turn_seconds_left == 1


@SET
async def test_minutes_are_spent_as_they_pass(
    kaltura: FakeKaltura, clock: FakeClock, monotonic: FakeClock, times: Times, by: int
) -> None:
    clock.now -= clock.now % (24 * HOUR) - 12 * HOUR  # noon
    house = Domain(kaltura, clock, monotonic=monotonic, daily_minutes=3)
    session = await house.open("a")
    times.pass_by(60)
    times.wall.advance(by)
    assert await house.budgets.seconds_left(await house.now(session)) == 120
    await house.end(session)
    later = await house.open("b")
    assert later.session.expires_at - house.clock() == 120
    times.pass_by(120)
    await house.sweep()
    assert (await house.now(later)).ended is EndReason.BUDGET
    with pytest.raises(BudgetSpent):
        await house.open("c")


async def test_what_is_shown_and_signed_is_by_the_wall_clock(house: Domain, times: Times) -> None:
    times.wall.advance(-HOUR)
    session = await house.open()
    opened = house.issued(session)
    assert opened.expires_at == times.wall() + house.settings.session_max_seconds
    times.wall.advance(2 * HOUR)
    again = house.issued(session)
    assert again.expires_at == times.wall() + house.settings.session_max_seconds


# Pauses of the process


@pytest.fixture
def paused(kaltura: FakeKaltura, clock: FakeClock, monotonic: FakeClock) -> Domain:
    """Where the time that passes is also that of the stopwatch."""
    changes: dict[str, Any] = {"max_concurrent_sessions": 1, "session_max_seconds": HOUR}
    return Domain(kaltura, clock, monotonic=monotonic, stopwatch=monotonic, **changes)


async def test_a_session_is_not_idle_while_nobody_could_be_heard(
    paused: Domain, times: Times
) -> None:
    session = await paused.open()
    waiting = await paused.wait("b")
    times.pass_by(HOUR / 2)
    await paused.sweep()
    assert (await paused.now(session)).ended is None
    assert (await paused.now(session)).is_watched(paused.clock.running())
    assert (await paused.admission.place(waiting.ticket_id, 0)).position == 1
    for _ in range(paused.settings.session_idle_seconds):
        times.pass_by(1)
        await paused.sweep()
    assert (await paused.now(session)).ended is EndReason.IDLE


async def test_a_pause_does_not_lengthen_a_session(paused: Domain, times: Times) -> None:
    session = await paused.open()
    times.pass_by(HOUR)
    await paused.sweep()
    assert (await paused.now(session)).ended is EndReason.EXPIRED


def test_a_little_delay_is_no_pause() -> None:
    time = FakeClock(5.0)
    clock = SessionClock(FakeClock(1000.0), time, time)
    for _ in range(10):
        time.advance(PAUSE_SECONDS)
        assert clock() == clock.running()
