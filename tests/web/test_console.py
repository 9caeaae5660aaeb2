"""The operator's console: who gets in, what a page may do, and what it shows."""

import html
import json
import re
from typing import Any

import httpx
import pytest

from app.audit.reader import AuditReader
from app.problems import RecordUnavailable
from app.sessions.service import KEEP_ALIVE_SECONDS
from app.web.operator.charts import Share
from app.web.operator.sign_in import SIGNED_IN_SECONDS
from tests.support.doubles import FakeClock, FakeKaltura, refusal
from tests.support.operators import TOKEN, signed_in
from tests.support.visitor_api import Visit, is_problem, said

PAGES = ["/operator", "/operator/record", "/operator/usage", "/operator/embed"]
CHANGES = ["/operator/api/sign-in", "/operator/api/sessions/some/end", "/operator/api/sign-out"]
ELSEWHERE = {"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site"}
JSON = {"Content-Type": "application/json"}
SECRET_WORDS = "words-that-only-the-operator-may-read"


# Who gets in


@pytest.mark.parametrize("page", PAGES)
async def test_without_a_token_the_console_is_closed_and_says_how_it_is_opened(
    visit: Visit, page: str
) -> None:
    answer = await (await visit()).get(page)
    assert answer.status_code == 404
    assert "The console is closed" in answer.text
    assert "OPERATOR_TOKEN=" in answer.text


@pytest.mark.parametrize("page", PAGES)
async def test_a_stranger_sees_where_to_sign_in_and_nothing_else(visit: Visit, page: str) -> None:
    visitor = await visit(operator_token=TOKEN)
    session_id = await said(visitor, SECRET_WORDS)
    answer = await visitor.get(page)
    assert answer.status_code == 401
    assert 'type="password"' in answer.text
    assert session_id not in answer.text
    assert SECRET_WORDS not in answer.text


async def test_the_token_is_exchanged_for_a_cookie_that_no_script_and_no_other_site_has(
    visit: Visit,
) -> None:
    client = await visit(operator_token=TOKEN)
    answer = await client.post("/operator/api/sign-in", json={"token": TOKEN})
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert TOKEN not in cookie
    for page in PAGES:
        assert (await client.get(page)).status_code == 200


async def test_over_https_the_operators_cookie_is_for_this_host_alone(visit: Visit) -> None:
    client = await visit(operator_token=TOKEN, public_url="https://broker.example")
    answer = await client.post("/operator/api/sign-in", json={"token": TOKEN})
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-")
    assert "; Secure" in cookie
    assert "Path=/" in cookie
    assert "Domain" not in cookie


async def test_a_wrong_token_is_told_so_and_cannot_be_guessed_for_long(visit: Visit) -> None:
    client = await visit(operator_token=TOKEN)
    for guess in ("guess", "", "é", "\ud800", "\x00", f"{TOKEN}\udfff", *("guess",) * 4):
        content = json.dumps({"token": guess})
        wrong = await client.post("/operator/api/sign-in", content=content, headers=JSON)
        assert is_problem(wrong, "unauthenticated", 401)
        assert "Set-Cookie" not in wrong.headers
    assert (await client.post("/operator/api/sign-in", json={"token": "guess"})).status_code == 429
    right = await client.post("/operator/api/sign-in", json={"token": TOKEN})
    assert right.status_code == 429


async def test_a_cookie_that_is_made_up_changed_or_old_opens_nothing(
    visit: Visit, clock: FakeClock
) -> None:
    client = await signed_in(await visit(operator_token=TOKEN))
    [(name, good)] = client.cookies.items()
    until, seal = good.split(".")
    for cookie in (f"{int(until) + 1}.{seal}", f"{until}.{'0' * len(seal)}", "", "x", f"{until}."):
        other = await visit()
        other.cookies.set(name, cookie)
        assert (await other.get("/operator")).status_code == 401, cookie
    clock.now += SIGNED_IN_SECONDS + 1
    assert (await client.get("/operator")).status_code == 401


async def test_who_signs_out_is_out(visit: Visit) -> None:
    client = await signed_in(await visit(operator_token=TOKEN))
    assert (await client.post("/operator/api/sign-out", json={})).status_code == 200
    assert (await client.get("/operator")).status_code == 401


@pytest.mark.parametrize("path", CHANGES)
@pytest.mark.parametrize("origin", ["https://elsewhere.example", "https://allowed.example"])
async def test_no_other_page_acts_for_the_operator_not_even_an_allowed_one(
    visit: Visit, path: str, origin: str
) -> None:
    client = await signed_in(
        await visit(operator_token=TOKEN, allowed_origins=["https://allowed.example"])
    )
    headers = {"Origin": origin, "Sec-Fetch-Site": "cross-site"}
    answer = await client.post(path, json={"token": TOKEN}, headers=headers)
    # An allowed origin calls without the cookie, and so as nobody.
    as_nobody = origin == "https://allowed.example" and path.endswith("/end")
    problem, status = ("unauthenticated", 401) if as_nobody else ("cross-site-request", 403)
    assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{problem}")
    assert (await client.get("/operator")).status_code == 200


