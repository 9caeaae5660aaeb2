"""The transport of control calls, over real sockets on loopback, to a server that misbehaves."""

import asyncio
import gc
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from app import __version__
from app.kaltura import errors
from app.kaltura.client import KalturaClient, SessionAccess
from app.kaltura.contract import SayTextRequest
from app.kaltura.control_transport import (
    KEEP_WARM_SECONDS,
    MAX_READ_BYTES,
    ControlTransport,
)
from app.kaltura.ks_sources import ConfiguredKs
from tests.support.certificates import certificate
from tests.support.doubles import FakeClock
from tests.support.kaltura_client import WISH
from tests.support.upstream_server import OK, Answer, UpstreamServer, listening, succeed

ACCESS = SessionAccess("session-1", SecretStr("jwt-1"))


@asynccontextmanager
async def client_of(
    base_url: str, timeout_seconds: float = 5, clock: FakeClock | None = None
) -> AsyncIterator[KalturaClient]:
    client = KalturaClient(
        base_url=base_url,
        ks_source=ConfiguredKs(SecretStr("ks")),
        transport=ControlTransport(clock or FakeClock()),
        timeout_seconds=timeout_seconds,
    )
    try:
        yield client
    finally:
        await client.aclose()


@asynccontextmanager
async def kaltura_that(
    answer: Answer, timeout_seconds: float = 5, clock: FakeClock | None = None
) -> AsyncIterator[tuple[KalturaClient, UpstreamServer]]:
    async with (
        listening(answer) as (port, server),
        client_of(f"http://127.0.0.1:{port}", timeout_seconds, clock) as client,
    ):
        yield client, server


def answering(*answers: bytes) -> Answer:
    """Answer one request after the other with these bytes."""
    left = iter(answers)

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(next(left))

    return answer


async def hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()


async def reset(writer: asyncio.StreamWriter) -> None:
    at_once = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
    writer.transport.abort()


async def break_off(writer: asyncio.StreamWriter) -> None:
    writer.write(OK[:-4])
    await writer.drain()
    writer.close()


