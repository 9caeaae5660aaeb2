"""What /readyz says when no session can be opened, and that it does not say so for ever."""

import httpx
import pytest

from app.kaltura.breaker import OPEN_SECONDS, THRESHOLD
from tests.support.audit import Disk
from tests.support.doubles import FakeClock, FakeKaltura, refusal
from tests.support.visitor_api import CREATE, Visit, opened, path


async def wrong(visitor: httpx.AsyncClient) -> list[str]:
    """The names of what is in the way."""
    answer = await visitor.get("/readyz")
    report = answer.json()
    assert (answer.status_code, report["ready"]) == (
        (503, False) if report["wrong"] else (200, True)
    )
    return [name.partition(":")[0] for name in report["wrong"]]


async def test_a_kaltura_that_is_down_is_named_whoever_found_out_until_it_may_be_asked_again(
    visitor: httpx.AsyncClient, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    session = await opened(visitor)
    kaltura.will("say-text", *(refusal(500) for _ in range(THRESHOLD)))
    for _ in range(THRESHOLD):
        assert await wrong(visitor) == []
        await visitor.post(path(session, "speak"), json={"text": "Hello"})
    assert await wrong(visitor) == ["kaltura-unavailable"]
    assert "doctor" in (await visitor.get("/readyz")).json()["wrong"][0]
    clock.advance(OPEN_SECONDS)
    assert await wrong(visitor) == []


async def test_a_trial_that_fails_begins_the_wait_anew(
    visitor: httpx.AsyncClient, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    session = await opened(visitor)
    kaltura.will("say-text", *(refusal(500) for _ in range(THRESHOLD + 1)))
    for _ in range(THRESHOLD):
        await visitor.post(path(session, "speak"), json={"text": "Hello"})
    clock.advance(OPEN_SECONDS)
    await visitor.post(path(session, "speak"), json={"text": "Hello"})
    assert await wrong(visitor) == ["kaltura-unavailable"]


async def test_one_trouble_is_told_once(visitor: httpx.AsyncClient, kaltura: FakeKaltura) -> None:
    kaltura.will("create", *(refusal(500) for _ in range(THRESHOLD)))
    for _ in range(THRESHOLD + 1):
        await visitor.post(CREATE)
    assert await wrong(visitor) == ["kaltura-unavailable"]


async def test_a_record_that_can_not_be_written_is_named_until_it_can(
    visit: Visit, disk: Disk
) -> None:
    visitor = await visit()
    disk.is_full = True
    assert (await visitor.post(CREATE)).status_code == 503
    assert await wrong(visitor) == ["record-unavailable"]
    assert "DATABASE_URL" in (await visitor.get("/readyz")).json()["wrong"][0]
    disk.is_full = False
    await opened(visitor)
    assert await wrong(visitor) == []


@pytest.mark.parametrize("status", [401, 403])
async def test_credentials_that_are_refused_are_named(
    visitor: httpx.AsyncClient, kaltura: FakeKaltura, status: int
) -> None:
    kaltura.will("create", refusal(status))
    await visitor.post(CREATE)
    assert await wrong(visitor) == ["kaltura-credentials-rejected"]
    assert "AVATAR_KS" in (await visitor.get("/readyz")).json()["wrong"][0]