# What a page may do


@pytest.mark.parametrize("page", PAGES)
async def test_a_page_of_the_console_runs_its_own_modules_and_no_word_of_a_visitor(
    visit: Visit, page: str
) -> None:
    visitor = await visit(operator_token=TOKEN)
    await said(visitor, '</script><img src="x" onerror="alert(1)">', "<b>bold</b>")
    operator = await signed_in(await visit())
    answer = await operator.get(page)
    policy = answer.headers["Content-Security-Policy"]
    [nonce] = re.findall(r"script-src 'nonce-([\w-]{20,})';", policy)
    for directive in (
        "default-src 'none'",
        "style-src 'self'",
        "connect-src 'self'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    ):
        assert directive in policy
    assert "unsafe" not in policy
    scripts = re.findall(r"<script\b[^>]*>", answer.text)
    assert scripts
    assert all(f'nonce="{nonce}"' in script for script in scripts)
    assert not re.search(r"<[^>]+\s(style|on\w+)=", answer.text)
    assert '<img src="x"' not in answer.text
    assert "<b>" not in answer.text.replace("<b>0</b>", "") or page == "/operator/usage"
    assert nonce not in (await operator.get(page)).text


async def test_the_door_says_nothing_of_the_house(visit: Visit) -> None:
    answer = await (await visit(operator_token=TOKEN)).get("/operator")
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert not re.search(r"<[^>]+\s(style|on\w+)=", answer.text)


# What it shows


async def test_the_record_is_shown_filtered_and_page_by_page(
    visit: Visit, clock: FakeClock
) -> None:
    visitor = await visit(operator_token=TOKEN, speak_rate_limit="1000/minute")
    session_id = await said(visitor, *(f"text number {n}" for n in range(60)), clock=clock)
    operator = await signed_in(await visit())

    def texts(page: httpx.Response) -> list[str]:
        return re.findall(r"<q>(text number \d+)</q>", page.text)

    first = await operator.get("/operator/record?event=say-text")
    assert texts(first) == [f"text number {n}" for n in range(59, 9, -1)]
    [older] = re.findall(r'rel="next" href="([^"]+)"', first.text)
    await said(await visit(), "said meanwhile")
    second = await operator.get(older.replace("&amp;", "&"))
    assert texts(second) == [f"text number {n}" for n in range(9, -1, -1)]
    assert 'rel="next"' not in second.text
    found = await operator.get(f"/operator/record?sessionId={session_id}&text=NUMBER+42&visitor=")
    assert texts(found) == ["text number 42"]


async def test_keep_alives_that_went_well_are_shown_and_exported_when_they_are_asked_for(
    visit: Visit, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    visitor = await visit(operator_token=TOKEN)
    keep_alive = f"/api/avatar-sessions/{await said(visitor, 'hello')}/keep-alive"
    await visitor.post(keep_alive)
    operator = await signed_in(await visit())

    async def shown(query: str) -> tuple[int, int]:
        """How many keep-alives the page has, and how many its export."""
        page = (await operator.get(f"/operator/record?{query}")).text
        [export] = re.findall(r'href="(/operator/api/audit.jsonl[^"]*)"', page)
        exported = (await operator.get(html.unescape(export))).text
        return page.count('class="event">keep-alive<'), exported.count('"keep-alive"')

    assert await shown("") == await shown("outcome=ok") == (0, 0)
    assert await shown("keepAlives=all") == await shown("event=keep-alive") == (1, 1)
    everything = (await operator.get("/operator/api/audit")).json()["events"]
    assert [event["event"] for event in everything].count("keep-alive") == 1

    clock.advance(KEEP_ALIVE_SECONDS)
    kaltura.will("keep-alive", refusal(404))
    await visitor.post(keep_alive)
    assert await shown("") == (1, 1), "one that failed is always shown"


async def test_the_control_for_keep_alives_tells_what_is_shown(visit: Visit) -> None:
    operator = await signed_in(await visit(operator_token=TOKEN))
    for query, is_checked in (("", False), ("keepAlives=all", True)):
        page = (await operator.get(f"/operator/record?{query}")).text
        assert bool(re.search(r'name="keepAlives"[^>]* checked', page)) is is_checked
        assert ("are left out" in page) is not is_checked
    wrong = await operator.get("/operator/api/audit?keepAlives=none")
    assert is_problem(wrong, "invalid-request", 422)


async def test_the_last_words_are_the_last_that_were_to_be_said_and_not_an_empty_try(
    visit: Visit,
) -> None:
    visitor = await visit(operator_token=TOKEN)
    session_id = await said(visitor, "first", "last")
    await visitor.post(f"/api/avatar-sessions/{session_id}/speak", json={"text": " "})
    [live] = (await (await signed_in(await visit())).get("/operator/api/sessions")).json()[
        "sessions"
    ]
    assert live["lastWords"] == "last"


async def test_an_outcome_can_be_asked_for(visit: Visit) -> None:
    visitor = await visit(operator_token=TOKEN)
    session_id = await said(visitor, "fine")
    await visitor.post(f"/api/avatar-sessions/{session_id}/speak", json={"text": " "})
    operator = await signed_in(await visit())

    async def outcomes(asked: str) -> set[str]:
        page = (await operator.get(f"/operator/api/audit?outcome={asked}")).json()
        return {event["outcome"] for event in page["events"]}

    assert await outcomes("ok") == {"ok"}
    assert await outcomes("failed") == {"invalid-request"}
    assert await outcomes("invalid-request") == {"invalid-request"}
    assert await outcomes("kaltura-busy") == set()
    assert len(await outcomes("")) == 2


@pytest.mark.parametrize("page", ["/operator", "/operator/record", "/operator/usage"])
async def test_with_nothing_to_show_a_page_says_what_will_be_there(visit: Visit, page: str) -> None:
    operator = await signed_in(await visit(operator_token=TOKEN))
    answer = await operator.get(page)
    assert answer.status_code == 200
    assert 'class="empty"' in answer.text


async def test_the_charts_have_a_title_a_description_and_a_table(visit: Visit) -> None:
    visitor = await visit(operator_token=TOKEN)
    await said(visitor, "hello")
    answer = await (await signed_in(await visit())).get("/operator/usage")
    charts = re.findall(r'<svg[^>]+role="img".*?</svg>', answer.text, re.DOTALL)
    assert len(charts) == 2
    for chart in charts:
        labels = re.search(r'aria-labelledby="(\S+) (\S+)"', chart)
        assert labels
        assert all(f' id="{label}"' in chart for label in labels.groups())
        assert chart.count('class="bar"') == 31
    [table] = re.findall(
        r"<caption[^>]*>Minutes and sessions of each day.*?</table>", answer.text, re.DOTALL
    )
    assert table.count("<tr>") == 32


async def test_when_the_record_cannot_be_read_a_page_says_so_and_live_sessions_are_still_seen(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = await visit(operator_token=TOKEN)
    session_id = await said(visitor, "hello")
    operator = await signed_in(await visit())

    async def broken(*_: Any, **__: Any) -> Any:
        raise RecordUnavailable(retry_after=5)

    for name in ("page", "newest", "latest"):
        monkeypatch.setattr(AuditReader, name, broken)
    answer = await operator.get("/operator/record")
    assert (answer.status_code, "can’t be read" in answer.text) == (503, True)
    assert answer.headers["X-Request-ID"] in answer.text
    live = (await operator.get("/operator/api/sessions")).json()["sessions"]
    assert [session["sessionId"] for session in live] == [session_id]
    assert session_id in (await operator.get("/operator")).text


# How another site shows the avatar


async def test_a_site_is_told_what_to_put_in_its_page_and_which_setting_is_missing(
    visit: Visit,
) -> None:
    broker = "https://avatar.example.com"
    operator = await signed_in(
        await visit(public_url=broker, operator_token=TOKEN, allowed_origins="https://a.example")
    )
    page = html.unescape((await operator.get("/operator/embed")).text)
    assert f'<script type="module" src="{broker}/avatar.js"></script>' in page
    assert f"script-src {broker};\nconnect-src {broker}" in page
    assert "img-src" not in page
    asked = {"origin": "https://shop.example"}
    told = html.unescape((await operator.get("/operator/embed", params=asked)).text)
    assert "Set ALLOWED_ORIGINS=https://a.example,https://shop.example" in told
    asked = {"origin": "https://a.example"}
    told = html.unescape((await operator.get("/operator/embed", params=asked)).text)
    assert "Well: ALLOWED_ORIGINS names it." in told


async def test_a_site_s_policy_lets_the_pictures_through_where_there_is_a_choice(
    visit: Visit,
) -> None:
    broker = "https://avatar.example.com"
    choice = {"avatar_id": "ada", "avatar_allowed_ids": "grace"}
    operator = await signed_in(await visit(public_url=broker, operator_token=TOKEN, **choice))
    page = html.unescape((await operator.get("/operator/embed")).text)
    assert f"\nimg-src {broker};" in page


async def test_what_is_no_origin_is_told_and_repeated_as_text(visit: Visit) -> None:
    operator = await signed_in(await visit(operator_token=TOKEN))
    answer = await operator.get("/operator/embed", params={"origin": '"><b>shop'})
    assert answer.status_code == 400
    assert "<b>" not in answer.text
    assert 'role="alert">That is no origin.' in answer.text


def test_a_share_of_nothing_is_nothing() -> None:
    assert [Share.of(*each).percent for each in ((1, 3), (0, 3), (1, 0))] == [33.3, 0, 0]
