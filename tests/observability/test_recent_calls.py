"""What an operator is told of Kaltura's last quarter of an hour."""

import httpx
import pytest

from app.kaltura.contract import Operation
from app.kaltura.observation import Exchange
from app.observability.recent_calls import MAX_CALLS, OK, WINDOW_SECONDS, Answered, RecentCalls
from tests.support.doubles import FakeClock

SAID = Operation.SAY_TEXT.value


@pytest.fixture
def recent(clock: FakeClock) -> RecentCalls:
    return RecentCalls(clock)


def answer(recent: RecentCalls, seconds: float, outcome: str = OK) -> None:
    exchange = Exchange(Operation.SAY_TEXT, httpx.Request("POST", "https://kaltura.test"))
    with recent.observe(exchange):
        exchange.seconds, exchange.outcome = seconds, outcome


@pytest.mark.parametrize(("calls", "median", "p95"), [(100, 50, 95), (21, 11, 20), (3, 2, 3)])
def test_the_median_and_the_95th_are_among_what_was_measured(
    recent: RecentCalls, calls: int, median: int, p95: int
) -> None:
    for seconds in range(calls, 0, -1):
        answer(recent, seconds)
    assert recent.by_operation() == {SAID: Answered(calls, failed=0, median=median, p95=p95)}


def test_one_call_is_its_own_median(recent: RecentCalls) -> None:
    answer(recent, 3, "TimedOutError")
    assert recent.by_operation() == {SAID: Answered(calls=1, failed=1, median=3, p95=3)}


def test_what_is_long_ago_is_forgotten(recent: RecentCalls, clock: FakeClock) -> None:
    answer(recent, 9)
    clock.now += WINDOW_SECONDS + 1
    assert recent.by_operation() == {}
    answer(recent, 1)
    assert recent.by_operation()[SAID].median == 1


def test_a_busy_hour_takes_no_more_memory_than_a_calm_one(recent: RecentCalls) -> None:
    for _ in range(MAX_CALLS + 10):
        answer(recent, 1)
    assert recent.by_operation()[SAID].calls == MAX_CALLS
