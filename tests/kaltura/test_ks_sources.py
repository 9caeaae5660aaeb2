"""Keeping a KS: when one is made, who waits for it, and what happens when none can be had."""

import asyncio
import gc
from collections import deque

import pytest
from pydantic import SecretStr

from app.kaltura import errors
from app.kaltura.ks_sources import PAUSE_SECONDS, RENEWED_AFTER, ConfiguredKs, MintedKs
from app.kaltura.minting import LIFETIME_SECONDS, IssuedKs, MintCall
from tests.support.doubles import FakeClock

CROWD = 10


class FakeMint:
    """Makes `ks-1`, `ks-2` and so on, unless told to fail; a test may hold it up."""

    def __init__(self) -> None:
        self.attempts = 0
        self.failures: deque[errors.KalturaError] = deque()
        self.expires_at: float | None = None
        self.started = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()

    async def __call__(self) -> IssuedKs:
        self.attempts += 1
        name = f"ks-{self.attempts}"
        self.started.set()
        await self.open.wait()
        if self.failures:
            raise self.failures.popleft()
        return IssuedKs(SecretStr(name), self.expires_at)


@pytest.fixture
async def mint() -> FakeMint:
    return FakeMint()


@pytest.fixture
async def source(mint: FakeMint, clock: FakeClock) -> MintedKs:
    return MintedKs(mint, clock, clock)


def refused() -> errors.KalturaError:
    return errors.CredentialsRejectedError(MintCall.START, 200)


async def ks(source: MintedKs) -> str:
    return (await source.ks()).get_secret_value()


