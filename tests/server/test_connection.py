"""What a connection is held to, tried with real sockets on a real server."""

import asyncio
import itertools
import json
import resource
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from app.main import Transports, create_app
from app.server.connection import LimitedConnection
from app.server.descriptors import most_connections
from app.server.process import GRACE_SECONDS
from app.web.bounds import WebBounds
from tests.support.doubles import FakeKaltura, settings
from tests.support.raw_http import SOON, House, serving

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: broker.test\r\n"
CREATE = b"POST /api/create-avatar-session HTTP/1.1\r\nHost: broker.test\r\n"
JSON = b"Content-Type: application/json\r\n"


def broker(**bounds: Any) -> AbstractAsyncContextManager[House]:
    """A broker whose connections, and whose bodies, have these bounds."""
    of_bodies = WebBounds(body_seconds=bounds.pop("body_seconds", 15))
    app = create_app(settings(), transports=Transports(kaltura=FakeKaltura()), bounds=of_bodies)
    return serving(app, **bounds)


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with broker() as house:
        yield house


@pytest.fixture
async def hasty_house() -> AsyncIterator[House]:
    """A server that waits shortly."""
    async with broker(body_seconds=SOON, head_seconds=SOON) as house:
        yield house


# From where


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="there is no IPv6 here")
@pytest.mark.parametrize("host", ["::", "0:0::0"])
async def test_every_address_is_also_those_of_ipv4_and_they_look_as_ever(host: str) -> None:
    async def who(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await JSONResponse(scope["client"])(scope, receive, send)

    async with serving(who, host) as house:
        client = await house.connect()
        await client.send(HEALTH + b"\r\n")
        assert b'["127.0.0.1",' in await client.answer()


# Slow


@pytest.mark.parametrize("begun", [b"", HEALTH + b"\r\n"], ids=["first", "next"])
@pytest.mark.parametrize(
    ("start", "drop"),
    [(HEALTH + b"X-Slow: ", b"a"), (b"GET /", b"a"), (HEALTH, b"X: y\r\n"), (b"G", b"")],
)
async def test_a_head_that_does_not_come_is_cut_off(
    hasty_house: House, begun: bytes, start: bytes, drop: bytes
) -> None:
    client = await hasty_house.connect()
    if begun:
        await client.send(begun)
        assert (await client.answer()).startswith(b"HTTP/1.1 200")
    await client.send(start)
    dripping = asyncio.create_task(client.drip(drop))
    assert (await client.rest()).startswith(b"HTTP/1.1 408")
    await dripping


@pytest.mark.parametrize("drop", [b"", b"\r\n"])
async def test_a_connection_that_says_nothing_is_closed(hasty_house: House, drop: bytes) -> None:
    client = await hasty_house.connect()
    dripping = asyncio.create_task(client.drip(drop))
    assert await client.rest() == b""
    await dripping


@pytest.mark.parametrize("framing", [b"Content-Length: 900", b"Transfer-Encoding: chunked"])
async def test_a_body_that_does_not_come_is_cut_off(hasty_house: House, framing: bytes) -> None:
    client = await hasty_house.connect()
    await client.send(CREATE + JSON + framing + b"\r\n\r\n")
    dripping = asyncio.create_task(
        client.drip(b" " if framing.startswith(b"Content") else b"1\r\n \r\n")
    )
    answer = await client.rest()
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"application/problem+json" in answer
    await dripping


@pytest.mark.parametrize(
    ("request_head", "status"),
    [(HEALTH, b"200"), (CREATE + JSON, b"413")],
    ids=["nobody reads it", "it is refused"],
)
async def test_a_body_that_goes_on_after_the_answer_is_cut_off(
    hasty_house: House, request_head: bytes, status: bytes
) -> None:
    client = await hasty_house.connect()
    await client.send(request_head + b"Content-Length: 99999999\r\n\r\n")
    assert (await client.answer()).startswith(b"HTTP/1.1 " + status)
    await client.drip(b" ")


async def test_whoever_waits_for_an_answer_is_not_cut_off() -> None:
    async def slow(scope: object, _receive: object, send: Callable[[object], object]) -> None:
        if scope["type"] != "http":  # type: ignore[index] # ASGI, by hand
            return
        await asyncio.sleep(3 * SOON)
        await send({"type": "http.response.start", "status": 204, "headers": []})  # type: ignore[misc]
        await send({"type": "http.response.body"})  # type: ignore[misc]

    async with serving(slow, head_seconds=SOON) as house:  # type: ignore[arg-type]
        client = await house.connect()
        await client.send(HEALTH + b"Connection: close\r\n\r\n")
        assert (await client.rest()).startswith(b"HTTP/1.1 204")


@asynccontextmanager
async def telling(length: int) -> AsyncIterator[House]:
    """A server that has so much to tell, all at once."""

    async def lengthy(scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = [(b"content-length", str(length).encode())]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b"x" * length})

    async with serving(lengthy, unread_seconds=SOON) as house:
        yield house


