"""A broker that makes its own KS: what its callers see."""

from typing import Any

import httpx
import pytest

from app.kaltura.ks_sources import PAUSE_SECONDS
from tests.support.doubles import (
    BY_ADMIN_SECRET,
    BY_APP_TOKEN,
    MINTED_KS,
    FakeClock,
    FakeKaltura,
    exception,
    refusal,
)
from tests.support.visitor_api import CREATE, Visit, is_problem, opened

MIRROR = "/v1/avatar-session/create"
either = pytest.mark.parametrize("makes_ks", [BY_ADMIN_SECRET, BY_APP_TOKEN])


@either
async def test_a_session_is_opened_with_the_brokers_own_ks(
    visit: Visit, kaltura: FakeKaltura, makes_ks: dict[str, Any]
) -> None:
    await opened(await visit(**makes_ks))
    [create] = [call for call in kaltura.calls if call.operation == "create"]
    assert create.authorization == f"KS {MINTED_KS}-1"
    assert kaltura.calls[0].request.url.host == "www.kaltura.com"


async def test_a_ks_that_kaltura_revoked_is_replaced_without_the_visitors_notice(
    visit: Visit, kaltura: FakeKaltura
) -> None:
    visitor = await visit(**BY_ADMIN_SECRET, max_sessions_per_visitor=5)
    await opened(visitor)
    kaltura.will("create", refusal(401))
    await opened(visitor)
    assert (kaltura.minted, kaltura.opened) == (2, 2)


@pytest.mark.parametrize(
    ("answer", "name", "status"),
    [
        (exception("START_SESSION_ERROR"), "kaltura-credentials-rejected", 502),
        (refusal(403), "kaltura-credentials-rejected", 502),
        (exception("INTERNAL_SERVERL_ERROR"), "kaltura-error", 502),
        (refusal(500), "kaltura-error", 502),
        (httpx.Response(200, text="<html>"), "kaltura-error", 502),
        (httpx.ConnectError("refused"), "kaltura-error", 502),
        (httpx.ReadError("reset"), "kaltura-error", 502),
        (refusal(429), "kaltura-busy", 503),
        (TimeoutError(), "kaltura-timeout", 504),
    ],
)
async def test_a_ks_that_can_not_be_made_is_a_documented_problem_and_asked_for_once(
    visit: Visit,
    kaltura: FakeKaltura,
    clock: FakeClock,
    answer: httpx.Response | Exception,
    name: str,
    status: int,
) -> None:
    visitor = await visit(**BY_ADMIN_SECRET)
    kaltura.will("start", answer)
    assert is_problem(await visitor.post(CREATE), name, status)
    assert is_problem(await visitor.post(CREATE), name, status)
    refused = await visitor.post(MIRROR, json={"visualConfig": {"id": "avatar-1"}})
    assert refused.json()["success"] is False
    assert kaltura.operations() == ["start"]
    clock.advance(PAUSE_SECONDS)
    await opened(visitor)


async def test_readiness_names_what_makes_the_ks(visit: Visit, kaltura: FakeKaltura) -> None:
    visitor = await visit(**BY_APP_TOKEN)
    assert (await visitor.get("/readyz")).json()["ready"] is True
    kaltura.will("startSession", exception("APP_TOKEN_NOT_ACTIVE"))
    await visitor.post(CREATE)
    answer = await visitor.get("/readyz")
    assert answer.status_code == 503
    assert "the app token is revoked" in answer.json()["wrong"][0]


@pytest.mark.parametrize(
    ("changes", "warned"),
    [
        ({**BY_ADMIN_SECRET, "kaltura_api_url": "http://core.test"}, True),
        ({**BY_ADMIN_SECRET, "kaltura_api_url": "http://127.0.0.1:1"}, False),
        ({**BY_ADMIN_SECRET, "kaltura_api_url": "https://core.test"}, False),
        ({"kaltura_api_url": "http://core.test"}, False),
    ],
)
async def test_a_secret_that_would_travel_in_the_open_is_warned_of(
    visit: Visit,
    changes: dict[str, Any],
    warned: bool,  # noqa: FBT001 - a column of the table
) -> None:
    warnings = (await (await visit(**changes)).get("/readyz")).json()["warnings"]
    assert any("KALTURA_API_URL" in warning for warning in warnings) is warned
