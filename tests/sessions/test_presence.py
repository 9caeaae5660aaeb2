"""Pages come and go."""

import pytest

from app.problems import SessionEnded
from app.sessions.admission.admission import LEAVE_SECONDS
from app.sessions.lifecycle.options import SessionOptions
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
    await house.admission.leave(session)
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
    await house.admission.leave(opened.session)
    clock.advance(LEAVE_SECONDS - 1)
    resumed = await house.admission.resume(grant(await house.now(opened.session)))
    assert resumed.token.get_secret_value() == opened.token.get_secret_value()
    clock.advance(60)
    await house.sweep()
    assert (await house.now(opened.session)).ended is None


async def test_a_late_sign_of_life_of_the_page_that_left_does_not_bring_it_back(
    house: Domain, clock: FakeClock
) -> None:
    session = await house.open()
    await house.admission.leave(session)
    await house.broker.keep_alive(grant(await house.now(session)))
    clock.advance(LEAVE_SECONDS)
    await house.sweep()
    assert (await house.now(session)).ended == EndReason.LEFT


async def test_leaving_again_does_not_prolong_the_moment(house: Domain, clock: FakeClock) -> None:
    session = await house.open()
    await house.admission.leave(session)
    clock.advance(LEAVE_SECONDS - 1)
    await house.admission.leave(await house.now(session))
    clock.advance(1)
    await house.sweep()
    assert (await house.now(session)).ended == EndReason.LEFT


async def test_leaving_a_session_that_has_ended_changes_nothing(house: Domain) -> None:
    session = await house.open()
    await house.end(session)
    await house.admission.leave(await house.now(session))
    assert (await house.now(session)).ended == EndReason.VISITOR


async def test_an_ended_session_cannot_be_resumed_and_says_why(house: Domain) -> None:
    session = await house.open()
    await house.end(session)
    with pytest.raises(SessionEnded) as over:
        await house.admission.resume(grant(await house.now(session)))
    assert over.value.extensions == {"endReason": "visitor"}


async def test_a_session_is_watched_while_its_page_is_heard_of(
    house: Domain, clock: FakeClock
) -> None:
    session = await house.open()
    clock.advance(WATCHED_SECONDS - 1)
    watched = [session.is_watched(clock.now)]
    clock.advance(1)
    watched.append(session.is_watched(clock.now))
    await house.broker.keep_alive(grant(session))
    watched.append((await house.now(session)).is_watched(clock.now))
    await house.admission.leave(await house.now(session))
    watched.append((await house.now(session)).is_watched(clock.now))
    assert watched == [True, False, True, False]
