"""One click, one session."""

import asyncio

import httpx
import pytest

from app.problems import InvalidRequest, KalturaFailed
from app.sessions import registry
from app.sessions.capacity.manager import QueuePosition
from app.sessions.lifecycle.options import SessionOptions
from app.sessions.runtime import SessionRuntime
from app.sessions.store.model import EndReason
from tests.support.doubles import FakeClock, FakeKaltura, Gate, refusal
from tests.support.sessions import Domain


@pytest.fixture
def house(kaltura: FakeKaltura, clock: FakeClock) -> Domain:
    return Domain(kaltura, clock, avatar_allowed_ids=("avatar-2",))


async def open_with(
    house: Domain, key: str, visitor: str = "a", options: SessionOptions | None = None
) -> str:
    """Open with a key; the session's id."""
    return (await opened_with(house, key, visitor, options)).session.session_id


async def opened_with(
    house: Domain, key: str, visitor: str = "a", options: SessionOptions | None = None
) -> SessionRuntime:
    opened = await house.admission.open(visitor, options or SessionOptions(), key)
    assert isinstance(opened, SessionRuntime)
    return opened


async def test_overlapping_creates_with_one_key_open_one_session(
    house: Domain, kaltura: FakeKaltura
) -> None:
    gate = Gate(httpx.Response(200, json={"sessionId": "one", "token": "t"}))
    kaltura.will("create", gate)
    rush = [asyncio.create_task(open_with(house, "key")) for _ in range(8)]
    await gate.reached.wait()
    rush.append(asyncio.create_task(open_with(house, "key")))
    gate.open.set()
    assert set(await asyncio.gather(*rush)) == {"one"}
    assert kaltura.operations() == ["create", "init-client"]


