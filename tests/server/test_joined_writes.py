"""How the head and the body of an answer are sent, on a real server."""

import asyncio
from collections.abc import Iterable
from typing import Any, cast

import pytest
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from tests.support.raw_http import serving

GET = b"GET / HTTP/1.1\r\nHost: broker.test\r\n\r\n"
HEAD = b"HEAD" + GET.removeprefix(b"GET")


class RecordedWrites:
    """A connection's transport, with what is written to it."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)
        self._transport.write(data)

    def writelines(self, parts: Iterable[bytes]) -> None:
        self.write(b"".join(parts))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Parts:
    """An application that answers in two parts, the second when it is told to."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = [(b"content-length", b"4")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await self.go_on.wait()
        await send({"type": "http.response.body", "body": b"on", "more_body": True})
        await send({"type": "http.response.body", "body": b"ce"})


@pytest.fixture
def parts() -> Parts:
    return Parts()


async def test_a_head_and_the_first_piece_of_its_body_are_one_write(parts: Parts) -> None:
    async with serving(parts) as house:
        client = await house.connect()
        for _ in range(2):
            await client.send(GET)
            await client.answer()
        [connection] = house.server.server_state.connections
        connection.transport = recorded = RecordedWrites(connection.transport)  # type: ignore[assignment] # it is one
        await client.send(GET)
        assert (await client.answer()).endswith(b"once")
    [first, second] = recorded.written
    assert first.startswith(b"HTTP/1.1 200")
    assert first.endswith(b"\r\n\r\non")
    assert second == b"ce"


async def test_a_head_does_not_wait_for_a_body_that_comes_later(parts: Parts) -> None:
    parts.go_on.clear()
    async with serving(parts) as house:
        client = await house.connect()
        await client.send(GET)
        try:
            assert (await client.head()).startswith(b"HTTP/1.1 200")
        finally:
            parts.go_on.set()
        assert await client.piece(4) == b"once"


async def test_the_head_is_sent_of_an_answer_that_breaks_off_behind_it() -> None:
    async def breaking(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 207, "headers": []})

    async with serving(breaking) as house:
        client = await house.connect()
        await client.send(GET)
        assert (await client.rest()).startswith(b"HTTP/1.1 207")


async def test_an_answer_that_is_aborted_sends_nothing() -> None:
    async def aborting(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            cast(RequestResponseCycle, send.__self__).transport.abort()  # type: ignore[attr-defined] # uvicorn's method

    async with serving(aborting) as house:
        client = await house.connect()
        await client.send(GET)
        assert await client.rest() == b""


async def test_heads_alone_and_answers_keep_their_order(parts: Parts) -> None:
    async with serving(parts) as house:
        client = await house.connect()
        await client.send(3 * (HEAD + GET))
        for _ in range(3):
            assert (await client.head()).endswith(b"\r\n\r\n")
            assert (await client.answer()).endswith(b"once")
