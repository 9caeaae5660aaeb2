"""A server on loopback that answers each request as a test tells it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

OK = b'HTTP/1.1 200 OK\r\nContent-Length: 16\r\nSet-Cookie: a=b\r\n\r\n{"success":true}'
Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


class UpstreamServer:
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
async def listening(
    answer: Answer, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[int, UpstreamServer]]:
    """Serve on a free port of loopback; yields the port, and the server."""
    server = UpstreamServer(answer)
    sockets = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield sockets.sockets[0].getsockname()[1], server
    finally:
        sockets.close()


async def succeed(writer: asyncio.StreamWriter) -> None:
    """Answer as Kaltura does."""
    writer.write(OK)
