"""Pages come and go."""

import pytest

from app.problems import SessionEnded
from app.sessions.lifecycle.options import SessionOptions
from app.sessions.lifecycle.presence import LEAVE_SECONDS
from app.sessions.store.model import WATCHED_SECONDS, EndReason
from tests.support.doubles import FakeClock, FakeKaltura
from tests.support.sessions import Domain, grant


@pytest.fixture
def house(kaltura: FakeKaltura, clock: FakeClock) -> Domain:
    return Domain(kaltura, clock)


async def test_a_session_whose_page_went_away_ends_in_a_moment(
    house: Domain, clock: FakeClock
) -> None:
    session = await house.open()
    await house.presence.leave(session)
    clock.advance(LEAVE_SECONDS - 1)
    await house.sweep()
    assert (await house.now(session)).ended is None
    clock.advance(1)
    await house.sweep()
    assert (await house.now(session)).ended == EndReason.LEFT


async def test_a_page_that_comes_back_in_time_goes_on_with_the_same_token(
    house: Domain, clock: FakeClock
) -> None:
    opened = await house.admission.open_now("a", SessionOptions())
    await house.presence.leave(opened)
    clock.advance(LEAVE_SECONDS - 1)
    resumed = await house.presence.resume(opened)
    assert resumed.token.get_secret_value() == house.issued(opened).token.get_secret_value()
    clock.advance(60)
    await house.sweep()
    assert (await house.now(opened)).ended is None


async def test_a_late_sign_of_life_of_the_page_that_left_does_not_bring_it_back(
    house: Domain, clock: FakeClock
) -> None:
    session = await house.open()
    await house.presence.leave(session)
    await house.service.keep_alive(await house.grant(session))
    clock.advance(LEAVE_SECONDS)
    await house.sweep()
    assert (await house.now(session)).ended == EndReason.LEFT


async def test_leaving_again_does_not_prolong_the_moment(house: Domain, clock: FakeClock) -> None:
    session = await house.open()
    await house.presence.leave(session)
    clock.advance(LEAVE_SECONDS - 1)
    await house.presence.leave(session)
    clock.advance(1)
    await house.sweep()
    assert (await house.now(session)).ended == EndReason.LEFT


async def test_leaving_a_session_that_has_ended_changes_nothing(house: Domain) -> None:
    session = await house.open()
    await house.end(session)
    await house.presence.leave(session)
    assert (await house.now(session)).ended == EndReason.VISITOR


async def test_an_ended_session_cannot_be_resumed_and_says_why(house: Domain) -> None:
    session = await house.open()
    await house.end(session)
    with pytest.raises(SessionEnded) as over:
        await house.presence.resume(session)
    assert over.value.extensions == {"endReason": "visitor"}


async def test_a_session_is_watched_while_its_page_is_heard_of(
    house: Domain, clock: FakeClock
) -> None:
    session = await house.open()
    clock.advance(WATCHED_SECONDS - 1)
    watched = [session.session.is_watched(clock.now)]
    clock.advance(1)
    watched.append(session.session.is_watched(clock.now))
    await house.service.keep_alive(grant(session))
    watched.append((await house.now(session)).is_watched(clock.now))
    await house.presence.leave(session)
    watched.append((await house.now(session)).is_watched(clock.now))
    assert watched == [True, False, True, False]
