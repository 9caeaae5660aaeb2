"""Invariant 1: the KS, what makes one and, sealed, Kaltura's JWT are in nothing that leaves."""

import asyncio
import contextlib
import io
import json
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
import structlog
from asgi_lifespan import LifespanManager

from app.kaltura.credentials import PAUSE_SECONDS, RENEWED_AFTER
from app.kaltura.minting import LIFETIME_SECONDS
from app.logs import configure_logging
from app.main import create_app
from tests.doubles import (
    ADMIN_SECRET,
    APP_TOKEN,
    BY_ADMIN_SECRET,
    BY_APP_TOKEN,
    KALTURA_TOKEN,
    KS,
    MINTED_KS,
    WIDGET_KS,
    FakeClock,
    FakeKaltura,
    exception,
    refusal,
    settings,
)
from tests.web.test_api import CONTROLS, CREATE, UPSTREAM, path

KEY = "canary-secret-key-of-32-characters"
CANARIES = (
    *(KS, KALTURA_TOKEN, KEY, "canary-upstream-text"),
    *(ADMIN_SECRET, APP_TOKEN, MINTED_KS, WIDGET_KS),
)
FAULTS: list[Any] = [
    *(refusal(status) for status in (200, 302, 400, 401, 403, 404, 410, 418, 429, 500, 502, 503)),
    httpx.Response(200, text=f"<html>canary-upstream-text {KALTURA_TOKEN}"),
    httpx.Response(200, json={"success": True, "token": KALTURA_TOKEN, "sessionId": 7}),
    httpx.Response(200, json=[KALTURA_TOKEN]),
    httpx.Response(200, content=b"\xff" * 70_000),
    httpx.Response(200, json={"objectType": "KalturaAPIException", "message": KS, "code": KS}),
    httpx.Response(200, headers={"Location": KS, "X-Echo": KALTURA_TOKEN}, text=""),
    httpx.ReadError(f"canary-upstream-text {KALTURA_TOKEN}"),
    httpx.ConnectError(f"canary-upstream-text {KS}"),
    TimeoutError(f"canary-upstream-text {KS}"),
]


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What a service would log."""
    root = logging.getLogger()
    before, level = root.handlers, root.level
    stream = io.StringIO()
    configure_logging(stream)
    yield stream
    structlog.reset_defaults()
    root.handlers = before
    root.setLevel(level)


class Told:
    """A visitor of a broker, and all that the broker told them."""

    def __init__(self, visitor: httpx.AsyncClient) -> None:
        self._visitor = visitor
        self.all = ""

    async def call(self, method: str, target: str, **content: Any) -> httpx.Response:
        answer = await self._visitor.request(method, target, **content)
        self.all += f"{answer.headers.raw!r} {answer.text}"
        assert answer.status_code != 500, answer.text
        return answer


@contextlib.asynccontextmanager
async def told_by_a_broker(
    kaltura: FakeKaltura, clock: FakeClock, **changes: Any
) -> AsyncIterator[Told]:
    limits = {"max_sessions_per_visitor": 1000, "max_concurrent_sessions": 1000}
    app = create_app(settings(secret_key=KEY, **limits, **changes), transport=kaltura, clock=clock)
    async with (
        LifespanManager(app) as manager,
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app=manager.app, raise_app_exceptions=False),
            base_url="http://broker.test",
        ) as visitor,
    ):
        yield Told(visitor)


def assert_no_canary(told: Told, log: io.StringIO) -> None:
    for canary in CANARIES:
        assert canary not in told.all
        assert canary not in log.getvalue()


async def test_no_operation_and_no_fault_tells_a_secret(
    kaltura: FakeKaltura, clock: FakeClock, log: io.StringIO
) -> None:
    async with told_by_a_broker(kaltura, clock) as told:
        for target in ("/", "/docs", "/openapi.json", "/readyz", "/problems/kaltura-error"):
            await told.call("GET", target)
        for fault in FAULTS:
            kaltura.will("create", _fresh(fault))
            await told.call("POST", CREATE)
            kaltura.will("init-client", _fresh(fault))
            await told.call("POST", CREATE)
            for control, content in CONTROLS.items():
                session = (await told.call("POST", CREATE)).json()
                kaltura.will(UPSTREAM.get(control, control), _fresh(fault))
                await told.call("POST", path(session, control), **content)
                await told.call("GET", path(session))
                await told.call("POST", path(session, "end"))
    assert '"operation": "say-text"' in log.getvalue()
    assert_no_canary(told, log)


@pytest.mark.parametrize(
    ("makes_ks", "calls"),
    [(BY_ADMIN_SECRET, ["start"]), (BY_APP_TOKEN, ["startWidgetSession", "startSession"])],
)
async def test_no_ks_that_is_made_and_no_failure_to_make_one_tells_a_secret(
    kaltura: FakeKaltura,
    clock: FakeClock,
    log: io.StringIO,
    makes_ks: dict[str, Any],
    calls: list[str],
) -> None:
    faults = [
        *FAULTS,
        exception("START_SESSION_ERROR"),
        exception(f"CODE_{MINTED_KS}"),
        exception("INTERNAL_SERVERL_ERROR"),
        httpx.Response(200, json={"ks": f"{MINTED_KS} broken", "expiry": MINTED_KS}),
        httpx.Response(200, json=f"{MINTED_KS} broken"),
        httpx.Response(200, text=f'"{MINTED_KS}'),
        *(httpx.ReadError(secret) for secret in (ADMIN_SECRET, APP_TOKEN, MINTED_KS, WIDGET_KS)),
    ]
    async with told_by_a_broker(kaltura, clock, **makes_ks) as told:

        async def open_and_end() -> None:
            await told.call("POST", path((await told.call("POST", CREATE)).json(), "end"))

        async def open_and_renew(outcome: str) -> None:
            """Open a session, and wait for the renewal that this begins in the background."""
            before = log.getvalue().count(outcome)
            await open_and_end()
            while log.getvalue().count(outcome) == before:  # noqa: ASYNC110 - only the log tells
                await asyncio.sleep(0)

        for fault in faults:
            for call in calls:
                # The KS that is kept is refused, and the next one can't be made, and then can.
                kaltura.will("create", refusal(401))
                kaltura.will(call, _fresh(fault))
                await told.call("POST", CREATE)
                await told.call("GET", "/readyz")
                clock.advance(PAUSE_SECONDS)
                await open_and_end()
                # Likewise when it is renewed in the background.
                clock.advance(RENEWED_AFTER * LIFETIME_SECONDS)
                kaltura.will(call, _fresh(fault))
                await open_and_renew("no ks was made")
                clock.advance(PAUSE_SECONDS)
                await open_and_renew("a ks was made")
    assert not any(kaltura.script.values())
    assert "a ks was made" in log.getvalue()
    assert log.getvalue().count("no ks was made") == 2 * len(faults) * len(calls)
    assert_no_canary(told, log)


def _fresh(fault: Any) -> Any:
    if isinstance(fault, Exception):
        return fault
    return httpx.Response(fault.status_code, headers=fault.headers, content=fault.content)


def test_a_log_line_is_one_line_whatever_is_in_it(log: io.StringIO) -> None:
    structlog.get_logger("test").info("a line\nthat breaks", text="\x1b[31mred")
    [line] = log.getvalue().splitlines()
    assert json.loads(line)["event"] == "a line\nthat breaks"
