"""What an operator is told of Kaltura's last quarter of an hour."""

import httpx
import pytest

from app.kaltura.contract import Operation
from app.kaltura.observation import Exchange
from app.observability.recent_calls import MAX_CALLS, OK, WINDOW_SECONDS, RecentCalls, merged
from tests.support.doubles import FakeClock

SAID = Operation.SAY_TEXT.value


@pytest.fixture
def recent(clock: FakeClock) -> RecentCalls:
    return RecentCalls(clock)


def answer(recent: RecentCalls, seconds: float, outcome: str = OK) -> None:
    exchange = Exchange(Operation.SAY_TEXT, httpx.Request("POST", "https://kaltura.test"))
    exchange.seconds, exchange.outcome = seconds, outcome
    recent.add(exchange)


def told(*processes: RecentCalls) -> tuple[int, int, float, float]:
    """What an operator is told of calls that these processes made."""
    answered = merged(recent.by_operation()[SAID] for recent in processes)
    return answered.calls, answered.failed, answered.median, answered.p95


@pytest.mark.parametrize(("calls", "median", "p95"), [(100, 50, 95), (21, 11, 20), (3, 2, 3)])
def test_the_median_and_the_95th_are_among_what_was_measured(
    recent: RecentCalls, calls: int, median: int, p95: int
) -> None:
    for seconds in range(calls, 0, -1):
        answer(recent, seconds)
    assert told(recent) == (calls, 0, median, p95)


def test_one_call_is_its_own_median(recent: RecentCalls) -> None:
    answer(recent, 3, "TimedOutError")
    assert told(recent) == (1, 1, 3, 3)


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


def test_calls_of_several_processes_are_told_as_if_one_had_made_them(
    recent: RecentCalls, clock: FakeClock
) -> None:
    busy, idle = RecentCalls(clock), RecentCalls(clock)
    for seconds in range(1, 901):
        answer(busy if seconds % 3 else recent, seconds)
    answer(idle, 5000, "TimedOutError")
    calls, failed, median, p95 = told(recent, busy, idle)
    assert (calls, failed) == (901, 1)
    twentieth = calls / 20
    assert 450 <= median <= 450 + twentieth
    assert 855 <= p95 <= 855 + twentieth