async def test_the_same_key_is_answered_alike_later_too(
    house: Domain, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    first = await opened_with(house, "key")
    clock.advance(60)
    again = await opened_with(house, "key")
    assert house.issued(again) == house.issued(first)
    assert again is first
    assert kaltura.operations().count("create") == 1


async def test_another_key_or_another_visitor_is_another_session(house: Domain) -> None:
    one = await open_with(house, "key", "a")
    assert len({one, await open_with(house, "other", "a"), await open_with(house, "key", "b")}) == 3


async def test_the_key_of_a_session_that_has_ended_opens_no_other(
    house: Domain, kaltura: FakeKaltura
) -> None:
    first = await opened_with(house, "key")
    await house.presence.hand_over(first, hung_up=False)
    await house.end(first)
    assert await open_with(house, "key") == first.session.session_id
    assert kaltura.operations().count("create") == 1


async def test_a_key_with_another_wish_is_a_mistake(house: Domain, kaltura: FakeKaltura) -> None:
    await open_with(house, "key")
    with pytest.raises(InvalidRequest, match="Idempotency-Key"):
        await open_with(house, "key", options=SessionOptions(avatar_id="avatar-2"))
    assert kaltura.operations().count("create") == 1


async def test_a_key_with_another_wish_is_a_mistake_while_the_first_is_under_way(
    house: Domain, kaltura: FakeKaltura
) -> None:
    gate = Gate(httpx.Response(200, json={"sessionId": "one", "token": "t"}))
    kaltura.will("create", gate)
    first = asyncio.create_task(open_with(house, "key"))
    await gate.reached.wait()
    with pytest.raises(InvalidRequest, match="Idempotency-Key"):
        await open_with(house, "key", options=SessionOptions(avatar_id="avatar-2"))
    gate.open.set()
    await first


async def test_a_failure_is_told_to_all_who_wait_and_the_next_call_tries_anew(
    house: Domain, kaltura: FakeKaltura
) -> None:
    kaltura.will("create", refusal(500))
    outcomes = await asyncio.gather(
        *(open_with(house, "key") for _ in range(3)), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [KalturaFailed] * 3
    assert kaltura.operations() == ["create"]
    await open_with(house, "key")


async def test_a_key_waits_in_line_and_then_opens(kaltura: FakeKaltura, clock: FakeClock) -> None:
    house = Domain(kaltura, clock, max_concurrent_sessions=1)
    session = await house.open("first")
    assert isinstance(await house.admission.open("a", SessionOptions(), "key"), QueuePosition)
    await house.end(session)
    assert await open_with(house, "key") == await open_with(house, "key")


async def test_who_hangs_up_without_a_key_leaves_nothing_behind(house: Domain) -> None:
    opened = await house.admission.open_now("a", SessionOptions())
    await house.presence.hand_over(opened, hung_up=True)
    await house.terminator.settle()
    assert house.registry.sessions() == []


async def test_who_hangs_up_and_asks_again_with_the_key_gets_the_session(
    house: Domain, clock: FakeClock
) -> None:
    first = await opened_with(house, "key")
    await house.presence.hand_over(first, hung_up=True)
    clock.advance(2)
    await house.sweep()
    again = await opened_with(house, "key")
    await house.presence.hand_over(again, hung_up=False)
    clock.advance(60)
    await house.sweep()
    assert (await house.now(again)).ended is None
    assert again.session.session_id == first.session.session_id


async def test_who_hangs_up_and_comes_too_late_gets_another_session(
    house: Domain, clock: FakeClock
) -> None:
    first = await opened_with(house, "key")
    await house.presence.hand_over(first, hung_up=True)
    clock.advance(3)
    await house.sweep()
    assert (await house.now(first)).ended == EndReason.LEFT
    assert await open_with(house, "key") != first.session.session_id


async def test_one_of_two_callers_hanging_up_does_not_take_the_session_from_the_other(
    house: Domain, clock: FakeClock
) -> None:
    opened = await opened_with(house, "key")
    await house.presence.hand_over(opened, hung_up=False)
    await house.presence.hand_over(await opened_with(house, "key"), hung_up=True)
    clock.advance(60)
    await house.sweep()
    assert (await house.now(opened)).ended is None


async def test_keys_are_kept_as_digests(house: Domain) -> None:
    session = (await opened_with(house, "canary-key")).session
    assert "canary-key" not in repr(session)


async def test_of_two_overlapping_callers_the_one_who_hangs_up_does_not_take_it_from_the_other(
    house: Domain, clock: FakeClock
) -> None:
    one, other = await asyncio.gather(opened_with(house, "key"), opened_with(house, "key"))
    await house.presence.hand_over(one, hung_up=False)
    await house.presence.hand_over(other, hung_up=True)
    clock.advance(60)
    await house.sweep()
    assert (await house.now(one)).ended is None


async def test_a_session_that_ends_late_upstream_does_not_take_the_key_from_the_next(
    house: Domain, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    first = await opened_with(house, "key")
    await house.presence.hand_over(first, hung_up=True)
    kaltura.will("end", refusal(500))
    clock.advance(3)
    await house.sweep()
    second = await open_with(house, "key")
    clock.advance(60)
    await house.sweep()
    assert (await house.now(first)).ended_upstream
    assert await open_with(house, "key") == second
    assert kaltura.operations().count("create") == 2


async def test_the_key_outlives_the_memory_of_a_session_that_nobody_got(
    house: Domain, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "MAX_ENDED", 1)
    first = await opened_with(house, "key")
    await house.presence.hand_over(first, hung_up=True)
    clock.advance(3)
    await house.sweep()
    second = await open_with(house, "key")
    await house.end(await house.open("b"))
    assert await house.registry.find(first.session.session_id) is None
    assert await open_with(house, "key") == second


async def test_a_key_does_not_open_the_session_that_got_its_sessions_id_anew(
    house: Domain, kaltura: FakeKaltura
) -> None:
    mine = await opened_with(house, "key", "a")
    await house.presence.hand_over(mine, hung_up=False)
    await house.end(mine)
    kaltura.opened = 0
    theirs = await house.open("b")
    assert theirs.session_id == mine.session.session_id
    assert (await opened_with(house, "key", "a")).session.owner == "a"


async def test_of_two_overlapping_callers_one_who_gives_up_does_not_stop_the_opening(
    house: Domain, kaltura: FakeKaltura
) -> None:
    gate = Gate(httpx.Response(200, json={"sessionId": "one", "token": "t"}))
    kaltura.will("create", gate)
    stays, goes = (asyncio.create_task(open_with(house, "key")) for _ in range(2))
    await gate.reached.wait()
    goes.cancel()
    await asyncio.gather(goes, return_exceptions=True)
    gate.open.set()
    assert await stays == "one"
