"""What /readyz says when no session can be opened, and that it does not say so for ever."""

from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import pytest
import structlog

from app.kaltura.breaker import OPEN_SECONDS, THRESHOLD
from app.sessions.service import KEEP_ALIVE_SECONDS
from tests.support.audit import Disk
from tests.support.doubles import (
    BY_ADMIN_SECRET,
    BY_APP_TOKEN,
    FakeClock,
    FakeKaltura,
    exception,
    refusal,
)
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


def outages(logs: Sequence[Mapping[str, Any]]) -> list[int]:
    """How many creates each error line tells of that Kaltura refuses the credentials."""
    return [
        line["refused"]
        for line in logs
        if line["log_level"] == "error" and "credentials" in line["event"]
    ]


@pytest.mark.parametrize("create", [CREATE, "/v1/avatar-session/create"])
@pytest.mark.parametrize(
    ("makes_ks", "operation", "refused"),
    [
        ({}, "create", refusal(401)),
        ({}, "create", refusal(403)),
        ({}, "create", exception("INVALID_KS")),
        (BY_ADMIN_SECRET, "start", exception("START_SESSION_ERROR")),
        (BY_APP_TOKEN, "startSession", exception("APP_TOKEN_ID_NOT_FOUND")),
    ],
)
async def test_credentials_that_kaltura_refuses_are_an_error_at_once_and_then_once_a_minute(
    visit: Visit,
    kaltura: FakeKaltura,
    clock: FakeClock,
    create: str,
    makes_ks: dict[str, Any],
    operation: str,
    refused: httpx.Response,
) -> None:
    visitor = await visit(**makes_ks)
    kaltura.will(operation, *[refused] * 7)
    body = {"visualConfig": {"id": "avatar-1"}} if create.startswith("/v1") else {}
    told = []
    with structlog.testing.capture_logs() as logs:
        for _ in range(7):
            await visitor.post(create, json=body)
            told.append(outages(logs)[-1])
            clock.advance(10)
    assert outages(logs) == [1, 6]
    assert told == [1] * 6 + [6]


async def test_a_ks_that_was_replaced_and_a_token_that_is_over_are_no_outage(
    visit: Visit, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    visitor = await visit(**BY_ADMIN_SECRET)
    kaltura.will("create", refusal(401))
    with structlog.testing.capture_logs() as logs:
        session = await opened(visitor)
        clock.advance(KEEP_ALIVE_SECONDS)
        kaltura.will("keep-alive", refusal(401))
        kaltura.will("end", refusal(401))
        await visitor.post(path(session, "keep-alive"))
        await visitor.post(path(session, "end"))
    assert outages(logs) == []
