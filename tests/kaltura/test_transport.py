"""The real transport, over real sockets on loopback, against a server that misbehaves."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager, suppress

import aiohttp
import httpx
import pytest
from pydantic import SecretStr

from app.kaltura import errors
from app.kaltura.client import KalturaClient, SessionAccess
from app.kaltura.contract import SayTextRequest
from app.kaltura.ks_sources import ConfiguredKs
from app.kaltura.transport import open_transport
from tests.support.kaltura_client import WISH

ACCESS = SessionAccess("session-1", SecretStr("jwt-1"))
OK = b'HTTP/1.1 200 OK\r\nContent-Length: 16\r\nSet-Cookie: a=b\r\n\r\n{"success":true}'
Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


class Server:
    """Reads whole requests and answers each as told; counts connections and requests."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.connections = 0
        self.requests: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
                self.requests.append(head + await reader.readexactly(length))
                await self.answer(writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client has left, or the test is over
        finally:
            writer.close()


@asynccontextmanager
async def kaltura_that(
    answer: Answer, timeout_seconds: float = 5
) -> AsyncIterator[tuple[KalturaClient, Server]]:
    server = Server(answer)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    client = KalturaClient(
        base_url=f"http://127.0.0.1:{port}",
        ks_source=ConfiguredKs(SecretStr("ks")),
        transport=open_transport(),
        timeout_seconds=timeout_seconds,
    )
    try:
        yield client, server
    finally:
        await client.aclose()
        listening.close()


async def succeed(writer: asyncio.StreamWriter) -> None:
    writer.write(OK)


async def hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()


async def reset(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def break_off(writer: asyncio.StreamWriter) -> None:
    writer.write(OK[:-4])
    await writer.drain()
    writer.close()


async def babble(writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
    await writer.drain()
    writer.close()


async def redirect(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 307 Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")


async def stall(writer: asyncio.StreamWriter) -> None:
    await writer.drain()
    await asyncio.Event().wait()


async def drip(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n")
    while not writer.is_closing():
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.005)


async def test_one_connection_serves_many_calls_and_no_cookie_is_kept() -> None:
    async with kaltura_that(succeed) as (client, server):
        for _ in range(5):
            await client.interrupt(ACCESS)
    assert (server.connections, len(server.requests)) == (1, 5)
    assert b"cookie" not in server.requests[-1].lower()


@pytest.mark.parametrize("answer", [hang_up, reset, break_off, babble])
async def test_a_lost_answer_is_told_apart_and_not_asked_for_again(answer: Answer) -> None:
    async with kaltura_that(answer) as (client, server):
        with pytest.raises(errors.LostAnswerError):
            await client.init_client(ACCESS)
    assert len(server.requests) == 1


async def test_a_connection_that_went_stale_does_not_send_create_twice() -> None:
    answers = iter([succeed, hang_up, succeed])

    async def in_turn(writer: asyncio.StreamWriter) -> None:
        await next(answers)(writer)

    async with kaltura_that(in_turn) as (client, server):
        await client.interrupt(ACCESS)
        with pytest.raises(errors.LostAnswerError):
            await client.init_client(ACCESS)
    assert len(server.requests) == 2


async def test_a_connection_that_is_just_being_closed_is_replaced_by_another() -> None:
    async with kaltura_that(succeed) as (client, server):
        await client.say_text(ACCESS, SayTextRequest(text="One."))
        session = client._http.transport.client  # type: ignore[attr-defined] # the adapter's

        async def close(*_: object) -> None:
            [connection] = session.connector._acquired
            is_closing, told = connection.transport.is_closing, iter([True])
            connection.transport.is_closing = lambda: next(told, False) or is_closing()

        reusing = aiohttp.TraceConfig()
        reusing.on_connection_reuseconn.append(close)
        reusing.freeze()
        session._trace_configs.append(reusing)
        await client.say_text(ACCESS, SayTextRequest(text="Two."))
    assert server.connections == 2
    assert [b"One." in request for request in server.requests] == [True, False]


async def test_a_redirect_is_not_followed() -> None:
    async with kaltura_that(redirect) as (client, server):
        with pytest.raises(errors.RejectedError):
            await client.interrupt(ACCESS)
    assert len(server.requests) == 1


@pytest.mark.parametrize("answer", [stall, drip])
async def test_one_deadline_covers_the_whole_answer(answer: Answer) -> None:
    async with kaltura_that(answer, timeout_seconds=0.1) as (client, _):
        with pytest.raises(errors.TimedOutError):
            await client.init_client(ACCESS)


async def test_nobody_listening_is_told_apart() -> None:
    async with kaltura_that(succeed) as (client, _):
        client._base_url = "http://127.0.0.1:1"
        with pytest.raises(errors.NotConnectedError):
            await client.init_client(ACCESS)


async def test_however_many_creates_hang_an_end_gets_through() -> None:
    many = asyncio.Event()

    async def answer(writer: asyncio.StreamWriter) -> None:
        if len(server.requests) == 100:
            many.set()
        if b"/end " in server.requests[-1]:
            writer.write(OK)

    async with kaltura_that(answer, timeout_seconds=30) as (client, server):
        creating = [asyncio.create_task(client.create(WISH)) for _ in range(120)]
        await many.wait()
        async with asyncio.timeout(5):
            await client.end(ACCESS)
        for one in creating:
            one.cancel()
        await asyncio.wait(creating)


async def test_a_transport_loads_no_authorities_since_aiohttp_has_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(ssl, "create_default_context")
    await open_transport().aclose()


@pytest.mark.parametrize(("is_public_only", "connections"), [(False, 1), (True, 0)])
async def test_a_name_that_leads_to_a_private_address_is_for_those_who_may_go_there(
    is_public_only: bool,  # noqa: FBT001 - a parameter of the table
    connections: int,
) -> None:
    async with kaltura_that(succeed) as (client, server):
        url = client._base_url.replace("127.0.0.1", "localhost")
        async with aclosing(open_transport(is_public_only=is_public_only)) as transport:
            with suppress(httpx.TransportError):
                answer = await transport.handle_async_request(
                    httpx.Request("POST", url, content=b"{}")
                )
                await answer.aclose()
    assert server.connections == connections