async def in_background() -> None:
    """Lets everything that can go on go on."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_one_ks_serves_until_most_of_its_life_is_over(
    source: MintedKs, mint: FakeMint, clock: FakeClock
) -> None:
    assert mint.attempts == 0, "none is made before it is needed"
    assert await ks(source) == "ks-1"
    clock.advance(RENEWED_AFTER * LIFETIME_SECONDS - 1)
    assert await ks(source) == "ks-1"
    await in_background()
    assert mint.attempts == 1


async def test_nobody_waits_for_a_new_ks_while_the_old_one_is_good(
    source: MintedKs, mint: FakeMint, clock: FakeClock
) -> None:
    await ks(source)
    clock.advance(RENEWED_AFTER * LIFETIME_SECONDS)
    mint.open.clear()
    assert [await ks(source) for _ in range(CROWD)] == ["ks-1"] * CROWD
    await in_background()
    assert [await ks(source) for _ in range(CROWD)] == ["ks-1"] * CROWD
    mint.open.set()
    await in_background()
    assert await ks(source) == "ks-2"
    assert mint.attempts == 2


async def test_however_many_wait_one_ks_is_made(source: MintedKs, mint: FakeMint) -> None:
    mint.open.clear()
    waiting = [asyncio.create_task(ks(source)) for _ in range(CROWD)]
    await in_background()
    assert not any(task.done() for task in waiting)
    mint.open.set()
    assert await asyncio.gather(*waiting) == ["ks-1"] * CROWD
    assert mint.attempts == 1


async def test_a_ks_that_has_lapsed_is_not_given(
    source: MintedKs, mint: FakeMint, clock: FakeClock
) -> None:
    await ks(source)
    clock.advance(LIFETIME_SECONDS)
    assert await ks(source) == "ks-2"


async def test_a_caller_who_leaves_takes_nothing_from_the_others(
    source: MintedKs, mint: FakeMint
) -> None:
    mint.open.clear()
    leaving, staying = (asyncio.create_task(ks(source)) for _ in range(2))
    await mint.started.wait()
    leaving.cancel()
    await in_background()
    assert leaving.cancelled()
    mint.open.set()
    assert await staying == "ks-1"
    assert mint.attempts == 1


@pytest.mark.parametrize(
    ("says_seconds", "life"),
    [
        (3600, 3600),
        (10 * LIFETIME_SECONDS, LIFETIME_SECONDS),
        (0, LIFETIME_SECONDS),
        (-60, LIFETIME_SECONDS),
    ],
)
async def test_a_life_that_kaltura_cuts_short_is_heeded(
    source: MintedKs, mint: FakeMint, clock: FakeClock, says_seconds: int, life: int
) -> None:
    mint.expires_at = clock() + says_seconds
    await ks(source)
    mint.open.clear()
    clock.advance(RENEWED_AFTER * life - 1)
    await ks(source)
    await in_background()
    assert mint.attempts == 1
    clock.advance(1)
    await ks(source)
    await in_background()
    assert mint.attempts == 2
    mint.open.set()
    await in_background()


async def test_a_ks_lives_from_when_it_was_asked_for(
    source: MintedKs, mint: FakeMint, clock: FakeClock
) -> None:
    mint.open.clear()
    waiting = asyncio.create_task(ks(source))
    await mint.started.wait()
    clock.advance(9)
    mint.open.set()
    await waiting
    clock.advance(LIFETIME_SECONDS - 9)
    assert await ks(source) == "ks-2"


# What fails


async def test_an_early_renewal_that_fails_leaves_the_old_ks_in_use(
    source: MintedKs, mint: FakeMint, clock: FakeClock
) -> None:
    await ks(source)
    clock.advance(RENEWED_AFTER * LIFETIME_SECONDS)
    mint.failures += [refused(), refused()]
    for attempts in (2, 3):
        for _ in range(CROWD):
            assert await ks(source) == "ks-1"
            await in_background()
        assert mint.attempts == attempts, "it is tried again after a pause, and not within it"
        clock.advance(PAUSE_SECONDS)
    assert await ks(source) == "ks-1"
    await in_background()
    assert await ks(source) == "ks-4"


async def test_an_early_renewal_that_fails_with_nobody_waiting_is_no_warning(
    source: MintedKs,
    mint: FakeMint,
    clock: FakeClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await ks(source)
    clock.advance(RENEWED_AFTER * LIFETIME_SECONDS)
    mint.failures.append(refused())
    await ks(source)
    await in_background()
    assert mint.attempts == 2
    source._minting = None
    gc.collect()
    assert "never retrieved" not in caplog.text


async def test_what_failed_is_answered_at_once_for_a_while(
    source: MintedKs, mint: FakeMint, clock: FakeClock
) -> None:
    mint.failures.append(refused())
    waiting = [asyncio.create_task(ks(source)) for _ in range(CROWD)]
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [errors.CredentialsRejectedError] * CROWD
    mint.open.clear()
    clock.advance(PAUSE_SECONDS - 1)
    with pytest.raises(errors.CredentialsRejectedError):
        await ks(source)
    assert mint.attempts == 1
    mint.open.set()
    clock.advance(1)
    assert await ks(source) == "ks-2"


async def test_a_pause_begins_when_it_has_failed(
    source: MintedKs, mint: FakeMint, clock: FakeClock
) -> None:
    mint.failures.append(refused())
    mint.open.clear()
    waiting = asyncio.create_task(ks(source))
    await mint.started.wait()
    clock.advance(PAUSE_SECONDS + 5)
    mint.open.set()
    with pytest.raises(errors.CredentialsRejectedError):
        await waiting
    with pytest.raises(errors.CredentialsRejectedError):
        await ks(source)
    assert mint.attempts == 1


async def test_a_lapsed_ks_that_can_not_be_renewed_is_not_given(
    source: MintedKs, mint: FakeMint, clock: FakeClock
) -> None:
    await ks(source)
    clock.advance(LIFETIME_SECONDS)
    mint.failures.append(refused())
    with pytest.raises(errors.CredentialsRejectedError):
        await ks(source)


# A KS that Kaltura refuses


async def test_a_refused_ks_is_replaced_once_for_all_who_hold_it(
    source: MintedKs, mint: FakeMint
) -> None:
    old = await source.ks()
    mint.open.clear()
    waiting = [asyncio.create_task(source.replace(old)) for _ in range(CROWD)]
    await in_background()
    mint.open.set()
    assert await asyncio.gather(*waiting) == [SecretStr("ks-2")] * CROWD
    assert await source.replace(old) == SecretStr("ks-2"), "and for those who come late"
    assert mint.attempts == 2


async def test_a_refused_ks_is_not_given_to_anyone_else(source: MintedKs, mint: FakeMint) -> None:
    old = await source.ks()
    mint.open.clear()
    replacing = asyncio.create_task(source.replace(old))
    await in_background()
    other = asyncio.create_task(ks(source))
    await in_background()
    assert not other.done()
    mint.open.set()
    assert await other == "ks-2"
    await replacing


async def test_a_new_ks_that_is_refused_too_is_not_replaced_for_a_while(
    source: MintedKs, mint: FakeMint, clock: FakeClock
) -> None:
    second = await source.replace(await source.ks())
    assert second is not None
    clock.advance(PAUSE_SECONDS - 1)
    assert await source.replace(second) is None
    assert mint.attempts == 2
    clock.advance(1)
    assert await source.replace(second) == SecretStr("ks-3")


async def test_a_replacement_that_can_not_be_made_is_an_error(
    source: MintedKs, mint: FakeMint
) -> None:
    old = await source.ks()
    mint.failures.append(errors.NotConnectedError(MintCall.START))
    with pytest.raises(errors.NotConnectedError):
        await source.replace(old)


async def test_a_failure_long_ago_does_not_stand_in_the_way_of_a_replacement(
    source: MintedKs, mint: FakeMint, clock: FakeClock
) -> None:
    old = await source.ks()
    clock.advance(RENEWED_AFTER * LIFETIME_SECONDS)
    mint.failures.append(refused())
    await source.ks()
    await in_background()
    clock.advance(PAUSE_SECONDS)
    assert await source.replace(old) == SecretStr("ks-3")


async def test_a_renewal_under_way_replaces_a_ks_that_is_refused_meanwhile(
    source: MintedKs, mint: FakeMint, clock: FakeClock
) -> None:
    old = await source.ks()
    clock.advance(RENEWED_AFTER * LIFETIME_SECONDS)
    mint.open.clear()
    await source.ks()
    replacing = asyncio.create_task(source.replace(old))
    await in_background()
    mint.open.set()
    assert await replacing == SecretStr("ks-2")
    assert mint.attempts == 2


async def test_a_configured_ks_has_no_other() -> None:
    source = ConfiguredKs(SecretStr("ks"))
    assert await source.replace(await source.ks()) is None


# The end


async def test_closing_gives_up_what_is_under_way(
    source: MintedKs, mint: FakeMint, clock: FakeClock
) -> None:
    await source.aclose()
    await ks(source)
    await source.aclose()
    clock.advance(RENEWED_AFTER * LIFETIME_SECONDS)
    mint.open.clear()
    before = asyncio.all_tasks()
    await ks(source)
    assert asyncio.all_tasks() > before
    await source.aclose()
    assert asyncio.all_tasks() == before


async def test_closing_after_a_failure_is_no_failure(source: MintedKs, mint: FakeMint) -> None:
    mint.failures.append(refused())
    with pytest.raises(errors.CredentialsRejectedError):
        await ks(source)
    await source.aclose()


async def test_a_wall_clock_that_is_set_changes_none_of_its_times(mint: FakeMint) -> None:
    wall, passing = FakeClock(), FakeClock(5.0)
    source = MintedKs(mint, wall, passing)
    mint.failures.append(refused())
    with pytest.raises(errors.CredentialsRejectedError):
        await ks(source)
    wall.advance(-LIFETIME_SECONDS)
    passing.advance(PAUSE_SECONDS)
    assert await ks(source) == "ks-2"
    wall.advance(2 * LIFETIME_SECONDS)
    assert await ks(source) == "ks-2"
    wall.advance(-2 * LIFETIME_SECONDS)
    passing.advance(LIFETIME_SECONDS)
    assert await ks(source) == "ks-3"
