"""Requests that nobody thought of: the broker answers all of them, and as its document says."""

import asyncio
import contextlib
import os
import random
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

import httpx
import pytest
import requests
import schemathesis
from asgi_lifespan import LifespanManager
from fastapi import FastAPI
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app.main import Transports, create_app
from app.web.bounds import WebBounds
from tests.support.doubles import FakeKaltura, settings
from tests.support.raw_http import SOON, House, serving
from tests.support.visitor_api import ORIGIN, bearer, opened
from tests.support.visitor_api import path as session_path

CASES: Final = int(os.environ.get("FUZZ_CASES", "300"))
"""Requests made from the document; `make fuzz` asks for more."""

DOCUMENT: Final = create_app(settings(), transports=Transports(kaltura=FakeKaltura())).openapi()
CHECKS: Final = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
PLAIN: Final = {"type", "title"}
NO_LIMITS: Final = {
    "max_sessions_per_visitor": 10_000,
    "max_concurrent_sessions": 10_000,
    "create_rate_limit": "1000000/second",
    "speak_rate_limit": "1000000/second",
    "control_rate_limit": "1000000/second",
}


class Broker:
    """A broker with a visitor, in a loop of its own: Hypothesis knows no `async`."""

    def __init__(self, runner: asyncio.Runner, visitor: httpx.AsyncClient) -> None:
        self._runner = runner
        self._visitor = visitor
        self._session: dict[str, Any] = {}
        self.schema = schemathesis.openapi.from_dict(DOCUMENT)

    def session(self) -> dict[str, Any]:
        """A live session."""
        return self._runner.run(self._live())

    def send(self, request: requests.PreparedRequest) -> httpx.Response:
        """The answer to a request as it was prepared."""
        return self._runner.run(self._send(request))

    async def _send(self, request: requests.PreparedRequest) -> httpx.Response:
        assert request.method
        assert request.url
        assert request.body is None or isinstance(request.body, str | bytes)
        headers = [(name.encode(), _bytes(value)) for name, value in request.headers.items()]
        return await self._visitor.request(
            request.method, request.url, headers=headers, content=request.body
        )

    async def _live(self) -> dict[str, Any]:
        if self._session:
            headers = bearer(self._session)
            state = await self._visitor.get(session_path(self._session), headers=headers)
            if state.json()["state"] == "live":
                return self._session
        self._session = await opened(self._visitor)
        return self._session


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("latin-1", "replace")


