"""How callers are counted: the window, what is told of it, whose address is whose, and memory."""

import re
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from limits import parse

from app.problems import RateLimited
from app.web.rate_limiter import LocalRateCounter, RateLimiter, RateLimiters, address_of
from tests.support.doubles import FakeClock, settings


@pytest.fixture(autouse=True)
def clock(rates_clock: FakeClock) -> FakeClock:
    return rates_clock


def counted(limit: str = "3/minute") -> RateLimiter:
    return RateLimiters.of(settings(speak_rate_limit=limit)).speak


async def refused(call: Callable[..., Awaitable[object]], *callers: str) -> RateLimited:
    with pytest.raises(RateLimited) as caught:
        await call(*callers)
    return caught.value


async def test_so_many_calls_pass_and_no_more() -> None:
    rate = counted()
    for _ in range(3):
        await rate.take("ann")
    await refused(rate.take, "ann")
    await rate.take("bob")


async def test_all_must_pass_and_a_refusal_counts_for_nobody() -> None:
    rate = counted("2/minute")
    await rate.take("ann", "home")
    await rate.take("home")
    await refused(rate.take, "ann", "home")
    await refused(rate.take, "home", "ann")
    await rate.take("ann")
    await refused(rate.take, "ann")


async def test_what_is_told_is_what_is_left_of_the_one_who_has_least() -> None:
    rate = counted()
    await rate.take("home")
    told = await rate.take("ann", "home")
    assert told["RateLimit-Policy"] == '"speak";q=3;w=60'
    assert re.fullmatch(r'"speak";r=1;t=\d+', told["RateLimit"])


async def test_a_refusal_tells_the_rate_and_no_earlier_time_than_its_window() -> None:
    rate = counted("1/minute")
    await rate.take("ann")
    problem = await refused(rate.take, "ann")
    assert problem.headers["RateLimit-Policy"] == '"speak";q=1;w=60'
    assert problem.headers["RateLimit"] == f'"speak";r=0;t={problem.headers["Retry-After"]}'


@given(
    pauses=st.lists(st.floats(0, 40), min_size=1, max_size=30),
    limit=st.sampled_from(["1/minute", "3/minute", "10/minute", "7 per 5 seconds", "1/day"]),
)
@example(pauses=[0.0, 0.0], limit="1/minute")  # at the very start of a window
@hypothesis_settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200
)
async def test_whoever_waits_as_long_as_they_are_told_is_let_in(
    clock: FakeClock, pauses: list[float], limit: str
) -> None:
    rate = counted(limit)
    for pause in pauses:
        clock.advance(pause)
        try:
            await rate.take("ann")
        except RateLimited as problem:
            clock.advance(int(problem.headers["Retry-After"]))
            await rate.take("ann")


async def test_no_window_has_many_more_than_the_limit(clock: FakeClock) -> None:
    rate = counted("10/minute")
    passed = []
    for _ in range(400):
        clock.advance(1)
        try:
            await rate.take("ann")
            passed.append(clock.now)
        except RateLimited:
            pass
    busiest = max(sum(now <= at < now + 60 for at in passed) for now in passed)
    assert 9 <= busiest <= 12


async def test_two_who_are_refused_wait_for_the_later_one(clock: FakeClock) -> None:
    rate = counted("2/minute")
    await rate.take("home")
    await rate.take("home")
    clock.advance(75)
    await rate.take("home", "ann")
    await rate.take("ann")
    waits = {
        callers: (await refused(rate.take, *callers)).headers["Retry-After"]
        for callers in [("home",), ("ann",), ("home", "ann"), ("ann", "home")]
    }
    assert list(waits.values()) == ["16", "46", "46", "46"]


async def test_the_memory_of_callers_is_bounded_and_forgets_the_oldest() -> None:
    memory = LocalRateCounter(most=100)
    rate = RateLimiter("speak", parse("1/minute"), memory)
    for number in range(1000):
        await rate.take(f"caller-{number}")
    assert len(memory) == 100
    await refused(rate.take, "caller-999")
    await rate.take("caller-0")


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/56"),
        ("2001:db8:1:ff:ffff::", "2001:db8:1::/56"),
        ("2001:db8:1:100::1", "2001:db8:1:100::/56"),
        ("fe80::1%eth0", "fe80::/56"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("unknown", "elsewhere"),
        ("", "elsewhere"),
    ],
)
def test_an_address_is_one_of_ipv4_or_a_home_of_ipv6(host: str, address: str) -> None:
    assert address_of({"client": (host, 1)}) == address


@pytest.mark.parametrize("scope", [{}, {"client": None}])
def test_a_call_without_an_address_is_counted_too(scope: dict[str, None]) -> None:
    assert address_of(scope) == "elsewhere"
