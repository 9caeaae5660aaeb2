"""The operator's API: who gets in, what is live, what was used, and the end of a session."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import Request

from app.problems import Unauthenticated
from app.sessions.keyring import keyring_of
from app.web.operator.sign_in import COOKIE, SIGNED_IN_SECONDS, OperatorAuthenticator
from app.web.rate_limiter import RateLimiters
from tests.support.audit import API, OPERATOR, TOKEN, opens, path
from tests.support.doubles import FakeClock, FakeKaltura, refusal, settings
from tests.support.visitor_api import Visit, is_problem

VIEWS = ["audit", "sessions", "usage"]
WRONG = {"Authorization": "Bearer not-the-operators-token"}


def _cookie(operator: httpx.AsyncClient) -> bytes:
    return f"{COOKIE}={operator.cookies[COOKIE]}".encode()


async def signed_in(visit: Visit, **changes: Any) -> httpx.AsyncClient:
    operator = await visit(operator_token=TOKEN, **changes)
    answer = await operator.post(f"{API}/sign-in", json={"token": TOKEN})
    assert answer.status_code == 200, answer.text
    return operator


# Who gets in


@pytest.mark.parametrize("view", VIEWS)
async def test_nobody_but_the_operator_gets_in(visit: Visit, view: str) -> None:
    visitor = await visit(operator_token=TOKEN)
    session = await opens(visitor)
    token = {"Authorization": f"Bearer {session['token']}"}
    for headers in ({}, WRONG, token, {"Authorization": f"Basic {TOKEN}"}):
        answer = await visitor.get(f"{API}/{view}", headers=headers)
        assert is_problem(answer, "unauthenticated", 401)
    assert (await visitor.get(f"{API}/{view}", headers=OPERATOR)).is_success


@pytest.mark.parametrize("view", VIEWS)
async def test_without_a_token_set_it_is_closed_to_everyone(visit: Visit, view: str) -> None:
    visitor = await visit()
    for token in ("", "None", TOKEN):
        answer = await visitor.get(f"{API}/{view}", headers={"Authorization": f"Bearer {token}"})
        assert is_problem(answer, "unauthenticated", 401)
        answer = await visitor.post(f"{API}/sign-in", json={"token": token})
        assert is_problem(answer, "unauthenticated", 401)


async def test_nobody_but_the_operator_ends_a_strangers_session(
    visit: Visit, kaltura: FakeKaltura
) -> None:
    visitor = await visit(operator_token=TOKEN)
    session = await opens(visitor)
    end = f"{API}/sessions/{session['sessionId']}/end"
    assert is_problem(await visitor.post(end), "unauthenticated", 401)
    assert "end" not in kaltura.operations()


async def test_who_guesses_is_not_even_listened_to(visit: Visit) -> None:
    guesser, elsewhere = await visit("192.0.2.1", operator_token=TOKEN), await visit("192.0.2.2")
    for _ in range(10):
        assert (await guesser.get(f"{API}/audit", headers=WRONG)).status_code == 401
    for headers in (WRONG, OPERATOR):
        assert is_problem(await guesser.get(f"{API}/audit", headers=headers), "rate-limited", 429)
    assert (await guesser.post(f"{API}/sign-in", json={"token": TOKEN})).status_code == 429
    assert (await elsewhere.get(f"{API}/audit", headers=OPERATOR)).is_success


async def test_who_is_right_is_not_counted(visit: Visit) -> None:
    operator = await visit(operator_token=TOKEN)
    for _ in range(15):
        assert (await operator.get(f"{API}/audit", headers=OPERATOR)).is_success


# The cookie


async def test_the_cookie_opens_everything_until_it_is_over(visit: Visit, clock: FakeClock) -> None:
    operator = await signed_in(visit)
    for view in VIEWS:
        assert (await operator.get(f"{API}/{view}")).is_success
    clock.advance(SIGNED_IN_SECONDS)
    assert (await operator.get(f"{API}/audit")).status_code == 401


async def test_a_forged_cookie_does_not_open_anything(visit: Visit, clock: FakeClock) -> None:
    operator = await signed_in(visit)
    until, _, seal = operator.cookies[COOKIE].partition(".")
    forged = (f"{int(until) + 1}.{seal}", f"{until}.{'0' * 64}", until, "", f"{until}.é", "9" * 99)
    for cookie in forged:
        headers = {b"Cookie": f"{COOKIE}={cookie}".encode()}
        answer = await operator.get(f"{API}/audit", headers=headers)
        assert answer.status_code == 401, cookie


async def test_another_token_makes_the_cookie_worthless_and_another_key_does_not(
    visit: Visit, clock: FakeClock
) -> None:
    operator = await signed_in(visit)
    request = Request(
        {"type": "http", "method": "GET", "headers": [(b"cookie", _cookie(operator))]}
    )
    keys, old = [b"a new key"], keyring_of(settings()).operators()
    rate = RateLimiters.of(settings()).sign_in

    async def opens_with(token: str) -> None:
        authenticator = OperatorAuthenticator(settings(operator_token=token), keys + old, clock)
        await authenticator.require(request, rate)

    await opens_with(TOKEN)
    with pytest.raises(Unauthenticated):
        await opens_with(f"{TOKEN}-2")


async def test_a_page_of_another_origin_does_not_act_for_the_operator(
    visit: Visit, kaltura: FakeKaltura
) -> None:
    shop = "https://shop.broker.test"
    operator = await signed_in(visit, allowed_origins=shop)
    session = await opens(operator)
    end = f"{API}/sessions/{session['sessionId']}/end"
    # What is allowed calls without its cookies, and so as nobody.
    for headers, name, status in (
        ({"Origin": shop, "Sec-Fetch-Site": "same-site"}, "unauthenticated", 401),
        ({"Origin": "https://evil.test"}, "cross-site-request", 403),
        ({"Origin": shop}, "unauthenticated", 401),
    ):
        assert is_problem(await operator.post(end, headers=headers), name, status)
    assert "end" not in kaltura.operations()
    own = {"Origin": "http://broker.test", "Sec-Fetch-Site": "same-origin"}
    assert (await operator.post(end, headers=own)).is_success


# What is live


async def test_the_live_sessions_are_told_with_all_that_an_operator_asks(
    visit: Visit, clock: FakeClock
) -> None:
    operator = await visit(
        operator_token=TOKEN, avatar_allowed_ids="avatar-2", max_sessions_per_visitor=2
    )
    first = await opens(operator)
    clock.advance(30)
    second = await opens(operator, json={"avatarId": "avatar-2"})
    for text in ("Hello", "Good bye"):
        await operator.post(path(first, "speak"), json={"text": text})
    answer = await operator.get(f"{API}/sessions", headers=OPERATOR)
    latest, earlier = answer.json()["sessions"]
    assert (latest["sessionId"], latest["avatarId"]) == (second["sessionId"], "avatar-2")
    assert latest["lastWords"] is None
    visitor = earlier.pop("visitor")
    assert visitor == latest["visitor"]
    assert earlier == {
        "sessionId": first["sessionId"],
        "avatarId": "avatar-1",
        "voiceId": "voice-1",
        "openedAt": "2027-01-15T08:00:00Z",
        "expiresAt": "2027-01-15T08:15:00Z",
        "secondsLeft": 870,
        "watched": True,
        "state": "live",
        "lastWords": "Good bye",
        "replica": None,
    }


async def test_words_that_are_not_kept_are_not_shown(visit: Visit) -> None:
    operator = await visit(operator_token=TOKEN, audit_text="hash")
    session = await opens(operator)
    await operator.post(path(session, "speak"), json={"text": "Hello"})
    [live] = (await operator.get(f"{API}/sessions", headers=OPERATOR)).json()["sessions"]
    assert live["lastWords"] is None


async def test_the_operator_ends_a_session_and_its_page_is_told(
    visit: Visit, kaltura: FakeKaltura
) -> None:
    visitor, operator = await visit(operator_token=TOKEN), await visit()
    session = await opens(visitor)
    end = f"{API}/sessions/{session['sessionId']}/end"
    for _ in range(2):
        assert (await operator.post(end, headers=OPERATOR)).json() == {"success": True}
    assert kaltura.operations().count("end") == 1
    said = await visitor.post(path(session, "speak"), json={"text": "Hello"})
    assert (said.status_code, said.json()["endReason"]) == (410, "operator")
    record = (await operator.get(f"{API}/audit", headers=OPERATOR)).json()["events"]
    ended = next(event for event in record if event["event"] == "ended")
    assert ended["detail"]["reason"] == "operator"
    assert ended["detail"]["surface"] == "operator"
    assert (await operator.get(f"{API}/sessions", headers=OPERATOR)).json()["sessions"] == []


async def test_a_session_that_is_not_there_is_said_so(visit: Visit) -> None:
    operator = await visit(operator_token=TOKEN)
    answer = await operator.post(f"{API}/sessions/nothing/end", headers=OPERATOR)
    assert is_problem(answer, "session-not-found", 404)


async def test_an_end_that_kaltura_refuses_is_told_and_tried_again(
    visit: Visit, kaltura: FakeKaltura
) -> None:
    operator = await visit(operator_token=TOKEN)
    session = await opens(operator)
    kaltura.will("end", refusal(500))
    end = f"{API}/sessions/{session['sessionId']}/end"
    assert is_problem(await operator.post(end, headers=OPERATOR), "kaltura-error", 502)
    assert (await operator.post(end, headers=OPERATOR)).is_success


# What was used


async def test_usage_tells_sessions_and_minutes_by_day_and_by_visitor(
    visit: Visit, clock: FakeClock
) -> None:
    ada, eve = await visit(operator_token=TOKEN, session_max_seconds=86400), await visit()
    day = 24 * 3600
    clock.now -= clock.now % day  # midnight
    early = await opens(ada)
    clock.advance(600)
    await ada.post(path(early, "end"))
    clock.advance(day - 600 - 300)
    late = await opens(eve)
    clock.advance(420)  # two minutes past midnight
    await eve.post(path(late, "end"))
    usage = (await ada.get(f"{API}/usage", headers=OPERATOR)).json()
    assert usage["today"] == {"day": "2027-01-16", "sessions": 0, "minutes": 2.0}
    assert usage["days"][:3] == [
        usage["today"],
        {"day": "2027-01-15", "sessions": 2, "minutes": 15.0},
        {"day": "2027-01-14", "sessions": 0, "minutes": 0.0},
    ]
    assert len(usage["days"]) == 31
    assert [(v["sessions"], v["minutes"], v["sessionsToday"]) for v in usage["visitors"]] == [
        (1, 10.0, 0),
        (1, 7.0, 0),
    ]


async def test_a_live_session_counts_up_to_now(visit: Visit, clock: FakeClock) -> None:
    operator = await visit(operator_token=TOKEN)
    await opens(operator)
    clock.advance(90)
    usage = (await operator.get(f"{API}/usage", headers=OPERATOR)).json()
    assert usage["today"]["minutes"] == 1.5
    assert usage["visitors"][0]["minutesToday"] == 1.5


# What is asked


@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=1001", "limit=x", "event=nothing", "since=yesterday"),
        *("text=a%00b", "visitor=%00", "outcome=%00", "sessionId=%00"),
        *("cursor=-1", "cursor=abc", "cursor=" + "9" * 19, "sessionId=" + "a" * 257),
    ],
)
async def test_a_question_that_makes_no_sense_is_named(visit: Visit, query: str) -> None:
    operator = await visit(operator_token=TOKEN)
    answer = await operator.get(f"{API}/audit?{query}", headers=OPERATOR)
    assert is_problem(answer, "invalid-request", 422)
    assert answer.json()["errors"][0]["field"] == query.partition("=")[0]


@pytest.fixture
def _machine_west_of_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as changed:
        changed.setenv("TZ", "WEST8")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("_machine_west_of_utc")
async def test_a_time_may_have_a_zone_and_is_utc_without(visit: Visit) -> None:
    operator = await visit(operator_token=TOKEN)
    await opens(operator)
    for moment, count in (
        ("2027-01-15T08:00:00", 3),
        ("2027-01-15T08:00:00Z", 3),
        ("2027-01-15T09:00:00+01:00", 3),
        ("2027-01-15T08:00:01", 0),
        ("2027-01-15", 3),
    ):
        params = {"since": moment}
        answer = await operator.get(f"{API}/audit", params=params, headers=OPERATOR)
        assert len(answer.json()["events"]) == count, moment


async def test_the_plus_of_a_zone_may_stand_in_the_address_as_it_is(visit: Visit) -> None:
    operator = await visit(operator_token=TOKEN)
    await opens(operator)
    for written, count in [
        ("2027-01-15T09:00:00+01:00", 3),
        ("2027-01-15T09:00:00%2B01:00", 3),
        ("2027-01-15T09:00+0100", 3),
        ("2027-01-15+09:00:00.000+01:00", 3),
        ("2027-01-15+08:00:00", 3),
        ("2027-01-15+08:00", 3),
        ("2027-01-15T09:00:01+01:00", 0),
        ("2027-01-15T07:00:01-01:00", 0),
    ]:
        since = await operator.get(f"{API}/audit?since={written}", headers=OPERATOR)
        until = await operator.get(f"{API}/audit?until={written}", headers=OPERATOR)
        assert [len(answer.json()["events"]) for answer in (since, until)] == [count, 3 - count]


async def test_the_cursor_goes_through_all_of_it(visit: Visit) -> None:
    operator = await visit(operator_token=TOKEN)
    session = await opens(operator)
    for n in range(7):
        await operator.post(path(session, "speak"), json={"text": f"word {n}"})
    said: list[str] = []
    params: dict[str, Any] = {"event": "say-text", "limit": 3}
    while True:
        answer = await operator.get(f"{API}/audit", params=params, headers=OPERATOR)
        said += [event["detail"]["text"] for event in answer.json()["events"]]
        await operator.post(path(session, "speak"), json={"text": "later"})
        params["cursor"] = answer.json()["cursor"]
        if params["cursor"] is None:
            break
    assert said == [f"word {n}" for n in range(6, -1, -1)]