MUCH = 16 * 1024 * 1024
"""More than there is room for on the way."""


@pytest.mark.parametrize("last", [b"", b"Connection: close\r\n"], ids=["paused", "closing"])
async def test_who_does_not_read_the_answer_is_cut_off(
    monkeypatch: pytest.MonkeyPatch, last: bytes
) -> None:
    if last:  # what is left when it closes may be too little for a pause
        monkeypatch.setattr(LimitedConnection, "pause_writing", lambda _: None)
    async with telling(MUCH) as house:
        client = await house.connect()
        await client.send(HEALTH + last + b"\r\n")
        await asyncio.sleep(3 * SOON)
        assert len(await client.rest()) < MUCH


async def test_who_reads_slowly_but_reads_gets_it_all() -> None:
    async with telling(MUCH) as house:
        client = await house.connect()
        await client.send(HEALTH + b"Connection: close\r\n\r\n")
        assert len(await client.rest(pause=SOON / 100)) > MUCH


async def test_who_has_read_it_all_keeps_the_connection() -> None:
    async with telling(MUCH) as house:
        client = await house.connect()
        for _ in range(2):
            await client.send(HEALTH + b"\r\n")
            assert len(await client.answer()) > MUCH
            await asyncio.sleep(3 * SOON)


async def test_who_hangs_up_is_gone_though_they_had_asked_for_more() -> None:
    heard: list[str] = []

    async def patient(scope: Scope, receive: Receive, _send: Send) -> None:
        if scope["type"] == "http":
            await receive()
            begun.set()
            heard.append((await receive())["type"])
            over.set()

    begun, over = asyncio.Event(), asyncio.Event()
    async with serving(patient) as house:
        client = await house.connect()
        await client.send(2 * (HEALTH + b"\r\n"))
        await begun.wait()
        client.close()
        async with asyncio.timeout(5):
            await over.wait()
    assert heard == ["http.disconnect"]


@pytest.mark.parametrize(
    "request_", [HEALTH + b"Connection: close\r\n\r\n", CREATE + b"Content-Length: x\r\n\r\n"]
)
async def test_no_answer_names_the_software(house: House, request_: bytes) -> None:
    client = await house.connect()
    await client.send(request_)
    head, _, _ = (await client.rest()).lower().partition(b"\r\n\r\n")
    assert b"\r\ncontent-type: " in head
    assert b"\r\nserver:" not in head
    assert b"\r\nx-powered-by:" not in head


# Large


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (HEALTH + b"X-Large: " + b"a" * 32_768, b"431"),
        (HEALTH + b"X: y\r\n" * 100 + b"\r\n", b"431"),
        (b"GET /" + b"a" * 8_200, b"414"),
        (b"GET /" + b"a" * 8_200 + b" HTTP/1.1\r\n\r\n", b"414"),
        (HEALTH[:-2] + b"\x01", b"400"),
        (b"nonsense\r\n\r\n", b"400"),
    ],
)
async def test_a_head_that_is_too_large_or_none_is_refused(
    house: House, head: bytes, status: bytes
) -> None:
    client = await house.connect()
    await client.send(head)
    answer = await client.rest()
    assert answer.startswith(b"HTTP/1.1 " + status)
    lines, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in lines.lower()
    assert f"x-request-id: {json.loads(body)['requestId']}".encode() in lines


async def test_a_head_in_many_pieces_is_bounded_as_a_whole(house: House) -> None:
    client = await house.connect()
    await client.send(HEALTH + b"X-Large: ")
    for _ in range(33):
        await client.send(b"a" * 1000)
        await asyncio.sleep(0)
    assert (await client.rest()).startswith(b"HTTP/1.1 431")


