"""Nobody gets in: whatever is no good token of this session is refused, and alike."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote, unquote

import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from app.kaltura.contract import MIRROR_PATH, Operation
from app.sessions.clock import SessionClock
from app.sessions.keyring import keyring_of
from app.sessions.tokens import Claims, SessionTokens
from tests.support.doubles import KALTURA_TOKEN, KS, FakeClock, FakeKaltura
from tests.support.doubles import settings as default_settings
from tests.support.forgery import SIGNING, parts_of, signed, written
from tests.support.mirror_api import BODIES
from tests.support.operators import TOKEN, signed_in
from tests.support.visitor_api import CONTROLS, CREATE, Visit, bearer, opened, path

CALLS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "state": ("GET", "/api/avatar-sessions/{id}", {}),
    "media": ("GET", "/api/avatar-sessions/{id}/media", {}),
    **{
        action: ("POST", f"/api/avatar-sessions/{{id}}/{action}", {})
        for action in ("leave", "resume")
    },
    **{
        control: ("POST", f"/api/avatar-sessions/{{id}}/{control}", content)
        for control, content in CONTROLS.items()
    },
    **{
        f"mirror {operation}": ("POST", f"{MIRROR_PATH}/{{id}}/{operation}", content)
        for operation, content in BODIES.items()
    },
}
"""Every operation that takes a session's token."""

Forge = Callable[[str], list[str]]
"""The `Authorization` headers that someone makes who has seen a good token."""


def unsigned(algorithm: str, signature: str | None = None) -> Forge:
    """The token with another algorithm in its head, under the signature that it had."""

    def forge(token: str) -> list[str]:
        _, claims, old = parts_of(token)
        kept = old if signature is None else signature
        return [f"Bearer {written({'alg': algorithm})}.{written(claims)}.{kept}"]

    return forge


def altered(token: str) -> str:
    """Another session's id under this one's signature."""
    head, _, signature = token.split(".")
    _, claims, _ = parts_of(token)
    return f"{head}.{written(claims | {'sid': 'session-2'})}.{signature}"


FORGED: dict[str, Forge] = {
    "nothing": lambda _: ["Bearer"],
    "a space": lambda _: ["Bearer  "],
    "empty parts": lambda _: ["Bearer .."],
    "a word": lambda _: ["Bearer x"],
    "the KS": lambda _: [f"Bearer {KS}"],
    "Kaltura's token": lambda _: [f"Bearer {KALTURA_TOKEN}"],
    "the session's id": lambda _: ["Bearer session-1"],
    "an altered token": lambda token: [f"Bearer {altered(token)}"],
    "half a token": lambda token: [f"Bearer {token[: len(token) // 2]}"],
    "all but the last": lambda token: [f"Bearer {token[:-1]}"],
    "no signature": lambda token: [f"Bearer {token.rpartition('.')[0]}."],
    "a part more": lambda token: [f"Bearer {token}.{token}"],
    "a token with a tail": lambda token: [f"Bearer {token} x"],
    "two in one": lambda token: [f"Bearer {token}, Bearer {token}"],
    **{f"alg {name}": unsigned(name) for name in ("none", "None", "HS512", "RS256", "")},
    "no signature is wanted": unsigned("none", ""),
    "another key": lambda token: [f"Bearer {signed(token, b'k' * 32)}"],
    "the key that is not derived": lambda token: [
        f"Bearer {signed(token, b'a-signing-key-for-tests-of-32-characters')}"
    ],
    "a key for something else": lambda token: [
        f"Bearer {signed(token, keyring_of(default_settings()).logs()[0])}"
    ],
    "another algorithm": lambda token: [f"Bearer {signed(token, algorithm='HS384')}"],
    "expired": lambda token: [f"Bearer {signed(token, exp=1_700_000_000)}"],
    "no end": lambda token: [f"Bearer {signed(token, exp=None)}"],
    "a visitor that is a number": lambda token: [f"Bearer {signed(token, sub=7)}"],
    "no session": lambda token: [f"Bearer {signed(token, sid=None)}"],
    "a list of sessions": lambda token: [f"Bearer {signed(token, sid=['session-1'])}"],
    "huge": lambda token: [f"Bearer {'a' * 30_000}.{token}"],
    "deep": lambda _: [f"Bearer {urlsafe_b64encode(b'[' * 9_000).decode()}.e30.x"],
    "no ASCII": lambda token: [f"Bearer {token[:-1]}ü"],
    "another script's digits": lambda _: ["Bearer \xb9\xb2\xb3"],
    "the good one and another": lambda token: [f"Bearer {token}", "Bearer x"],
    "another and the good one": lambda token: ["Bearer x", f"Bearer {token}"],
    "the good one twice": lambda token: [f"Bearer {token}", f"Bearer {token}"],
}


def _sent(values: list[str], **content: Any) -> dict[str, Any]:
    """The request's arguments, with these `Authorization` headers."""
    raw = [(b"authorization", value.encode("latin-1")) for value in values]
    return {"headers": raw, **content}


