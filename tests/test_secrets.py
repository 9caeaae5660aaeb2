"""Invariant 1: the KS and, sealed, Kaltura's JWT are in nothing that leaves the process."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import structlog
from asgi_lifespan import LifespanManager

from app.logs import configure_logging
from app.main import create_app
from tests.doubles import KALTURA_TOKEN, KS, FakeClock, FakeKaltura, refusal, settings
from tests.web.test_api import CONTROLS, CREATE, UPSTREAM, path

KEY = "canary-secret-key-of-32-characters"
CANARIES = (KS, KALTURA_TOKEN, KEY, "canary-upstream-text")
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


async def test_no_operation_and_no_fault_tells_a_secret(
    kaltura: FakeKaltura, clock: FakeClock, log: io.StringIO
) -> None:
    told: list[str] = []
    app = create_app(
        settings(secret_key=KEY, max_sessions_per_visitor=100, max_concurrent_sessions=100),
        transport=kaltura,
        clock=clock,
    )
    async with (
        LifespanManager(app) as manager,
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app=manager.app, raise_app_exceptions=False),
            base_url="http://broker.test",
        ) as visitor,
    ):

        async def call(method: str, target: str, **content: Any) -> httpx.Response:
            answer = await visitor.request(method, target, **content)
            told.append(f"{answer.headers.raw!r} {answer.text}")
            assert answer.status_code != 500, answer.text
            return answer

        for target in ("/", "/docs", "/openapi.json", "/readyz", "/problems/kaltura-error"):
            await call("GET", target)
        for fault in FAULTS:
            kaltura.will("create", _fresh(fault))
            await call("POST", CREATE)
            kaltura.will("init-client", _fresh(fault))
            await call("POST", CREATE)
            for control, content in CONTROLS.items():
                session = (await call("POST", CREATE)).json()
                kaltura.will(UPSTREAM.get(control, control), _fresh(fault))
                await call("POST", path(session, control), **content)
                await call("GET", path(session))
                await call("POST", path(session, "end"))
    logged = log.getvalue()
    assert '"operation": "say-text"' in logged
    for canary in CANARIES:
        assert canary not in "".join(told)
        assert canary not in logged


def _fresh(fault: Any) -> Any:
    if isinstance(fault, Exception):
        return fault
    return httpx.Response(fault.status_code, headers=fault.headers, content=fault.content)


def test_a_log_line_is_one_line_whatever_is_in_it(log: io.StringIO) -> None:
    structlog.get_logger("test").info("a line\nthat breaks", text="\x1b[31mred")
    [line] = log.getvalue().splitlines()
    assert json.loads(line)["event"] == "a line\nthat breaks"
