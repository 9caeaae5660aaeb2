"""The broker's own cookies: which of those that come are its own, and when a browser gets one."""

from typing import Any

import httpx
import pytest

from tests.support.operators import TOKEN, signed_in
from tests.support.visitor_api import CREATE, HTTPS, Visit, cookie_of, opened, path

SESSIONS = "/api/avatar-sessions"
HEALTH = "/operator/api/health"

NONE_OF_OURS = [
    b"\xa0NAME=VALUE",
    b"\xc2\xa0NAME=VALUE",
    b"\xe2\x80\x83NAME=VALUE",
    b"\x0bNAME=VALUE",
    b"\x1cNAME=VALUE",
    b"\x85NAME=VALUE",
    b"NAME\xa0=VALUE",
    b"NAME =VALUE",
    b'"NAME"=VALUE',
    b"$NAME=VALUE",
    b"=NAME=VALUE",
    b"other=NAME=VALUE",
    b"other=x, NAME=VALUE",
    b"other=x NAME=VALUE",
    b"NAME:VALUE",
    b"NAME",
    b"VALUE",
    b"NAME=",
    b'NAME="VALUE"',
    b"NAME=\xa0VALUE",
    b"NAME=VALUE\xa0",
    b"NAME=VALUE VALUE",
    b"NAME=VALUE,VALUE",
    b"NAME=VALU\xc3\x89",
    b"NAME=VALUE; NAME=VALUE",
    b"NAME=other; NAME=VALUE",
    b"NAME=VALUE; NAME=",
    b"NAME; NAME=VALUE",
    b"NAME=VALUE;\tNAME=other",
]
"""What a host next to this one may have set in a browser, or somebody made up."""

OURS = [
    b"NAME=VALUE",
    b" \tNAME=VALUE\t ",
    b"other=x;NAME=VALUE;",
    b"; ;NAME=VALUE; garbage; =; \xff=\xff",
    b"\xa0NAME=other; NAME=VALUE",
    b"NAME\xa0=other; NAME=VALUE; $NAME=other",
]


def made(template: bytes, name: str, value: str) -> bytes:
    return template.replace(b"NAME", name.encode()).replace(b"VALUE", value.encode())


def own(cookies: httpx.Cookies) -> tuple[str, str]:
    [(name, value)] = cookies.items()
    return name, value


@pytest.mark.parametrize("changes", [{}, HTTPS], ids=["http", "https"])
async def test_a_visitors_cookie_is_known_byte_by_byte(
    visit: Visit, changes: dict[str, Any]
) -> None:
    visitor = await visit(**changes)
    session = await opened(visitor)
    name, value = own(visitor.cookies)
    stranger = await visit()

    async def sees(*cookies: bytes) -> list[str]:
        headers = [(b"Cookie", cookie) for cookie in cookies]
        return [
            one["sessionId"]
            for one in (await stranger.get(SESSIONS, headers=headers)).json()["sessions"]
        ]

    for template in OURS:
        assert await sees(made(template, name, value)) == [session["sessionId"]], template
    for template in [*NONE_OF_OURS, name.upper().encode() + b"=VALUE"]:
        assert await sees(made(template, name, value)) == [], template
    good = made(b"NAME=VALUE", name, value)
    assert await sees(b"other=x", good) == [session["sessionId"]]
    assert await sees(good, good) == []


async def test_the_operators_cookie_is_known_byte_by_byte(visit: Visit) -> None:
    operator = await signed_in(await visit(operator_token=TOKEN, **HTTPS))
    name, value = own(operator.cookies)
    stranger = await visit()

    async def status(cookie: bytes) -> int:
        # The page, where to ask is not counted as a guess.
        return (await stranger.get("/operator", headers=[(b"Cookie", cookie)])).status_code

    for template in OURS:
        assert await status(made(template, name, value)) == 200, template
    for template in NONE_OF_OURS:
        assert await status(made(template, name, value)) == 401, template


@pytest.mark.parametrize("template", [b"\xa0NAME=VALUE", b"NAME=VALUE; NAME=VALUE"])
async def test_a_cookie_that_is_not_ours_owns_nothing_and_is_not_given_back(
    visit: Visit, template: bytes
) -> None:
    visitor = await visit(**HTTPS)
    attackers = "a" * 43
    cookie = made(template, "__Host-avatar_visitor", attackers)
    answer = await visitor.post(CREATE, headers=[(b"Cookie", cookie)])
    assert cookie_of(answer).value != attackers
    theirs = {"Cookie": f"__Host-avatar_visitor={attackers}"}
    assert (await (await visit()).get(SESSIONS, headers=theirs)).json() == {"sessions": []}


# When a browser gets one

NAVIGATION = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
FETCH = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}


@pytest.mark.parametrize("page", ["/", "/approaches"])
async def test_a_link_from_another_site_sets_no_cookie(
    visitor: httpx.AsyncClient, page: str
) -> None:
    """An older cookie, which is `SameSite=Strict`, is there and does not come along."""
    led_here = NAVIGATION | {"Sec-Fetch-Site": "cross-site"}
    assert "Set-Cookie" not in (await visitor.get(page, headers=led_here)).headers
    for site in ("none", "same-origin", "same-site"):
        answer = await visitor.get(page, headers=NAVIGATION | {"Sec-Fetch-Site": site})
        assert ("Set-Cookie" in answer.headers) == (site == "none"), "one is enough"


async def test_whoever_came_by_a_link_is_known_before_they_ask_for_a_session(
    visitor: httpx.AsyncClient,
) -> None:
    """Else a create whose answer is lost would open a second session when it is repeated."""
    await visitor.get(SESSIONS, headers=FETCH)
    name, _ = own(visitor.cookies)
    assert name == "avatar_visitor"
    session = await opened(visitor)
    listed = await visitor.get(SESSIONS, headers=FETCH)
    assert [one["sessionId"] for one in listed.json()["sessions"]] == [session["sessionId"]]
    assert "Set-Cookie" not in listed.headers


@pytest.mark.parametrize(
    "headers",
    [
        {},
        FETCH | {"Sec-Fetch-Site": "cross-site"},
        FETCH | {"Sec-Fetch-Site": "same-site"},
        {"User-Agent": "Mozilla/5.0"},
    ],
)
async def test_nobody_else_who_asks_for_sessions_gets_a_cookie(
    visitor: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    assert "Set-Cookie" not in (await visitor.get(SESSIONS, headers=headers)).headers


async def test_with_the_cookie_a_link_from_another_site_finds_what_was_there(
    visitor: httpx.AsyncClient,
) -> None:
    session = await opened(visitor)
    answer = await visitor.get("/", headers=NAVIGATION | {"Sec-Fetch-Site": "cross-site"})
    assert "Set-Cookie" not in answer.headers
    assert (await visitor.get(path(session), headers=FETCH)).json()["state"] == "live"