@pytest.mark.parametrize("frame", [b"0\r\nX: ", b"1;", b"0\r\n\r\n" + HEALTH + b"X: "])
async def test_the_frame_of_a_body_is_bounded_too(house: House, frame: bytes) -> None:
    client = await house.connect()
    await client.send(CREATE + JSON + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n")
    await asyncio.sleep(0.05)  # so that the frame comes by itself
    await client.send(frame + b"a" * 40_000)
    assert b"HTTP/1.1 431" in await client.rest()


async def test_what_follows_a_large_body_is_read(house: House) -> None:
    client = await house.connect()
    body = b"8000\r\n" + b"a" * 0x8000 + b"\r\n"
    await client.send(HEALTH + b"Transfer-Encoding: chunked\r\n\r\n" + body * 4 + b"0\r\n")
    assert (await client.answer()).startswith(b"HTTP/1.1 200")
    await client.send(b"\r\n" + HEALTH)
    await client.send(b"\r\n")
    assert (await client.answer()).startswith(b"HTTP/1.1 200")


async def test_a_large_head_within_the_bounds_is_read(house: House) -> None:
    client = await house.connect()
    query = b"GET /healthz?" + b"a" * 7_000 + b" HTTP/1.1\r\nHost: broker.test\r\n"
    for _ in range(3):
        await client.send(query + b"X: y\r\n" * 98 + b"Y: " + b"y" * 10_000)
        await asyncio.sleep(0.05)  # in two pieces, so that the first is counted
        await client.send(b"\r\n\r\n")
        assert (await client.answer()).startswith(b"HTTP/1.1 200")


async def test_a_body_is_no_part_of_the_head(house: House) -> None:
    client = await house.connect()
    for _ in range(3):
        await client.send(HEALTH + b"Content-Length: 50000\r\n\r\n" + b"a" * 50_000)
        assert (await client.answer()).startswith(b"HTTP/1.1 200")


# One answer a request


async def _echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the request as it was understood."""
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    answer = f"{scope['method']} {scope['path']}?{scope['query_string'].decode()} ".encode() + body
    headers = [(b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


@pytest.fixture
async def echo() -> AsyncIterator[House]:
    async with serving(_echo) as house:
        yield house


LIKE_A_REQUEST = b"GET /smuggled HTTP/1.1\r\nHost: broker.test\r\n\r\n"
BY_LENGTH = b"Content-Length: %d\r\n\r\n%b" % (len(LIKE_A_REQUEST), LIKE_A_REQUEST)
IN_CHUNKS = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (
    len(LIKE_A_REQUEST),
    LIKE_A_REQUEST,
)
H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEA\r\n"
WEBSOCKET = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


@pytest.mark.parametrize(
    "offer",
    [
        H2C,
        WEBSOCKET,
        b"upgrade: x/1, TLS/1.0\r\nUpgrade: y\r\nConnection: keep-alive\r\nconnection: UPGRADE\r\n",
        b"Upgrade:\r\nConnection: upgrade\r\n",
        b"Upgrade: h2c\r\n",
        b"Connection: Upgrade\r\n",
        b"Expect: 100-continue\r\n" + H2C,
    ],
    ids=["h2c", "websocket", "several", "empty", "header alone", "token alone", "expect"],
)
async def test_an_upgrade_that_is_offered_is_ignored_and_the_body_read(
    echo: House, offer: bytes
) -> None:
    for body, chunk in itertools.product((BY_LENGTH, IN_CHUNKS), (10_000, 1)):
        client = await echo.connect()
        asked = b"POST /a?b HTTP/1.1\r\nHost: broker.test\r\n" + offer + body
        asked += b"POST /next HTTP/1.1\r\nHost: broker.test\r\n" + offer + body
        asked += b"GET /last HTTP/1.1\r\nConnection: close\r\n\r\n"
        for at in range(0, len(asked), chunk):
            await client.send(asked[at : at + chunk])
            await asyncio.sleep(0)
        answers = (await client.rest()).replace(b"HTTP/1.1 100 Continue\r\n\r\n", b"")
        told = [one.partition(b"\r\n\r\n")[2] for one in answers.split(b"HTTP/1.1 200 OK")[1:]]
        both = [b"POST /a?b " + LIKE_A_REQUEST, b"POST /next? " + LIKE_A_REQUEST]
        assert told == [*both, b"GET /last? "]


@pytest.mark.parametrize(
    ("closing", "version"), [(b"close, Upgrade", b"1.1"), (b"Upgrade", b"1.0")]
)
async def test_who_offers_an_upgrade_and_wants_to_close_gets_one_answer(
    echo: House, closing: bytes, version: bytes
) -> None:
    client = await echo.connect()
    offer = b"Upgrade: h2c\r\nConnection: " + closing + b"\r\n"
    await client.send(b"POST / HTTP/" + version + b"\r\n" + offer + BY_LENGTH + LIKE_A_REQUEST)
    answer = await client.rest()
    assert answer.count(b"HTTP/1.1 ") == 1
    assert answer.endswith(b"POST /? " + LIKE_A_REQUEST)


@pytest.mark.parametrize(
    "foreign",
    [
        b"CONNECT kaltura.test:443 HTTP/1.1\r\nHost: kaltura.test:443\r\n",
        b"CONNECT kaltura.test:443 HTTP/1.1\r\nContent-Length: 9\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n",
    ],
)
async def test_what_would_not_be_http_is_refused_and_nothing_behind_it_read(
    echo: House, foreign: bytes
) -> None:
    client = await echo.connect()
    await client.send(foreign + b"\r\n" + LIKE_A_REQUEST)
    answer = await client.rest()
    assert answer.startswith(b"HTTP/1.1 400")
    assert answer.count(b"HTTP/1.1 ") == 1


async def test_many_offers_at_once_are_each_answered(echo: House) -> None:
    client = await echo.connect()
    many = 2000
    await client.send(
        many * (b"GET /a HTTP/1.1\r\n" + b"Connection: upgrade\r\nUpgrade: x\r\n\r\n")
    )
    for _ in range(many):
        assert (await client.answer()).endswith(b"GET /a? ")


@pytest.mark.parametrize(("sent", "last"), [(b"", 1), (b"a", 0)], ids=["waiting", "sending anyway"])
async def test_an_answer_instead_of_100_continue_is_the_last(
    house: House, sent: bytes, last: int
) -> None:
    client = await house.connect()
    await client.send(
        CREATE + JSON + b"Expect: 100-continue\r\nContent-Length: 99999999\r\n\r\n" + sent
    )
    answer = (await client.answer()).lower()
    assert answer.startswith(b"http/1.1 413")
    assert answer.count(b"connection: close") == last


# Many


async def test_one_connection_too_many_is_told_so_and_the_others_go_on() -> None:
    async with broker(most=2) as house:
        clients = [await house.connect() for _ in range(2)]
        for client in clients:
            await client.send(HEALTH + b"\r\n")
            assert (await client.answer()).startswith(b"HTTP/1.1 200")
        one_more = await house.connect()
        await one_more.send(HEALTH + b"\r\n")
        answer = (await one_more.rest()).lower()
        assert answer.startswith(b"http/1.1 503")
        assert b"retry-after: 5\r\n" in answer
        assert b"content-type: application/problem+json" in answer
        await clients[0].send(HEALTH + b"\r\n")
        assert (await clients[0].answer()).startswith(b"HTTP/1.1 200")


async def test_far_too_many_are_not_even_told() -> None:
    async with broker(most=1, head_seconds=1000) as house:
        first = await house.connect()
        await first.send(HEALTH + b"\r\n")
        assert (await first.answer()).startswith(b"HTTP/1.1 200")
        await (await house.connect()).send(b"G")
        assert await (await house.connect()).rest() == b""


@pytest.mark.parametrize(
    ("limit", "allowed"),
    [(resource.RLIM_INFINITY, 1000), (20_000, 1000), (1024, 384), (256, 64), (64, 16)],
)
def test_connections_leave_open_files_for_what_they_ask_for(
    monkeypatch: pytest.MonkeyPatch, limit: int, allowed: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))
    assert most_connections(1000) == allowed


async def test_with_few_open_files_few_connections_are_answered(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await house.connect()
    await first.send(HEALTH + b"\r\n")
    await first.answer()
    monkeypatch.setattr(resource, "getrlimit", lambda _: (4, 4))
    one_more = await house.connect()
    await one_more.send(HEALTH + b"\r\n")
    assert (await one_more.rest()).startswith(b"HTTP/1.1 503")


# The end


async def test_in_a_hurry_no_answer_is_waited_for_but_the_applications_end_is() -> None:
    told = []
    asked = asyncio.Event()

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            asked.set()
            await asyncio.Event().wait()
        for event in ("startup", "shutdown"):
            await receive()
            told.append(event)
            await send({"type": f"lifespan.{event}.complete"})

    async with serving(endless) as house:
        client = await house.connect()
        await client.send(HEALTH + b"\r\n")
        await asked.wait()
        house.server.force_exit = True
        async with asyncio.timeout(GRACE_SECONDS):
            await house.server.shutdown()
        assert told == ["startup", "shutdown"]
