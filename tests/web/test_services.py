"""Backends as callers: they open sessions, and control those they opened."""

from typing import Any

import httpx
import pytest

from tests.support.doubles import KALTURA_TOKEN, FakeKaltura
from tests.support.services import DESK, SERVICES, SHOP
from tests.support.visitor_api import CONTROLS, CREATE, Visit, bearer, is_problem, path

every_control = pytest.mark.parametrize("control", list(CONTROLS))


async def opened_by(caller: httpx.AsyncClient, service: dict[str, str]) -> dict[str, Any]:
    answer = await caller.post(CREATE, headers=service)
    assert answer.status_code == 201, answer.text
    assert "Set-Cookie" not in answer.headers
    body: dict[str, Any] = answer.json()
    return body


@every_control
async def test_a_service_controls_the_session_it_opened_whatever_visitors_may_do(
    visit: Visit, kaltura: FakeKaltura, control: str
) -> None:
    shop = await visit(**SERVICES)
    session = await opened_by(shop, SHOP)
    answer = await shop.post(path(session, control), headers=SHOP, **CONTROLS[control])
    assert answer.json()["success"] is True
    assert kaltura.calls[-1].authorization == f"Bearer {KALTURA_TOKEN}"


async def test_a_service_may_open_by_get_too(visit: Visit) -> None:
    shop = await visit(**SERVICES)
    answer = await shop.get(CREATE, headers=SHOP)
    assert answer.status_code == 201
    assert (await shop.post(path(answer.json(), "end"), headers=SHOP)).is_success
    assert is_problem(
        await shop.get(CREATE, headers={"Authorization": "Bearer x"}), "unauthenticated", 401
    )


@every_control
async def test_a_service_gets_the_same_404_for_anothers_session_as_for_none(
    visit: Visit, kaltura: FakeKaltura, control: str
) -> None:
    caller = await visit(**SERVICES)
    session = await opened_by(caller, SHOP)
    before = len(kaltura.calls)
    for session_id in (session["sessionId"], "nothing"):
        refused = await caller.post(
            path({"sessionId": session_id}, control), headers=DESK, **CONTROLS[control]
        )
        assert is_problem(refused, "session-not-found", 404)
    assert len(kaltura.calls) == before


async def test_a_service_has_no_hold_on_a_visitors_session(
    visit: Visit, kaltura: FakeKaltura
) -> None:
    visitor = await visit(**SERVICES)
    session = (await visitor.post(CREATE)).json()
    refused = await visitor.post(path(session, "end"), headers=SHOP)
    assert is_problem(refused, "session-not-found", 404)


@every_control
async def test_the_page_that_was_given_the_session_may_show_it_and_no_more(
    visit: Visit, kaltura: FakeKaltura, control: str
) -> None:
    caller = await visit(**SERVICES)
    session = await opened_by(caller, SHOP)
    answer = await caller.post(path(session, control), headers=bearer(session), **CONTROLS[control])
    if control == "keep-alive":
        assert answer.is_success
    else:
        assert is_problem(answer, "control-not-allowed", 403)
    assert (await caller.get(path(session, "media"), headers=bearer(session))).is_success


@pytest.mark.parametrize("token", ["shop", "shop-token-of-16-and-mor", "desk:x", "x.y.z", ""])
async def test_a_wrong_service_token_opens_nothing(
    visit: Visit, kaltura: FakeKaltura, token: str
) -> None:
    caller = await visit(**SERVICES)
    refused = await caller.post(CREATE, headers={"Authorization": f"Bearer {token}"})
    assert is_problem(refused, "unauthenticated", 401)
    assert kaltura.calls == []


async def test_a_service_opens_for_many_pages_up_to_the_bound_of_all(visit: Visit) -> None:
    caller = await visit(**SERVICES, max_concurrent_sessions=3, max_waiting=0)
    for _ in range(3):
        await opened_by(caller, SHOP)
    assert is_problem(await caller.post(CREATE, headers=SHOP), "at-capacity", 503)


async def test_without_services_no_token_opens_a_session(visitor: httpx.AsyncClient) -> None:
    assert is_problem(await visitor.post(CREATE, headers=SHOP), "unauthenticated", 401)
