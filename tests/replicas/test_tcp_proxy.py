"""The proxy by which tests break a network."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.support.tcp_proxy import TcpProxy, passing

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Streams]]


@pytest.fixture
async def proxy() -> AsyncIterator[TcpProxy]:
    """A proxy before a server that answers with what it is sent."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server, passing(server.sockets[0].getsockname()[1]) as proxy:
        yield proxy


@pytest.fixture
async def connect(proxy: TcpProxy) -> AsyncIterator[Connect]:
    """Makes connections to the proxy, which are closed after the test."""
    made: list[asyncio.StreamWriter] = []

    async def connect() -> Streams:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        made.append(writer)
        return reader, writer

    yield connect
    for writer in made:
        writer.transport.abort()


async def echoed(streams: Streams, line: bytes) -> bytes:
    reader, writer = streams
    writer.write(line)
    return await reader.readline()


async def is_held_back(answer: "asyncio.Task[bytes]") -> bool:
    done, _ = await asyncio.wait([answer], timeout=0.1)
    return not done


async def test_it_passes_on_both_ways_until_the_end(connect: Connect) -> None:
    reader, writer = await connect()
    assert await echoed((reader, writer), b"hello\n") == b"hello\n"
    writer.write_eof()
    assert await reader.read() == b""


async def test_what_is_cut_off_arrives_when_the_network_is_whole_again(
    proxy: TcpProxy, connect: Connect
) -> None:
    before = await connect()
    assert await echoed(before, b"one\n") == b"one\n"
    proxy.cut()
    lost = asyncio.create_task(echoed(before, b"two\n"))
    late = asyncio.create_task(echoed(await connect(), b"three\n"))
    assert await is_held_back(lost)
    assert await is_held_back(late)
    proxy.heal()
    assert (await lost, await late) == (b"two\n", b"three\n")


async def test_a_reset_breaks_off_and_the_next_connection_is_passed_on(
    proxy: TcpProxy, connect: Connect
) -> None:
    reader, writer = await connect()
    assert await echoed((reader, writer), b"one\n") == b"one\n"
    proxy.reset()
    with pytest.raises(ConnectionResetError):
        await reader.read()
    assert await echoed(await connect(), b"two\n") == b"two\n"
    assert proxy.connections == 2


async def test_each_chunk_is_late_by_the_delay(proxy: TcpProxy, connect: Connect) -> None:
    proxy.delay_seconds = 0.2
    answer = asyncio.create_task(echoed(await connect(), b"late\n"))
    assert await is_held_back(answer)
    assert await answer == b"late\n"


async def test_it_refuses_connections_until_it_listens_again_at_the_same_port(
    proxy: TcpProxy, connect: Connect
) -> None:
    before = await connect()
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        await connect()
    assert await echoed(before, b"one\n") == b"one\n"
    await proxy.listen()
    assert await echoed(await connect(), b"two\n") == b"two\n"
