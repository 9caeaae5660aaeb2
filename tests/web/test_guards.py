"""What is refused, bounded and stamped around every route."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from asgi_lifespan import LifespanManager

from app.main import Transports, create_app
from tests.support.doubles import FakeKaltura, settings
from tests.support.visitor_api import CREATE, Visit, bearer, is_problem, opened, path

PARTNER = "https://www.example.com"


class TestCrossSite:
    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"Sec-Fetch-Site": "same-origin", "Origin": "http://broker.test"},
            {"Sec-Fetch-Site": "none"},
            {"Origin": "http://broker.test"},
        ],
    )
    async def test_own_pages_and_servers_may_call(
        self, visitor: httpx.AsyncClient, headers: dict[str, str]
    ) -> None:
        assert (await visitor.post(CREATE, headers=headers)).status_code == 201

    async def test_other_pages_may_not_open_or_control_anything(
        self, visitor: httpx.AsyncClient, kaltura: FakeKaltura
    ) -> None:
        session = await opened(visitor)
        before = len(kaltura.calls)
        for headers in [
            {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
            {"Sec-Fetch-Site": "same-site", "Origin": "http://other.test"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "cross-site", "Origin": "http://broker.test"},
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Origin": "http://["},
            {"Origin": ""},
            {"Origin": "http://broker.test.evil.example"},
            {"Origin": "http://broker.test:81"},
            {"Origin": "http://evil-broker.test"},
        ]:
            for target in (CREATE, path(session, "end"), path(session, "interrupt")):
                refused = await visitor.post(target, headers=headers)
                assert is_problem(refused, "cross-site-request", 403)
            assert len(kaltura.calls) == before

    async def test_a_page_that_holds_the_token_may_call_without_a_cookie(
        self, visitor: httpx.AsyncClient
    ) -> None:
        session = await opened(visitor)
        cross_site = bearer(session) | {"Sec-Fetch-Site": "cross-site", "Origin": PARTNER}
        refused = await visitor.post(path(session, "interrupt"), headers=cross_site)
        assert is_problem(refused, "cross-site-request", 403), "a cookie came along"
        visitor.cookies.clear()
        answer = await visitor.post(path(session, "interrupt"), headers=cross_site)
        assert answer.status_code == 200

    async def test_an_allowed_origin_may_open_and_read(self, visit: Visit) -> None:
        visitor = await visit(allowed_origins=PARTNER)
        headers = {"Sec-Fetch-Site": "cross-site", "Origin": PARTNER}
        answer = await visitor.post(CREATE, headers=headers)
        assert answer.status_code == 201
        assert answer.headers["Access-Control-Allow-Origin"] == PARTNER
        assert "Access-Control-Allow-Credentials" not in answer.headers
        assert "Origin" in answer.headers["Vary"]

    async def test_an_allowed_origin_has_no_use_of_a_cookie(self, visit: Visit) -> None:
        visitor = await visit(allowed_origins=PARTNER, max_sessions_per_visitor=9)
        session = await opened(visitor)
        mine = dict(visitor.cookies)
        guest = {"Sec-Fetch-Site": "same-site", "Origin": PARTNER}
        refused = await visitor.post(path(session, "end"), headers=guest)
        assert is_problem(refused, "unauthenticated", 401)
        answer = await visitor.post(CREATE, headers=guest)
        assert answer.status_code == 201
        assert "Set-Cookie" not in answer.headers
        assert dict(visitor.cookies) == mine
        own = {"Sec-Fetch-Site": "same-origin", "Origin": "http://broker.test"}
        assert (await visitor.post(path(session, "end"), headers=own)).status_code == 200

    async def test_an_allowed_origin_may_send_what_streams_and_tracing_send(
        self, visit: Visit
    ) -> None:
        visitor = await visit(allowed_origins=PARTNER)
        asked = {"Origin": PARTNER, "Access-Control-Request-Method": "GET"}
        url = "/api/avatar-sessions/session-1/events"
        for names in [
            "authorization,content-type,idempotency-key,x-request-id",
            "cache-control,last-event-id,x-requested-with",
            "baggage,traceparent,tracestate",
            "b3,sentry-trace",
        ]:
            headers = asked | {"Access-Control-Request-Headers": names}
            assert (await visitor.options(url, headers=headers)).status_code == 200
            headers = asked | {"Access-Control-Request-Headers": f"{names},x-anything"}
            assert (await visitor.options(url, headers=headers)).status_code == 400

    async def test_who_asks_is_what_answers_vary_by(self, visit: Visit) -> None:
        visitor = await visit(allowed_origins=PARTNER)
        for headers in ({}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": PARTNER}):
            for method in ("GET", "POST"):
                answer = await visitor.request(method, CREATE, headers=headers)
                vary = {name.strip() for name in answer.headers["Vary"].split(",")}
                assert vary >= {"Origin", "Sec-Fetch-Site"}

    async def test_other_origins_get_no_cors(self, visit: Visit) -> None:
        visitor = await visit(allowed_origins=PARTNER)
        for origin in ["https://evil.example", "null", f"{PARTNER}.evil.example"]:
            asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
            assert (await visitor.options(CREATE, headers=asked)).status_code == 400
            answer = await visitor.post(CREATE, headers={"Origin": origin})
            assert "Access-Control-Allow-Origin" not in answer.headers
            assert answer.status_code == 403

    async def test_a_preflight_of_an_allowed_origin_passes(self, visit: Visit) -> None:
        visitor = await visit(allowed_origins=PARTNER)
        answer = await visitor.options(
            f"{path({'sessionId': 's'}, 'speak')}",
            headers={
                "Origin": PARTNER,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization,content-type",
            },
        )
        assert answer.status_code == 200
        assert answer.headers["Access-Control-Allow-Origin"] == PARTNER


async def test_a_body_that_does_not_say_its_length_is_bounded_too(
    visitor: httpx.AsyncClient, kaltura: FakeKaltura
) -> None:
    session = await opened(visitor)
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while read < 10_000_000:
            read += 1000
            yield b" " * 1000

    headers = {"Content-Type": "application/json"}
    answer = await visitor.post(path(session, "speak"), content=endless(), headers=headers)
    assert is_problem(answer, "invalid-request", 413)
    assert read < 100_000


async def test_half_a_request_is_no_request(kaltura: FakeKaltura) -> None:
    app = create_app(settings(), transports=Transports(kaltura=kaltura))
    messages: Iterator[dict[str, Any]] = iter(
        [
            {"type": "http.request", "body": b"{", "more_body": True},
            {"type": "http.disconnect"},
        ]
    )
    scope = {
        "type": "http",
        "method": "POST",
        "path": CREATE,
        "headers": [(b"content-type", b"application/json"), (b"content-length", b"20")],
        "query_string": b"",
    }
    answers = []

    async def receive() -> dict[str, Any]:
        return next(messages)

    async def send(message: dict[str, Any]) -> None:
        answers.append(message)

    async with LifespanManager(app) as manager:
        await manager.app(scope, receive, send)  # type: ignore[arg-type] # a scope made by hand
    assert (answers, kaltura.calls) == ([], [])


async def test_a_visitor_who_hangs_up_while_create_is_under_way_leaves_nothing_behind(
    kaltura: FakeKaltura,
) -> None:
    app = create_app(settings(), transports=Transports(kaltura=kaltura))
    messages: Iterator[dict[str, Any]] = iter(
        [{"type": "http.request", "body": b""}, {"type": "http.disconnect"}]
    )
    scope = {"type": "http", "method": "POST", "path": CREATE, "headers": [], "query_string": b""}

    async def receive() -> dict[str, Any]:
        return next(messages)

    async def send(message: dict[str, Any]) -> None:
        pass

    async with LifespanManager(app) as manager:
        await manager.app(scope, receive, send)  # type: ignore[arg-type] # a scope made by hand
        async with asyncio.timeout(5):
            while "end" not in kaltura.operations():  # noqa: ASYNC110 - it runs in the background
                await asyncio.sleep(0.01)
        assert kaltura.operations() == ["create", "init-client", "end"]


async def test_a_request_that_the_shutdown_cuts_off_is_told_so(
    visit: Visit, kaltura: FakeKaltura
) -> None:
    visitor = await visit()
    kaltura.will("create", asyncio.CancelledError())
    answer = await visitor.post(CREATE)
    assert answer.status_code == 503
    assert answer.headers["Content-Type"] == "application/problem+json"


class TestRequestId:
    async def test_a_sane_one_is_kept(self, visitor: httpx.AsyncClient) -> None:
        answer = await visitor.get("/healthz", headers={"X-Request-ID": "trace-7.a_b"})
        assert answer.headers["X-Request-ID"] == "trace-7.a_b"

    async def test_any_other_is_replaced(self, visitor: httpx.AsyncClient) -> None:
        for given in ["", "a b", "a" * 65, "a;b", "<x>"]:
            made = (await visitor.get("/healthz", headers={"X-Request-ID": given})).headers[
                "X-Request-ID"
            ]
            assert made != given
            assert made.isalnum()

    async def test_every_answer_has_one_and_the_armour(self, visitor: httpx.AsyncClient) -> None:
        for target in ["/", "/nothing", "/static/style.css", "/docs"]:
            answer = await visitor.get(target)
            assert answer.headers["X-Request-ID"]
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
            assert "Server" not in answer.headers


async def test_a_bug_is_a_problem_without_a_trace_of_it(
    visitor: httpx.AsyncClient, kaltura: FakeKaltura
) -> None:
    kaltura.will("create", RuntimeError("canary-of-a-bug"))
    answer = await visitor.post(CREATE)
    assert answer.status_code == 500
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["requestId"] == answer.headers["X-Request-ID"]
    assert "canary" not in answer.text
    assert (await visitor.post(CREATE)).status_code == 201, "its place was freed"


async def test_what_does_not_exist_is_a_problem_too(visitor: httpx.AsyncClient) -> None:
    for method, target, status in [
        ("GET", "/nothing", 404),
        ("DELETE", "/healthz", 405),
        ("GET", "/problems/nothing", 404),
        ("POST", f"{CREATE}/", 404),
        ("GET", "/docs/", 404),
    ]:
        answer = await visitor.request(method, target)
        assert answer.status_code == status
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["type"] == "about:blank"


async def test_the_process_is_healthy_before_anything_was_opened(
    visitor: httpx.AsyncClient,
) -> None:
    assert (await visitor.get("/healthz")).json() == {"status": "ok"}
    assert (await visitor.get("/readyz")).json()["ready"] is True


async def test_readiness_names_what_is_wrong(
    visitor: httpx.AsyncClient, kaltura: FakeKaltura
) -> None:
    kaltura.will("create", httpx.Response(401))
    await visitor.post(CREATE)
    answer = await visitor.get("/readyz")
    assert answer.status_code == 503
    assert "AVATAR_KS" in answer.json()["wrong"][0]


async def test_readiness_says_what_direct_mode_gives_up(visit: Visit) -> None:
    visitor = await visit(avatar_token_mode="direct")
    assert "Kaltura's own JWT" in (await visitor.get("/readyz")).json()["warnings"][0]
