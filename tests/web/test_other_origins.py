"""A caller that keeps no cookie, such as a page of another origin, is a visitor like any other."""

import asyncio
import secrets

import httpx
import pytest

from tests.support.doubles import FakeKaltura
from tests.support.visitor_api import CREATE, ORIGIN, Visit, is_problem, keyed, opened, path

SESSIONS = "/api/avatar-sessions"
PARTNER = "https://www.example.com"
OF_PARTNER = {"Origin": PARTNER, "Sec-Fetch-Site": "cross-site"}
NAME = "n" * 43
SECRET_KEY = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"


def named(name: str = NAME) -> dict[str, str]:
    return {"Avatar-Visitor": name}


async def of_partner(visit: Visit) -> httpx.AsyncClient:
    """A page of another origin, whose browser keeps no cookie of the broker."""
    visitor = await visit(allowed_origins=PARTNER)
    visitor.headers.update(OF_PARTNER)
    return visitor


async def test_a_caller_that_names_itself_is_one_visitor_at_every_call(
    visit: Visit, kaltura: FakeKaltura
) -> None:
    page = await of_partner(visit)
    page.headers.update(named())
    session = await opened(page)
    assert session["secondsLeft"] == 900
    assert not page.cookies
    [listed] = (await page.get(SESSIONS)).json()["sessions"]
    assert listed["sessionId"] == session["sessionId"]
    assert (await page.post(path(session, "resume"))).json()["token"]
    assert is_problem(await page.post(CREATE), "too-many-sessions", 429)
    assert (await page.post(path(session, "speak"), json={"text": "Hello"})).is_success
    assert (await page.post(path(session, "end"))).is_success
    assert kaltura.operations().count("create") == 1


async def test_a_stranger_with_another_name_gets_the_same_404_as_nobody(visit: Visit) -> None:
    page = await of_partner(visit)
    session = await opened(page)
    theirs = await page.get(path(session), headers=named("m" * 43))
    nobodys = await page.get(f"{SESSIONS}/nobodys", headers=named())
    assert is_problem(theirs, "session-not-found", 404)
    assert theirs.json()["detail"] == nobodys.json()["detail"]


async def test_a_name_counts_before_the_cookie_and_brings_none(visit: Visit) -> None:
    visitor = await visit(max_sessions_per_visitor=1)
    await visitor.get("/")
    by_cookie = await opened(visitor)
    answer = await visitor.post(CREATE, headers=named())
    assert answer.status_code == 201
    assert "Set-Cookie" not in answer.headers
    assert answer.json()["sessionId"] != by_cookie["sessionId"]
    assert (await visitor.get(path(by_cookie), headers=named())).status_code == 404


async def test_a_name_that_can_be_guessed_or_is_none_reaches_nothing(
    visitor: httpx.AsyncClient, kaltura: FakeKaltura
) -> None:
    for name in ["", "n" * 42, "n" * 129, "a name with spaces" * 3, "ä" * 43]:
        for call in [CREATE, f"{SESSIONS}/s-1/end"]:
            answer = await visitor.post(call, headers={b"Avatar-Visitor": name.encode("latin-1")})
            assert is_problem(answer, "invalid-request", 422)
            assert "Avatar-Visitor" in answer.json()["detail"]
            assert kaltura.calls == []


async def test_two_names_are_none(visitor: httpx.AsyncClient) -> None:
    twice = [("Avatar-Visitor", NAME), ("Avatar-Visitor", "m" * 43)]
    assert is_problem(await visitor.post(CREATE, headers=twice), "invalid-request", 422)


async def test_a_name_does_not_let_a_page_call_that_is_not_allowed(visit: Visit) -> None:
    page = await of_partner(visit)
    page.headers.update(named() | {"Origin": "https://evil.example"})
    assert is_problem(await page.post(CREATE), "cross-site-request", 403)


async def test_a_browser_hears_that_it_may_send_the_name(visit: Visit) -> None:
    page = await of_partner(visit)
    asked = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "avatar-visitor,idempotency-key",
    }
    answer = await page.options(CREATE, headers=asked)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == PARTNER


@pytest.mark.parametrize("origin", [ORIGIN, PARTNER])
async def test_overlapping_first_calls_with_a_secret_key_open_one_session(
    visit: Visit, kaltura: FakeKaltura, origin: str
) -> None:
    await visit(allowed_origins=PARTNER)
    site = "same-origin" if origin == ORIGIN else "cross-site"
    headers = keyed(SECRET_KEY) | {"Origin": origin, "Sec-Fetch-Site": site}
    first_calls = [(await visit()).post(CREATE, headers=headers) for _ in range(8)]
    answers = await asyncio.gather(*first_calls)
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["sessionId"] for answer in answers}) == 1
    assert kaltura.operations().count("create") == 1


async def test_whoever_a_key_stood_for_keeps_the_session_by_the_cookie(visit: Visit) -> None:
    visitor = await visit()
    session = (await visitor.post(CREATE, headers=keyed(SECRET_KEY))).json()
    assert (await visitor.post(path(session, "end"))).is_success


async def test_a_key_stands_for_nobody_at_another_address(visit: Visit) -> None:
    ids = {
        (await (await visit(address)).post(CREATE, headers=keyed(SECRET_KEY))).json()["sessionId"]
        for address in ("192.0.2.1", "192.0.2.2")
    }
    assert len(ids) == 2


async def test_a_repeat_of_a_first_call_whose_answer_was_lost_is_not_counted(visit: Visit) -> None:
    await visit(create_rate_limit="2/minute")
    answers = [await (await visit()).post(CREATE, headers=keyed(SECRET_KEY)) for _ in range(5)]
    assert {answer.status_code for answer in answers} == {201}


async def test_names_made_up_are_bounded_by_the_address(visit: Visit) -> None:
    page = await visit(create_rate_limit="3/minute")
    answers = [await page.post(CREATE, headers=named(secrets.token_urlsafe(32))) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [201, 201, 201, 429]