def _in_own_header(values: list[str], **content: Any) -> dict[str, Any]:
    """The same, with what is forged in the broker's own header."""
    tokens = [value.removeprefix("Bearer").removeprefix(" ") for value in values]
    raw = [(b"avatar-token", token.encode("latin-1")) for token in tokens]
    return {"headers": raw, **content}


def _shown(answer: httpx.Response) -> tuple[int, Any, Any]:
    """What tells one refusal from another."""
    body = answer.json()
    body.pop("requestId", None)
    headers = {
        name: value
        for name, value in answer.headers.items()
        if name not in {"x-request-id", "content-length"}
    }
    return answer.status_code, body, headers


@pytest.mark.parametrize("name", CALLS)
async def test_no_forged_token_opens_anything_and_all_are_refused_alike(
    visitor: httpx.AsyncClient, kaltura: FakeKaltura, name: str
) -> None:
    session = await opened(visitor)  # the visitor's own: not even their cookie helps
    method, template, content = CALLS[name]
    target = template.format(id=session["sessionId"])
    before = len(kaltura.calls)
    refusals = []
    # Each in one of the headers here, and in the other one at the next call.
    for number, forge in enumerate(FORGED.values(), list(CALLS).index(name)):
        sent = (_sent, _in_own_header)[number % 2]
        values = forge(session["token"])
        refused = await visitor.request(method, target, **sent(values, **content))
        refusals.append(_shown(refused))
    assert refusals == refusals[:1] * len(FORGED)
    assert refusals[0][0] == 401
    assert len(kaltura.calls) == before
    allowed = await visitor.request(method, target, headers=bearer(session), **content)
    assert allowed.is_success


@pytest.mark.parametrize("name", CALLS)
async def test_a_good_token_of_anything_else_gets_the_404_of_what_does_not_exist(
    visit: Visit, kaltura: FakeKaltura, name: str
) -> None:
    theirs = await opened(await visit(max_sessions_per_visitor=2))
    visitor = await visit()
    session, other = await opened(visitor), await opened(visitor)
    good = session["token"]
    method, template, content = CALLS[name]
    target = template.format(id=session["sessionId"])
    nowhere = template.format(id="session-9")
    before = len(kaltura.calls)
    refusals = []
    for token, where in (
        (good, nowhere),
        (other["token"], target),
        (theirs["token"], target),
        (signed(good, sub="somebody else"), target),
        (signed(good, sid="session-9"), target),
        (signed(good, sid=f"../{session['sessionId']}"), target),
    ):
        answer = await visitor.request(method, where, **_sent([f"Bearer {token}"], **content))
        refusals.append(_shown(answer))
    assert refusals == refusals[:1] * len(refusals)
    assert refusals[0][0] == 404
    assert len(kaltura.calls) == before


async def test_no_forged_token_opens_a_session(
    visitor: httpx.AsyncClient, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    tokens = SessionTokens([SIGNING], SessionClock(clock, clock))
    end = clock.now + 60
    token = tokens.sign(Claims("me", "session-1"), issued_at=clock.now, expires_at=end)
    for forge in FORGED.values():
        for method in ("GET", "POST"):
            refused = await visitor.request(method, CREATE, **_sent(forge(token)))
            assert refused.status_code == 401
        assert kaltura.calls == []


# Nor does a link: the cookies come along with it


READS: Final = [
    *("/metrics", "/operator/api/audit", "/operator/api/audit.csv", "/operator/api/audit.jsonl"),
    *("/operator/api/audit/events", "/operator/api/events", "/operator/api/health"),
    *("/operator/api/sessions", "/operator/api/usage"),
]


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("mode", ["navigate", "no-cors", "cors"])
async def test_no_page_of_another_site_reads_or_does_anything_with_the_cookies_that_come_along(
    visit: Visit, kaltura: FakeKaltura, site: str, mode: str
) -> None:
    visitor = await visit(operator_token=TOKEN, max_sessions_per_visitor=9)
    session = await opened(visitor)
    await signed_in(visitor)
    before = len(kaltura.calls)
    told = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode}
    calls = [("GET", CREATE), ("POST", CREATE), ("POST", f"{MIRROR_PATH}/create")]
    calls += [("GET", read) for read in READS]
    calls += [("POST", path(session, what)) for what in ("end", "leave", "resume", "speak")]
    calls += [("POST", f"/operator/api/{what}") for what in ("sign-out", "sign-in")]
    calls += [("POST", f"/operator/api/sessions/{session['sessionId']}/end")]
    for method, target in calls:
        refused = await visitor.request(method, target, headers=told)
        assert refused.status_code == 403, target
        assert "Set-Cookie" not in refused.headers
    assert len(kaltura.calls) == before
    own = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate"}
    assert (await visitor.get("/operator/api/audit.csv", headers=own)).is_success


# Whatever comes, the mirror is no way to anything else of Kaltura's