async def babble(writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")


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


async def test_what_broke_a_connection_is_the_cause_of_the_error() -> None:
    async with kaltura_that(reset) as (client, _):
        with pytest.raises(errors.LostAnswerError) as told:
            await client.init_client(ACCESS)
    assert isinstance(told.value.__cause__, httpx.ReadError)
    assert isinstance(told.value.__cause__.__cause__, ConnectionResetError)


async def test_a_connection_that_went_stale_does_not_send_create_twice() -> None:
    answers = iter([succeed, hang_up, succeed])

    async def in_turn(writer: asyncio.StreamWriter) -> None:
        await next(answers)(writer)

    async with kaltura_that(in_turn) as (client, server):
        await client.interrupt(ACCESS)
        with pytest.raises(errors.LostAnswerError):
            await client.init_client(ACCESS)
    assert len(server.requests) == 2


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


@pytest.mark.parametrize(
    "answer",
    [
        OK + b'HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{"forged":true}',
        OK + b"more",
        OK.replace(b"Set-Cookie: a=b", b"Connection: close"),
        OK.replace(b"HTTP/1.1", b"HTTP/1.0"),
    ],
    ids=["with another behind it", "with more behind it", "that is the last", "of an old server"],
)
async def test_after_an_answer_another_connection_is_taken(answer: bytes) -> None:
    async with kaltura_that(answering(answer, OK)) as (client, server):
        await client.interrupt(ACCESS)
        await client.interrupt(ACCESS)
    assert (server.connections, len(server.requests)) == (2, 2)


async def test_what_comes_while_nothing_is_asked_closes_the_connection() -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        writers.append(writer)

    writers: list[asyncio.StreamWriter] = []
    async with kaltura_that(answer) as (client, server):
        await client.interrupt(ACCESS)
        writers[0].write(OK)
        await writers[0].wait_closed()
        await client.interrupt(ACCESS)
    assert server.connections == 2


@pytest.mark.parametrize(("seconds", "connections"), [(0, 1), (1, 2)])
async def test_a_connection_is_used_again_within_75_s(seconds: int, connections: int) -> None:
    clock = FakeClock()
    async with kaltura_that(succeed, clock=clock) as (client, server):
        await client.interrupt(ACCESS)
        clock.now += KEEP_WARM_SECONDS + seconds
        await client.interrupt(ACCESS)
    assert server.connections == connections


async def test_an_idle_connection_that_has_grown_old_is_closed_when_another_becomes_idle() -> None:
    both, clock, late = asyncio.Barrier(2), FakeClock(), asyncio.Event()

    async def answer(writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await both.wait()
        if writer is writers[1]:
            await late.wait()
        writer.write(OK)

    writers: list[asyncio.StreamWriter] = []
    async with kaltura_that(answer, clock=clock) as (client, _):
        calls = [asyncio.create_task(client.interrupt(ACCESS)) for _ in range(2)]
        await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        clock.now += KEEP_WARM_SECONDS + 1
        late.set()
        await asyncio.wait(calls)
        await writers[0].wait_closed()


async def test_a_connection_whose_call_was_given_up_is_not_used_again() -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        asked.set()
        if len(server.requests) > 1:
            writer.write(OK)

    asked = asyncio.Event()
    async with kaltura_that(answer) as (client, server):
        calling = asyncio.create_task(client.init_client(ACCESS))
        await asked.wait()
        calling.cancel()
        await asyncio.wait([calling])
        await client.interrupt(ACCESS)
    assert (server.connections, len(server.requests)) == (2, 2)


async def test_an_interim_answer_is_not_the_answer() -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nRetry-After: 9\r\n\r\n"
    busy = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n"
    async with kaltura_that(answering(hints + busy, OK)) as (client, server):
        with pytest.raises(errors.BusyError) as told:
            await client.create(WISH)
        await client.interrupt(ACCESS)
    assert told.value.retry_after is None
    assert server.connections == 1


async def test_an_answer_may_come_in_pieces_of_any_size() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    whole = chunked + b'8\r\n{"succes\r\n8\r\ns":true}\r\n0\r\n\r\n'

    async def answer(writer: asyncio.StreamWriter) -> None:
        for byte in whole:
            writer.write(bytes([byte]))
            await asyncio.sleep(0)

    async with kaltura_that(answer) as (client, server):
        await client.interrupt(ACCESS)
        await client.interrupt(ACCESS)
    assert server.connections == 1


async def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(b'HTTP/1.1 200 OK\r\n\r\n{"success":true}')
        writer.close()

    async with kaltura_that(answer) as (client, _):
        await client.interrupt(ACCESS)


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n\r\n"])
async def test_no_more_is_read_of_an_endless_answer(head: bytes) -> None:
    written = 0

    async def answer(writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(head)
        while not writer.is_closing():
            writer.write(b"a" * 2**16)
            written += 2**16
            await writer.drain()

    async with kaltura_that(answer) as (client, _):
        with pytest.raises(errors.LostAnswerError):
            await client.init_client(ACCESS)
    assert written < 16 * MAX_READ_BYTES


async def test_a_token_with_a_line_break_sends_nothing() -> None:
    forged = SessionAccess("session-1", SecretStr("jwt\r\nX-Forged: yes"))
    async with kaltura_that(succeed) as (client, server):
        with pytest.raises(errors.LostAnswerError):
            await client.init_client(forged)
    assert server.requests == []


async def test_the_address_that_answers_first_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    async def two_addresses(_: str, port: int, **__: object) -> list[object]:
        nobody = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", port, 0, 0))
        return [nobody, (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", two_addresses)
    async with (
        listening(succeed) as (port, server),
        client_of(f"http://kaltura.test:{port}") as client,
    ):
        await client.interrupt(ACCESS)
    assert b"Host: kaltura.test:" in server.requests[0]


@pytest.mark.parametrize("is_trusted", [True, False])
async def test_nothing_is_sent_to_a_server_whose_certificate_is_not_trusted(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_trusted: bool,  # noqa: FBT001 - a parameter of the table
) -> None:
    file = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    if is_trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
    async with (
        listening(succeed, context) as (port, server),
        client_of(f"https://localhost:{port}") as client,
    ):
        if is_trusted:
            await client.interrupt(ACCESS)
            await client.interrupt(ACCESS)
        else:
            with pytest.raises(errors.NotConnectedError) as told:
                await client.init_client(ACCESS)
            assert isinstance(told.value.__cause__.__cause__, ssl.SSLCertVerificationError)  # type: ignore[union-attr] # it has one
    assert (len(server.requests), server.connections) == ((2, 1) if is_trusted else (0, 0))


async def test_the_broker_gives_its_name() -> None:
    async with kaltura_that(succeed) as (client, server):
        await client.interrupt(ACCESS)
    assert f"user-agent: avatar-broker/{__version__}\r\n".encode() in server.requests[0].lower()


async def test_a_call_leaves_nothing_to_the_garbage_collector() -> None:
    said = SayTextRequest(text="Hi.", turn_id="t", is_final=True)
    async with kaltura_that(succeed) as (client, _):
        await client.say_text(ACCESS, said)
        gc.collect()
        gc.disable()
        try:
            await client.say_text(ACCESS, said)
            assert gc.collect() == 0
        finally:
            gc.enable()
