"""Processes on one Postgres count calls together, exactly."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import pytest
from limits import parse
from sqlalchemy import text

from app.db.database import POSTGRES_WRITES, Database, open_database
from app.migrations import prepare
from app.problems import RateLimited, RecordUnavailable
from app.replicas.rates import SharedRateCounter, Window
from app.web.rate_limiter import RateLimiters
from tests.support.doubles import settings, settled

LIMIT = parse("10/day")
KEY = b"a-key-of-the-tests"

Start = Callable[[], Awaitable[Database]]


@pytest.fixture
async def databases(postgres_url: str) -> AsyncIterator[tuple[Database, Database]]:
    """One database, opened by two processes."""
    async with (
        open_database(postgres_url, prepare) as one,
        open_database(postgres_url, prepare) as other,
    ):
        yield one, other


@pytest.fixture
def rates(databases: tuple[Database, Database]) -> list[SharedRateCounter]:
    """The rates of two processes."""
    return [SharedRateCounter(database, KEY) for database in databases]


async def test_a_rush_on_two_processes_gets_what_the_limit_allows_and_no_more(
    rates: list[SharedRateCounter],
) -> None:
    rush = [rates[number % 2].hit(LIMIT, "speak", ["ann", "home"]) for number in range(40)]
    counted = [each for each in await asyncio.gather(*rush) if each is not None]
    assert sorted(each["ann"].remaining(LIMIT.amount) for each in counted) == list(range(10))


async def test_all_callers_are_counted_or_none(rates: list[SharedRateCounter]) -> None:
    one, other = rates
    for _ in range(10):
        await one.hit(LIMIT, "speak", ["ann", "home"])
    assert await other.hit(LIMIT, "speak", ["bob", "home"]) is None
    windows = await other.read(LIMIT, "speak", ["bob", "home"])
    assert (windows["bob"].hits, windows["home"].hits) == (0, 10)
    assert await other.hit(LIMIT, "speak", ["bob", "away"])


async def test_those_who_count_the_same_callers_in_another_order_do_not_block_each_other(
    rates: list[SharedRateCounter],
) -> None:
    callers = [f"visitor-{number}" for number in range(100)]
    many = parse("1000/day")
    rush = [
        rates[number % 2].hit(many, "speak", callers if number % 2 else callers[::-1])
        for number in range(40)
    ]
    assert all(await asyncio.gather(*rush))


async def test_many_calls_of_one_caller_leave_room_for_other_writes(
    rates: list[SharedRateCounter], sql: asyncpg.Connection
) -> None:
    one, _ = rates
    await one.hit(LIMIT, "speak", ["home"])
    async with sql.transaction():
        await sql.execute("SELECT * FROM rates FOR UPDATE")
        waiting = [
            asyncio.create_task(one.hit(LIMIT, "speak", ["home"])) for _ in range(POSTGRES_WRITES)
        ]
        await settled()
        assert await one.hit(LIMIT, "speak", ["away"])
        assert not any(each.done() for each in waiting)
    assert all(await asyncio.gather(*waiting))


async def test_rates_of_other_kinds_are_counted_apart(rates: list[SharedRateCounter]) -> None:
    one, _ = rates
    await one.hit(LIMIT, "speak", ["ann"])
    assert (await one.read(LIMIT, "create", ["ann"]))["ann"].hits == 0
    assert (await one.read(parse("20/day"), "speak", ["ann"]))["ann"].hits == 0


async def test_calls_of_the_window_before_count_as_far_as_it_reaches(
    rates: list[SharedRateCounter], databases: tuple[Database, Database]
) -> None:
    await _hits(rates[0], 10)
    await _write(databases[0], 'UPDATE rates SET "window" = "window" - 1')
    window = (await rates[1].read(LIMIT, "speak", ["ann"]))["ann"]
    assert (window.before, window.hits) == (10, 0)
    left = window.remaining(LIMIT.amount)
    assert sum([await rates[1].hit(LIMIT, "speak", ["ann"]) is not None for _ in range(11)]) == left


@pytest.mark.parametrize(
    ("before", "hits", "fraction", "remaining", "seconds"),
    [
        (0, 0, 0.25, 10, 45),
        (0, 10, 0.25, 0, 45),
        (10, 0, 0.25, 3, 3),
        (6, 4, 0.5, 3, 0),
        (6, 4, 0.55, 4, 7),
    ],
)
def test_what_is_left_and_until_when(
    before: int, hits: int, fraction: float, remaining: int, seconds: int
) -> None:
    window = Window(60, before, hits, fraction)
    assert window.remaining(10) == remaining
    assert window.seconds_to_more == pytest.approx(seconds)


async def test_no_row_tells_who_called_and_old_ones_are_deleted(
    rates: list[SharedRateCounter], databases: tuple[Database, Database]
) -> None:
    await rates[0].hit(LIMIT, "speak", ["address:192.0.2.1"])
    [row] = await databases[0].read(text("SELECT * FROM rates"))
    assert "192.0.2.1" not in str(row)
    await rates[0].forget_old()
    assert await databases[0].read(text("SELECT * FROM rates"))
    await _write(databases[0], "UPDATE rates SET began_at = began_at - 3 * 24 * 3600")
    await rates[0].forget_old()
    assert not await databases[0].read(text("SELECT * FROM rates"))


async def test_the_rate_of_a_call_is_that_of_all_processes(
    databases: tuple[Database, Database],
) -> None:
    limits = settings(speak_rate_limit="3/day")
    one, other = (RateLimiters.of(limits, SharedRateCounter(each, KEY)).speak for each in databases)
    told = await one.take("ann", "home")
    assert told["RateLimit"].startswith('"speak";r=2;t=')
    await other.take("ann", "home")
    await other.require("home")
    await one.take("home")
    for rate in (one, other):
        for call in (rate.take, rate.require):
            with pytest.raises(RateLimited) as caught:
                await call("bob", "home")
            assert 0 < (caught.value.retry_after or 0) <= 24 * 3600


async def test_while_postgres_is_away_each_process_counts_by_itself(
    databases: tuple[Database, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object, **__: object) -> None:
        raise RecordUnavailable

    rate = RateLimiters.of(
        settings(speak_rate_limit="2/day"), SharedRateCounter(databases[0], KEY)
    ).speak
    await rate.take("ann")
    with monkeypatch.context() as outage:
        outage.setattr(Database, "write", away)
        await rate.take("ann")
        await rate.take("ann")
        with pytest.raises(RateLimited):
            await rate.require("ann")
    await rate.take("ann")
    with pytest.raises(RateLimited):
        await rate.take("ann")


async def _hits(rates: SharedRateCounter, number: int) -> None:
    for _ in range(number):
        await rates.hit(LIMIT, "speak", ["ann"])


async def _write(database: Database, statement: str) -> None:
    def work(connection: object) -> None:
        connection.execute(text(statement))  # type: ignore[attr-defined] # SQLAlchemy's

    await database.write(work)