@contextlib.asynccontextmanager
async def visited(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with LifespanManager(app) as manager:
        transport = httpx.ASGITransport(app=manager.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as visitor:
            yield visitor


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    app = create_app(settings(**NO_LIMITS), transports=Transports(kaltura=FakeKaltura()))
    with asyncio.Runner() as runner:
        running = visited(app)
        visitor = runner.run(running.__aenter__())
        yield Broker(runner, visitor)
        runner.run(running.__aexit__(None, None, None))


def _can_be_wrong(operation: dict[str, Any]) -> bool:
    """Whether it takes anything but a path's plain string."""
    schemas = (parameter["schema"] for parameter in operation.get("parameters", []))
    return "requestBody" in operation or any(schema.keys() > PLAIN for schema in schemas)


def kinds_of_cases() -> list[Any]:
    """Right requests of every operation, and wrong ones where there are any."""
    return [
        pytest.param(method, path, mode, id=f"{mode.value} {method.upper()} {path}")
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
        for mode in GenerationMode
        if mode is GenerationMode.POSITIVE or _can_be_wrong(operation)
    ]


KINDS: Final = kinds_of_cases()


@pytest.mark.parametrize(("method", "path", "mode"), KINDS)
def test_every_answer_is_as_the_document_says(
    broker: Broker, method: str, path: str, mode: GenerationMode
) -> None:
    cases = broker.schema[path][method].as_strategy(generation_mode=mode)

    @hypothesis_settings(
        max_examples=max(1, CASES // len(KINDS)),
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases, of_ours=st.booleans())
    def every_case(case: schemathesis.Case[Any], of_ours: bool) -> None:  # noqa: FBT001
        headers = {}
        endless = path.endswith("/events")
        if of_ours and not endless and "sessionId" in (case.path_parameters or {}):
            session = broker.session()
            others = case.path_parameters or {}
            case.path_parameters = others | {"sessionId": session["sessionId"]}
            headers = bearer(session)
        kwargs = case.as_transport_kwargs(base_url=ORIGIN, headers=headers)
        request = requests.Request(**kwargs).prepare()
        case.validate_response(broker.send(request), checks=CHECKS)

    every_case()


# Bytes


REQUESTS: Final = (
    b"GET /healthz HTTP/1.1\r\nHost: broker.test\r\nConnection: close\r\n\r\n",
    b"GET /?a=b&c=%20 HTTP/1.1\r\nHost: broker.test\r\nAccept: */*\r\nCookie: a=b; c=d\r\n\r\n",
    (
        b"POST /api/create-avatar-session HTTP/1.1\r\nHost: broker.test\r\nIdempotency-Key: one\r\n"
        b"Content-Type: application/json\r\nContent-Length: 25\r\n\r\n"
        b'{"avatarId": "avatar-1"}\n'
    ),
    (
        b"POST /v1/avatar-session/session-1/say-text HTTP/1.1\r\nHost: broker.test\r\n"
        b"Authorization: Bearer a.b.c\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
        b'e\r\n{"text": "Hi"}\r\n0\r\n\r\n'
    ),
    (
        b"POST /api/avatar-sessions/session-1/speak-audio HTTP/1.1\r\nHost: broker.test\r\n"
        b"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 74\r\n\r\n"
        b'--x\r\nContent-Disposition: form-data; name="audio"; filename="a"\r\n\r\na\r\n--x--\r\n'
    ),
)
INSERTED: Final = (b"\0", b"\r\n", b"\n", b":", b" ", b"\xff", b"%", b"\t")
BROKEN: Final = max(200, CASES // 20)
AT_ONCE: Final = 200
"""Connections that uvicorn keeps alive for 5 seconds all wait together."""

SEED: Final = int(os.environ.get("FUZZ_SEED", "0")) or random.randrange(1, 1_000_000)


def broken(chance: random.Random) -> bytes:
    """A request, or two at once, with some of its bytes changed, lost, repeated or added."""
    data = bytearray(b"".join(chance.choices(REQUESTS, k=chance.choice((1, 1, 2)))))
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(data) + 1)
        until = min(len(data), at + chance.choice((1, 2, 16)))
        match chance.choice(("flip", "cut", "lose", "repeat", "insert")):
            case "flip" if at < len(data):
                data[at] ^= 1 << chance.randrange(8)
            case "cut":
                del data[at:]
            case "lose":
                del data[at:until]
            case "repeat":
                data[at:at] = data[at:until] * chance.choice((1, 2, 1000))
            case _:
                data[at:at] = chance.choice(
                    (b"\0", b"\r\n", b"\n", b":", b" ", b"\xff", b"%", b"\t")
                )
    return bytes(data)


async def answers(house: House, data: bytes) -> bytes:
    """All that comes back until the server closes."""
    client = await house.connect()
    with contextlib.suppress(ConnectionError):
        await client.send(data)
    return await client.rest()


# A form that breaks off in a file: Starlette leaves that file to be collected.
@pytest.mark.filterwarnings("ignore:Unclosed file <tempfile.SpooledTemporaryFile:ResourceWarning")
async def test_whatever_bytes_come_the_server_answers_or_closes_and_lives_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bounds = WebBounds(body_seconds=SOON)
    chance = random.Random(SEED)
    for _ in range(0, BROKEN, AT_ONCE):
        sent = [broken(chance) for _ in range(AT_ONCE)]
        app = create_app(
            settings(**NO_LIMITS), transports=Transports(kaltura=FakeKaltura()), bounds=bounds
        )
        async with serving(app, head_seconds=SOON) as house:
            received = await asyncio.gather(*(answers(house, data) for data in sent))
            assert (await answers(house, REQUESTS[0])).startswith(b"HTTP/1.1 200")
        for data, answer in zip(sent, received, strict=True):
            seen = f"FUZZ_SEED={SEED}: {data!r} was answered {answer!r}"
            assert answer == b"" or answer.startswith(b"HTTP/1.1 "), seen
            assert b"HTTP/1.1 500" not in answer, seen
        assert any(answer.startswith(b"HTTP/1.1 200") for answer in received)
        assert any(answer.startswith(b"HTTP/1.1 400") for answer in received)
    assert "bug" not in caplog.text