IDS: Final = ["OWN", "OTHER", "SESSION-1", "session-999999"]
ODD: Final = (
    *("..", ".", "", "%2e%2e", "..%2f", "%2f", "%5c..", "..;", "OWN;x", "OWN?x"),
    *("OWN%2fend", "..%2fcatalog-item", "%00", "%0d%0aX-A:%20b", "%ff", "*", "@", "//"),
    *("https:%2f%2fevil.example", "#", "x" * 300, "viewer", "say", "end.", "create%20"),
)
segments = st.sampled_from([*IDS, *Operation, *ODD]) | st.text(max_size=8).map(
    lambda text: quote(text.encode("utf-8", "replace"), safe="")
)
good_paths = st.builds("{}/{}".format, st.sampled_from(IDS[:2]), st.sampled_from(list(Operation)))
near_misses = st.builds("{}/{}".format, st.sampled_from(IDS), segments)
paths = st.lists(segments, max_size=4).map("/".join) | near_misses | good_paths
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["text", "turnId", "isFinal", "visualConfig", "id", "sessionId", "token"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
bodies = (
    st.binary(max_size=60)
    | json_values.map(json.dumps).map(str.encode)
    | st.sampled_from([b'{"text": "Hi"}', b'{"visualConfig": {"id": "avatar-1"}}', b"{}"])
)
header_values = st.binary(max_size=30).filter(lambda value: not {0, 10, 13} & set(value))
headers = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *(b"content-type", b"content-length", b"host", b"cookie", b"origin", b"accept"),
                *(b"x-original-url", b"x-forwarded-host", b"x-http-method-override", b"expect"),
                *(b"transfer-encoding", b"content-encoding", b"x-request-id", b"upgrade", b"te"),
                *(b"sec-fetch-site", b"idempotency-key", b"x-forwarded-for", b"forwarded"),
            ]
        ),
        header_values,
    ),
    max_size=3,
)


class Bare:
    """Two sessions of a visitor, and calls as no HTTP library would send them."""

    def __init__(self, visitor: httpx.AsyncClient, kaltura: FakeKaltura) -> None:
        self._visitor = visitor
        self._kaltura = kaltura
        self.sessions: list[dict[str, Any]] = []

    async def renew(self) -> None:
        """Open anew what an earlier example has ended."""
        if self.sessions and self._kaltura.calls[-1].operation != Operation.END:
            return
        for session in self.sessions:
            await self._visitor.post(f"/api/avatar-sessions/{session['sessionId']}/end")
        self.sessions = [await opened(self._visitor) for _ in range(2)]

    async def call(
        self, method: str, target: str, headers: list[tuple[bytes, bytes]], body: bytes
    ) -> tuple[int, bytes]:
        transport = self._visitor._transport
        assert isinstance(transport, httpx.ASGITransport)
        raw, _, query = target.partition("?")
        sent: list[Any] = []
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(raw),
            "raw_path": raw.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": headers,
            "client": ("127.0.0.1", 50_000),
            "server": ("broker.test", 80),
        }

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await transport.app(scope, receive, send)
        return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


@pytest.fixture
async def bare(visit: Visit, kaltura: FakeKaltura) -> Bare:
    limits = {"max_sessions_per_visitor": 10_000, "max_concurrent_sessions": 10_000}
    return Bare(await visit(**limits), kaltura)


@hypothesis_settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    method=st.sampled_from(["POST", "POST", "POST", "GET", "PUT", "DELETE", "OPTIONS", "TRACE"]),
    path=paths,
    others=headers,
    content_type=st.sampled_from(
        [b"application/json", b"multipart/form-data; boundary=x", b"\xff"]
    ),
    body=bodies,
    who=st.sampled_from(["own", "own", "other", "nobody", "noise"]),
    noise=header_values,
)
async def test_nothing_but_the_seven_operations_of_our_own_sessions_reaches_kaltura(
    bare: Bare,
    kaltura: FakeKaltura,
    method: str,
    path: str,
    others: list[tuple[bytes, bytes]],
    content_type: bytes,
    body: bytes,
    who: str,
    noise: bytes,
) -> None:
    await bare.renew()
    own, other = bare.sessions
    tokens = {"own": own["token"], "other": other["token"]}
    path = path.replace("OWN", own["sessionId"]).replace("OTHER", other["sessionId"])
    sent = [(b"host", b"broker.test"), (b"content-type", content_type), *others]
    if who in tokens:
        sent.append((b"authorization", f"Bearer {tokens[who]}".encode()))
    elif who == "noise":
        sent.append((b"authorization", b"Bearer " + noise))
    asked = unquote(path.partition("?")[0])
    before = len(kaltura.calls)
    status, answer = await bare.call(method, f"{MIRROR_PATH}/{path}", sent, body)
    assert status < 500
    if status >= 400 and answer:
        assert json.loads(answer)["success"] is False
    for call in kaltura.calls[before:]:
        assert call.request.method == method == "POST"
        start, _, rest = str(call.request.url).partition(f"{MIRROR_PATH}/")
        assert start == "https://api.avatar.us.kaltura.ai"
        if rest in {"create", f"session-{kaltura.opened}/init-client"}:
            assert asked == "create"
            continue
        session_id, operation = rest.split("/")
        assert session_id == {"own": own, "other": other}[who]["sessionId"]
        assert operation in set(Operation)
        assert rest == asked, "as another operation, or of another session"
