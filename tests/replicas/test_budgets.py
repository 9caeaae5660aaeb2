"""Budgets of the day, which the sessions of all replicas use up together."""

from app.sessions.clock import Clocks
from tests.support.doubles import FakeClock
from tests.support.joined_brokers import JoinedBrokers
from tests.support.visitor_api import bearer, opened, path


async def test_the_budget_of_all_is_shared_with_the_sessions_of_other_replicas(
    brokers: JoinedBrokers, clock: FakeClock
) -> None:
    clocks = Clocks(clock, clock)
    one, two = [
        await brokers.start(clocks=clocks, daily_minutes=10, session_max_seconds=900)
        for _ in range(2)
    ]
    async with one.client() as visitor, two.client() as another:
        mine = await opened(visitor)
        alone = await visitor.get(path(mine), headers=bearer(mine))
        await opened(another)
        clock.advance(1)
        shared = await visitor.get(path(mine), headers=bearer(mine))
    left = [answer.json()["secondsLeft"] for answer in (alone, shared)]
    assert left == [600, 299]
