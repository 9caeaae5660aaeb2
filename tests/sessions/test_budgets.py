"""How many minutes a day sessions may last."""

import asyncio

import httpx
import pytest

from app.problems import BudgetSpent, KalturaFailed
from app.sessions.access import SERVICE
from app.sessions.capacity.budgets import DAY_SECONDS
from app.sessions.lifecycle.options import SessionOptions
from app.sessions.store.model import EndReason
from tests.support.doubles import FakeClock, FakeKaltura, Gate, refusal
from tests.support.session_store import InMemorySessionStore
from tests.support.sessions import Domain, grant

SHOP = f"{SERVICE}shop"

MIDNIGHT = 1_800_000_000 // DAY_SECONDS * DAY_SECONDS


@pytest.fixture
def clock() -> FakeClock:
    """Noon, so that a test does not run into the next day."""
    return FakeClock(MIDNIGHT + DAY_SECONDS / 2)


async def watch(house: Domain, clock: FakeClock, seconds: int) -> None:
    """Time passes, and every page says that it is still there."""
    for _ in range(seconds // 5):
        clock.advance(5)
        await house.sweep()
        for runtime in house.registry.runtimes():
            if runtime.session.ended is None:
                await house.service.keep_alive(grant(runtime))


async def test_without_a_budget_nothing_is_counted(kaltura: FakeKaltura, clock: FakeClock) -> None:
    house = Domain(kaltura, clock, session_max_seconds=3600)
    assert (await house.open()).session.expires_at == clock.now + 3600


async def test_a_visitors_session_ends_when_their_minutes_are_used_up_and_says_so(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    house = Domain(kaltura, clock, daily_minutes_per_visitor=2)
    first = await house.open("a")
    await watch(house, clock, 90)
    await house.end(first)
    second = await house.open("a")
    assert second.session.expires_at == clock.now + 30
    await watch(house, clock, 30)
    assert (await house.now(second)).ended == EndReason.BUDGET
    with pytest.raises(BudgetSpent) as spent:
        await house.open("a")
    assert spent.value.retry_after == MIDNIGHT + DAY_SECONDS - clock.now + 1
    await house.open("b")


async def test_what_kaltura_takes_to_open_a_session_leaves_no_minutes_for_another(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    house = Domain(kaltura, clock, daily_minutes_per_visitor=1)
    kaltura.will("create", gate := Gate(httpx.Response(200, json={"sessionId": "1", "token": "t"})))
    opening = asyncio.create_task(house.open("a"))
    await gate.reached.wait()
    clock.advance(5)
    gate.open.set()
    session = await opening
    assert session.session.expires_at == session.session.opened_at + 60
    await watch(house, clock, 60)
    assert (await house.now(session)).ended == EndReason.BUDGET
    with pytest.raises(BudgetSpent):
        await house.open("a")


async def test_a_visitor_with_two_sessions_spends_twice_as_fast(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    house = Domain(kaltura, clock, daily_minutes_per_visitor=2)
    one, two, other = await house.open("a"), await house.open("a"), await house.open("b")
    await watch(house, clock, 55)
    assert (await house.now(one)).ended is None
    await watch(house, clock, 10)
    assert (await house.now(one)).ended == (await house.now(two)).ended == EndReason.BUDGET
    assert (await house.now(other)).ended is None


async def test_the_minutes_of_all_end_every_session_and_a_rush_exceeds_them_by_no_more_than_a_sweep(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    house = Domain(kaltura, clock, daily_minutes=2)
    sessions = [await house.open(owner) for owner in "abcd"]
    await watch(house, clock, 30)
    assert {(await house.now(s)).ended for s in sessions} == {EndReason.BUDGET}
    with pytest.raises(BudgetSpent):
        await house.open("e")


async def test_the_time_left_is_a_share_of_the_minutes_of_all(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    house = Domain(kaltura, clock, daily_minutes=2)
    session = await house.open("a")
    assert await house.budgets.seconds_left(session.session) == 120
    other = await house.open("b")
    assert await house.budgets.seconds_left(session.session) == 60
    kaltura.will("end", refusal(400))
    with pytest.raises(KalturaFailed):
        await house.end(other)
    assert await house.budgets.seconds_left(session.session) == 120, "the other is over here"
    clock.advance(121)
    assert await house.budgets.seconds_left(session.session) == 0
    await house.end(session)
    assert await house.budgets.seconds_left(await house.now(session)) == 0


async def test_for_less_than_a_second_no_session_is_opened(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    house = Domain(kaltura, clock, daily_minutes=1)
    session = await house.open("a")
    clock.advance(59.5)
    await house.end(session)
    with pytest.raises(BudgetSpent):
        await house.open("b")


async def test_the_day_is_summed_up_once_a_second_however_many_ask(
    kaltura: FakeKaltura, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = Domain(
        kaltura, clock, daily_minutes=9, daily_minutes_per_visitor=9, max_concurrent_sessions=1
    )
    session = await house.open("a")
    sums: list[str | None] = []
    summed_up = InMemorySessionStore.seconds_used

    async def counted(store: InMemorySessionStore, since: float, owner: str | None = None) -> float:
        sums.append(owner)
        await asyncio.sleep(0)
        return await summed_up(store, since, owner)

    monkeypatch.setattr(InMemorySessionStore, "seconds_used", counted)
    for _ in range(2):
        clock.advance(1)
        lefts = await asyncio.gather(
            *(house.budgets.seconds_left(session.session) for _ in range(9))
        )
        for _ in range(9):
            await house.wait("b")
        assert len(set(lefts)) == 1
        assert sums == [None, "b"]
        sums.clear()


async def test_a_visitor_is_summed_up_only_when_their_minutes_may_be_used_up(
    kaltura: FakeKaltura, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = Domain(kaltura, clock, daily_minutes_per_visitor=2)
    await house.open("a")
    await house.admission.open_for_service(SHOP, SessionOptions())
    await house.sweep()
    sums: list[str | None] = []
    summed_up = InMemorySessionStore.seconds_used

    async def counted(store: InMemorySessionStore, since: float, owner: str | None = None) -> float:
        sums.append(owner)
        return await summed_up(store, since, owner)

    monkeypatch.setattr(InMemorySessionStore, "seconds_used", counted)
    await watch(house, clock, 60)
    assert sums == []
    second = await house.open("a")
    await watch(house, clock, 25)
    assert sums == ["a", "a"], "for the second session, and since it is opened"
    await watch(house, clock, 5)
    assert (await house.now(second)).ended == EndReason.BUDGET
    assert {s.owner for s in house.registry.sessions()} == {SHOP}


async def test_a_new_day_brings_new_minutes(kaltura: FakeKaltura, clock: FakeClock) -> None:
    house = Domain(kaltura, clock, daily_minutes=1)
    await house.open("a")
    await watch(house, clock, 60)
    with pytest.raises(BudgetSpent):
        await house.open("a")
    clock.now = MIDNIGHT + DAY_SECONDS
    await house.open("a")


@pytest.mark.parametrize("at_most", [1, 2])
async def test_what_was_spent_before_midnight_counts_for_the_day_before(
    kaltura: FakeKaltura, clock: FakeClock, at_most: int
) -> None:
    clock.now = MIDNIGHT + DAY_SECONDS - 120
    house = Domain(
        kaltura,
        clock,
        max_sessions_per_visitor=at_most,
        daily_minutes_per_visitor=5,
        session_max_seconds=3600,
    )
    session = await house.open("a")
    assert session.session.expires_at == clock.now + 3600, "its minutes last into tomorrow"
    await watch(house, clock, 120 + 295)
    assert (await house.now(session)).ended is None
    await watch(house, clock, 5)
    assert (await house.now(session)).ended == EndReason.BUDGET


async def test_a_budget_that_is_not_used_up_does_not_shorten_a_session(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    house = Domain(kaltura, clock, daily_minutes_per_visitor=60, daily_minutes=60)
    session = await house.open("a")
    assert session.session.expires_at == clock.now + 900
    await watch(house, clock, 900)
    assert (await house.now(session)).ended == EndReason.EXPIRED


async def test_a_service_is_many_visitors_so_it_has_the_budget_of_all_alone(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    house = Domain(
        kaltura,
        clock,
        daily_minutes_per_visitor=1,
        daily_minutes=3,
    )
    opened = await house.admission.open_for_service(SHOP, SessionOptions())
    session = opened.session  # type: ignore[union-attr] # there is a place
    assert session.owner == SHOP
    assert session.expires_at == clock.now + 180


async def test_a_second_session_that_ends_early_does_not_lengthen_the_first(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    house = Domain(kaltura, clock, daily_minutes_per_visitor=2)
    first, second = await house.open("a"), await house.open("a")
    await watch(house, clock, 50)
    await house.end(second)
    await watch(house, clock, 15)
    assert (await house.now(first)).ended is None
    await watch(house, clock, 5)
    assert (await house.now(first)).ended == EndReason.BUDGET


@pytest.mark.parametrize(("of_visitor", "of_all"), [(1, 5), (5, 1)])
async def test_of_two_budgets_the_smaller_one_counts(
    kaltura: FakeKaltura, clock: FakeClock, of_visitor: int, of_all: int
) -> None:
    house = Domain(kaltura, clock, daily_minutes_per_visitor=of_visitor, daily_minutes=of_all)
    assert (await house.open()).session.expires_at == clock.now + 60


async def test_a_visitor_who_had_two_sessions_when_one_was_not_the_rule_spends_twice_as_fast(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    before = Domain(kaltura, clock)
    for _ in range(2):
        await before.open("a")
    house = Domain(
        kaltura, clock, before.store, max_sessions_per_visitor=1, daily_minutes_per_visitor=2
    )
    await watch(house, clock, 60)
    assert {s.ended for s in house.registry.sessions()} <= {EndReason.BUDGET}


async def test_an_end_for_the_budget_that_kaltura_refused_is_not_tried_again_at_once(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    house = Domain(kaltura, clock, daily_minutes=1)
    await house.open()
    kaltura.will("end", *[refusal(500)] * 5)
    await watch(house, clock, 60)
    for _ in range(5):
        await house.sweep()
    assert kaltura.operations().count("end") == 1
