"""Who may open a session when the app has a login of its own, and whose it is then."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from asgi_lifespan import LifespanManager

from app.identity.jwks import PAUSE_SECONDS
from app.main import Transports, create_app
from app.sessions.clock import Clocks
from tests.support.doubles import KALTURA_TOKEN, FakeClock, FakeKaltura, settings
from tests.support.login import BY_LOGIN, FakeLogin, made_key
from tests.support.operators import TOKEN
from tests.support.processes import free_port, running
from tests.support.visitor_api import CONTROLS, CREATE, bearer, is_problem, opened, path

SESSIONS = "/api/avatar-sessions"
MIRROR = "/v1/avatar-session"
WISH = {"visualConfig": {"id": "avatar-1"}}
PROXY = "10.0.0.7"
HEADER = "X-Forwarded-User"
BY_PROXY: dict[str, Any] = {
    "auth_mode": "header",
    "auth_header": HEADER,
    "trusted_proxies": "10.0.0.0/24",
}
ALICE, BOB = {HEADER: "alice"}, {HEADER: "bob"}
SHOP = {"Authorization": "Bearer shop-token-of-16-and-more"}
SERVICES = {"service_tokens": "shop:shop-token-of-16-and-more"}
A_COOKIE = {"avatar_visitor": "c" * 43, "__Host-avatar_visitor": "c" * 43}

Reach = Callable[..., Awaitable[httpx.AsyncClient]]
every_control = pytest.mark.parametrize("control", list(CONTROLS))
every_mode = pytest.mark.parametrize("mode", [BY_LOGIN, BY_PROXY], ids=["jwt", "header"])


@pytest.fixture
def login(clock: FakeClock) -> FakeLogin:
    return FakeLogin(clock)


@pytest.fixture
async def reach(kaltura: FakeKaltura, login: FakeLogin, clock: FakeClock) -> AsyncIterator[Reach]:
    """Starts the broker once, with these settings, and gives a caller from `peer`."""
    async with AsyncExitStack() as stack:
        started: list[Any] = []

        async def reach(peer: str = PROXY, **changes: Any) -> httpx.AsyncClient:
            if not started:
                app = create_app(
                    settings(**changes),
                    transports=Transports(kaltura=kaltura, login=login),
                    clocks=Clocks(wall=clock, monotonic=clock),
                )
                started.append((await stack.enter_async_context(LifespanManager(app))).app)
            transport = httpx.ASGITransport(
                app=started[0], raise_app_exceptions=False, client=(peer, 4711)
            )
            return await stack.enter_async_context(
                httpx.AsyncClient(transport=transport, base_url="http://broker.test")
            )

        yield reach


def signed_in(login: FakeLogin, **claims: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {login.token(**claims)}"}


async def opened_as(caller: httpx.AsyncClient, headers: dict[str, str]) -> dict[str, Any]:
    answer = await caller.post(CREATE, headers=headers)
    assert answer.status_code == 201, answer.text
    assert "Set-Cookie" not in answer.headers
    body: dict[str, Any] = answer.json()
    return body


# In either mode


@every_mode
async def test_whoever_has_not_signed_in_opens_nothing_whatever_cookie_they_have(
    reach: Reach, kaltura: FakeKaltura, mode: dict[str, Any]
) -> None:
    caller = await reach(**mode)
    for cookies in ({}, A_COOKIE):
        caller.cookies = httpx.Cookies(cookies)
        for method in ("GET", "POST"):
            refused = await caller.request(method, CREATE)
            assert is_problem(refused, "unauthenticated", 401)
            assert "signs its visitors in" in refused.json()["detail"]
            assert refused.json()["signIn"] is True, "the page tells its own 401 from this one"
            assert "Set-Cookie" not in refused.headers
        refused = await caller.post(f"{MIRROR}/create", json=WISH)
        assert (refused.status_code, refused.json()["success"]) == (401, False)
        assert (await caller.get(SESSIONS)).json() == {"sessions": []}
    assert kaltura.calls == []


@every_mode
@pytest.mark.parametrize("page", ["/", "/approaches"])
async def test_the_page_sets_no_cookie(reach: Reach, mode: dict[str, Any], page: str) -> None:
    answer = await (await reach(**mode)).get(page)
    assert answer.status_code == 200
    assert "Set-Cookie" not in answer.headers


@every_mode
async def test_a_service_needs_no_login(reach: Reach, mode: dict[str, Any]) -> None:
    caller = await reach("192.0.2.1", **mode, **SERVICES)
    session = await opened_as(caller, SHOP)
    assert (await caller.post(path(session, "end"), headers=SHOP)).is_success


@every_mode
@every_control
async def test_the_token_of_create_controls_its_session_without_the_login(
    reach: Reach, login: FakeLogin, mode: dict[str, Any], control: str
) -> None:
    caller = await reach(**mode)
    session = await opened_as(caller, ALICE | signed_in(login) if mode is BY_LOGIN else ALICE)
    answer = await caller.post(path(session, control), headers=bearer(session), **CONTROLS[control])
    assert answer.json()["success"] is True


@every_mode
async def test_a_ticket_alone_opens_nothing(
    reach: Reach, login: FakeLogin, kaltura: FakeKaltura, mode: dict[str, Any]
) -> None:
    alice, bob, eve = (
        ({HEADER: name} if mode is BY_PROXY else signed_in(login, sub=name))
        for name in ("alice", "bob", "eve")
    )
    caller = await reach(**mode, max_concurrent_sessions=1)
    session = await opened_as(caller, alice)
    ticket = (await caller.post(CREATE, headers=bob)).json()["ticket"]
    assert (await caller.post(path(session, "end"), headers=bearer(session))).is_success
    assert (await caller.get(f"/api/waiting-room/{ticket}")).json()["turnSecondsLeft"] == 30
    refused = await caller.post(CREATE, json={"ticket": ticket})
    assert is_problem(refused, "unauthenticated", 401)
    waits = await caller.post(CREATE, headers=eve, json={"ticket": ticket})
    assert waits.status_code == 202
    assert waits.json()["position"] == 2, "with bob's ticket eve is still eve"
    assert kaltura.opened == 1
    assert (await caller.post(CREATE, headers=bob)).status_code == 201


# Visitors bring the token of a login


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_token_of_the_login_opens_a_session(
    reach: Reach, login: FakeLogin, method: str
) -> None:
    caller = await reach(**BY_LOGIN)
    answer = await caller.request(method, CREATE, headers=signed_in(login))
    assert answer.status_code == 201
    assert "Set-Cookie" not in answer.headers


async def test_any_other_credential_opens_nothing(reach: Reach, kaltura: FakeKaltura) -> None:
    caller = await reach(**BY_LOGIN)
    for authorization in [
        "Bearer",
        "Bearer x",
        "Bearer a.b.c",
        "Basic YTpi",
        "Bearer " + "x" * 20_000,
        "token x",
    ]:
        refused = await caller.post(CREATE, headers={"Authorization": authorization})
        assert is_problem(refused, "unauthenticated", 401)
        assert refused.headers["WWW-Authenticate"] == "Bearer"
        assert kaltura.calls == []


@pytest.mark.parametrize(
    "claims", [{"exp": 1}, {"aud": "another-app"}, {"iss": "https://evil.test"}]
)
async def test_a_bad_token_of_the_login_opens_and_controls_nothing(
    reach: Reach, login: FakeLogin, kaltura: FakeKaltura, claims: dict[str, Any]
) -> None:
    caller = await reach(**BY_LOGIN)
    session = await opened_as(caller, signed_in(login))
    before = len(kaltura.calls)
    for target in (CREATE, path(session, "interrupt"), path(session, "resume")):
        refused = await caller.post(target, headers=signed_in(login, **claims))
        assert is_problem(refused, "unauthenticated", 401)
    forged = {"Authorization": f"Bearer {login.token(made_key('x'), header={'kid': 'first'})}"}
    assert is_problem(await caller.post(CREATE, headers=forged), "unauthenticated", 401)
    assert len(kaltura.calls) == before


@every_control
async def test_the_login_owns_the_session_as_a_cookie_would(
    reach: Reach, login: FakeLogin, kaltura: FakeKaltura, control: str
) -> None:
    caller = await reach(**BY_LOGIN)
    session = await opened_as(caller, signed_in(login))
    before = len(kaltura.calls)
    stranger = signed_in(login, sub="bob")
    refused = await caller.post(path(session, control), headers=stranger, **CONTROLS[control])
    assert is_problem(refused, "session-not-found", 404)
    assert len(kaltura.calls) == before
    renewed = signed_in(login, jti="a later token of hers")
    answer = await caller.post(path(session, control), headers=renewed, **CONTROLS[control])
    assert answer.json()["success"] is True


async def test_after_a_reload_the_login_finds_its_sessions_and_no_others(
    reach: Reach, login: FakeLogin
) -> None:
    caller = await reach(**BY_LOGIN)
    session = await opened_as(caller, signed_in(login))
    await opened_as(caller, signed_in(login, sub="bob"))
    listed = (await caller.get(SESSIONS, headers=signed_in(login))).json()["sessions"]
    assert [one["sessionId"] for one in listed] == [session["sessionId"]]
    assert (await caller.get(path(session), headers=signed_in(login))).json()["state"] == "live"
    for what in ("leave", "resume"):
        assert (await caller.post(path(session, what), headers=signed_in(login))).is_success
    resumed = await caller.post(path(session, "resume"), headers=signed_in(login))
    assert resumed.json() == session
    assert (await caller.get(path(session, "media"), headers=signed_in(login))).is_success


async def test_one_person_is_one_visitor_with_whatever_token(
    reach: Reach, login: FakeLogin, kaltura: FakeKaltura
) -> None:
    caller = await reach(**BY_LOGIN)
    click = {"Idempotency-Key": "click-1"}
    session = await opened_as(caller, signed_in(login) | click)
    assert await opened_as(caller, signed_in(login, jti="later") | click) == session
    again = await caller.post(CREATE, headers=signed_in(login, jti="later"))
    assert is_problem(again, "too-many-sessions", 429)
    assert kaltura.opened == 1


@pytest.mark.parametrize("scheme", ["KS", "Bearer"])
async def test_an_sdk_opens_with_the_logins_token_in_place_of_a_ks(
    reach: Reach, login: FakeLogin, kaltura: FakeKaltura, scheme: str
) -> None:
    caller = await reach(**BY_LOGIN)
    headers = {"Authorization": f"{scheme} {login.token()}"}
    created = await caller.post(f"{MIRROR}/create", json=WISH, headers=headers)
    assert created.status_code == 200
    assert login.token() not in str(kaltura.calls[0].request.headers)
    session = created.json()
    said = await caller.post(
        f"{MIRROR}/{session['sessionId']}/interrupt", headers=bearer(session), json={}
    )
    assert said.json()["success"] is True
    mine = (await caller.get(SESSIONS, headers=signed_in(login))).json()["sessions"]
    assert [one["sessionId"] for one in mine] == [session["sessionId"]]


async def test_an_sdk_with_a_ks_of_its_own_is_refused_as_kaltura_would(
    reach: Reach, kaltura: FakeKaltura
) -> None:
    caller = await reach(**BY_LOGIN)
    for ks in ("KS djJ8x", "KS a.b.c", "Bearer x"):
        refused = await caller.post(f"{MIRROR}/create", json=WISH, headers={"Authorization": ks})
        assert refused.status_code == 401
        assert refused.json() == {"success": False, "error": "Invalid or expired token"}
    assert kaltura.calls == []


async def test_while_the_logins_keys_cant_be_had_nobody_is_let_in_but_services(
    reach: Reach, login: FakeLogin, clock: FakeClock, kaltura: FakeKaltura
) -> None:
    caller = await reach(**BY_LOGIN, **SERVICES)
    login.always = httpx.ConnectError("refused")
    refused = await caller.post(CREATE, headers=signed_in(login))
    assert is_problem(refused, "sign-in-unavailable", 503)
    assert refused.headers["Retry-After"] == str(PAUSE_SECONDS)
    assert kaltura.calls == []
    await opened_as(caller, SHOP)
    login.always = None
    clock.advance(PAUSE_SECONDS)
    await opened_as(caller, signed_in(login))


async def test_in_direct_mode_kalturas_token_is_not_taken_for_the_logins(
    reach: Reach, login: FakeLogin
) -> None:
    caller = await reach(**BY_LOGIN, avatar_token_mode="direct")
    session = await opened_as(caller, signed_in(login))
    kalturas = {"Authorization": f"Bearer {KALTURA_TOKEN}"}
    assert (await caller.post(path(session, "interrupt"), headers=kalturas)).is_success
    assert (await caller.post(path(session, "end"), headers=signed_in(login))).is_success


async def test_a_page_of_another_origin_opens_with_the_logins_token(
    reach: Reach, login: FakeLogin
) -> None:
    origin = "https://app.example"
    caller = await reach(**BY_LOGIN, allowed_origins=origin)
    cross = {"Sec-Fetch-Site": "cross-site", "Origin": origin}
    answer = await caller.post(CREATE, headers=signed_in(login) | cross)
    assert answer.status_code == 201
    assert answer.headers["Access-Control-Allow-Origin"] == origin


async def test_a_login_means_nothing_where_visitors_are_anonymous(
    reach: Reach, login: FakeLogin
) -> None:
    caller = await reach()
    opened_by_cookie = await caller.post(CREATE, headers=signed_in(login) | ALICE)
    assert opened_by_cookie.status_code == 201
    assert "avatar_visitor" in caller.cookies
    caller.cookies.clear()
    listed = await caller.get(SESSIONS, headers=signed_in(login) | ALICE)
    assert listed.json() == {"sessions": []}
    assert login.asked == 0


# A proxy signs visitors in


async def test_whom_the_proxy_names_opens_a_session_and_owns_it(reach: Reach) -> None:
    caller = await reach(**BY_PROXY)
    session = await opened_as(caller, ALICE)
    assert is_problem(await caller.post(CREATE, headers=ALICE), "too-many-sessions", 429)
    for stranger in (BOB, {HEADER: "Alice"}, {HEADER: "alice@example.com"}):
        refused = await caller.post(path(session, "end"), headers=stranger)
        assert is_problem(refused, "session-not-found", 404)
    refused = await caller.post(path(session, "end"))
    assert is_problem(refused, "unauthenticated", 401)
    listed = (await caller.get(SESSIONS, headers=ALICE)).json()["sessions"]
    assert [one["sessionId"] for one in listed] == [session["sessionId"]]
    assert (await caller.post(path(session, "end"), headers=ALICE)).is_success


@pytest.mark.parametrize("forwarded", [{}, {"X-Forwarded-For": "203.0.113.9"}])
async def test_the_proxy_is_believed_whatever_address_it_passes_on(
    reach: Reach, forwarded: dict[str, str]
) -> None:
    await opened_as(await reach(**BY_PROXY), ALICE | forwarded)


async def test_nobody_else_is_believed_whatever_address_they_claim(
    reach: Reach, kaltura: FakeKaltura
) -> None:
    session = await opened_as(await reach(**BY_PROXY), ALICE)
    before = len(kaltura.calls)
    for peer in ["192.0.2.1", "10.0.1.7", "::1", "", "proxy"]:
        for forwarded in [{}, {"X-Forwarded-For": PROXY}]:
            imposter = await reach(peer)
            for target in (CREATE, path(session, "end")):
                refused = await imposter.post(target, headers=ALICE | forwarded)
                assert is_problem(refused, "unauthenticated", 401)
            assert len(kaltura.calls) == before


async def test_a_name_that_is_none_or_not_one_is_nobodys(
    reach: Reach, kaltura: FakeKaltura
) -> None:
    caller = await reach(**BY_PROXY)
    for values in [
        [],
        [b""],
        [b" "],
        [b"alice", b"bob"],
        [b"alice", b"alice"],
        [b"alice", b""],
        [b"a\tb"],
        [b"a\x00b"],
        [b"a\x7f"],
        [b"a\x85b"],
        [b"a\xc2\x85b"],
        [b"a\xe2\x80\xa8b"],
        [b"\xed\xa0\x80"],
        [b"\xc2\xa0"],
        [b"x" * 257],
        ["é".encode() * 257],
    ]:
        named = [(HEADER.encode(), value) for value in values]
        assert is_problem(await caller.post(CREATE, headers=named), "unauthenticated", 401)
        assert kaltura.calls == []


async def test_a_name_is_text_in_utf_8_or_latin_1(reach: Reach) -> None:
    caller = await reach(**BY_PROXY, operator_token=TOKEN)
    for value, name in [
        (b"x" * 256, "x" * 256),
        ("é".encode() * 256, "é" * 256),
        (b"CN=alice,O=Example;id=7|~!", "CN=alice,O=Example;id=7|~!"),
        (b"Alice Example", "Alice Example"),
        ("Jürgen Müller".encode(), "Jürgen Müller"),
        ("Jürgen Müller".encode("latin-1"), "Jürgen Müller"),
        ("李小龍 🦊".encode(), "李小龍 🦊"),
        (b"J%C3%BCrgen", "J%C3%BCrgen"),
        (b" \talice \t", "alice"),
    ]:
        named = [(HEADER.encode(), value)]
        session = (await caller.post(CREATE, headers=named)).json()
        assert (await caller.post(path(session, "end"), headers=named)).is_success
        found = await caller.get(
            "/operator/api/audit",
            params={"visitor": name, "event": "opened"},
            headers={"Authorization": f"Bearer {TOKEN}"},
        )
        assert found.json()["events"][0]["sessionId"] == session["sessionId"]


async def test_an_id_token_that_the_proxy_passes_on_as_well_changes_nothing(
    reach: Reach, login: FakeLogin
) -> None:
    caller = await reach(**BY_PROXY)
    session = await opened_as(caller, ALICE | signed_in(login))
    ended = await caller.post(path(session, "end"), headers=ALICE | signed_in(login))
    assert ended.is_success
    refused = await caller.post(CREATE, headers=signed_in(login))
    assert is_problem(refused, "unauthenticated", 401)


async def test_another_sites_page_may_not_use_the_sign_in_that_the_proxy_adds(
    reach: Reach, kaltura: FakeKaltura
) -> None:
    caller = await reach(**BY_PROXY)
    session = await opened_as(caller, ALICE)
    before = len(kaltura.calls)
    for more in [{}, {"Authorization": "Bearer x"}, {"Authorization": "KS x"}]:
        cross = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
        for target in (CREATE, path(session, "end")):
            refused = await caller.post(target, headers=ALICE | more | cross)
            assert is_problem(refused, "cross-site-request", 403)
        refused = await caller.post(f"{MIRROR}/create", json=WISH, headers=BOB | more | cross)
        assert refused.status_code == 403
        get = await caller.get(CREATE, headers=BOB | cross | {"Sec-Fetch-Mode": "cors"})
        assert is_problem(get, "cross-site-request", 403)
        assert len(kaltura.calls) == before


@pytest.mark.process
@pytest.mark.parametrize(
    ("proxies", "problem"), [("127.0.0.1", "kaltura-error"), ("10.0.0.7", "unauthenticated")]
)
def test_a_real_server_asks_the_real_connection(tmp_path: Path, proxies: str, problem: str) -> None:
    """Kaltura is not there: whoever is let in learns that, whoever is not does not."""
    with running(
        "serve",
        tmp_path,
        ready="/healthz",
        AVATAR_KS="any",
        AVATAR_ID="ada",
        AVATAR_BASE_URL=f"http://127.0.0.1:{free_port()}",
        AUTH_MODE="header",
        AUTH_HEADER=HEADER,
        TRUSTED_PROXIES=proxies,
    ) as broker:
        for forwarded in ({}, {"X-Forwarded-For": "10.0.0.7"}, {"X-Forwarded-For": "192.0.2.1"}):
            answer = httpx.post(f"{broker.url}{CREATE}", headers=ALICE | forwarded)
            assert answer.json()["type"] == f"/problems/{problem}"


@pytest.mark.parametrize(("peer", "scheme"), [(PROXY, "https"), ("192.0.2.1", "http")])
async def test_only_a_trusted_proxy_says_that_visitors_come_over_https(
    reach: Reach, peer: str, scheme: str
) -> None:
    caller = await reach(peer, trusted_proxies="10.0.0.0/24")
    answer = await caller.post(CREATE, headers={"X-Forwarded-Proto": "https"})
    assert answer.json()["baseUrl"] == f"{scheme}://broker.test{MIRROR}"


async def test_anonymous_visitors_are_as_they_were(reach: Reach) -> None:
    caller = await reach(trusted_proxies="10.0.0.0/24")
    session = await opened(caller)
    assert "avatar_visitor" in caller.cookies
    assert (await caller.post(path(session, "end"), headers=ALICE)).is_success
