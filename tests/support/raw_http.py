"""A server in this process, and raw bytes to send to it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from app.server.connection import ConnectionBounds
from app.server.process import _server, listen

SOON = 0.3
"""What a deadline is cut down to."""


class Client:
    """One connection, without a library that would mend what it sends."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def drip(self, data: bytes) -> None:
        """One `data` after the other, until the server closes."""
        try:
            while not self._reader.at_eof():
                await self.send(data)
                await asyncio.sleep(0.02)
        except ConnectionError:
            pass

    async def head(self) -> bytes:
        """The head of an answer."""
        return await self._reader.readuntil(b"\r\n\r\n")

    async def piece(self, length: int) -> bytes:
        """So many bytes of an answer's body."""
        return await self._reader.readexactly(length)

    async def answer(self) -> bytes:
        """One answer with a body of a known length."""
        head = await self.head()
        length = next(
            int(line.partition(b":")[2])
            for line in head.lower().splitlines()
            if line.startswith(b"content-length:")
        )
        return head + await self.piece(length)

    async def rest(self, pause: float = 0) -> bytes:
        """Everything until the server closes, with a pause after each piece."""
        received = bytearray()
        try:
            while chunk := await self._reader.read(65_536):
                received += chunk
                await asyncio.sleep(pause)
        except ConnectionError:
            pass  # it closes without reading what it has refused
        return bytes(received)

    def close(self) -> None:
        self._writer.close()


class House:
    """A server on a port of its own."""

    def __init__(self, server: uvicorn.Server, port: int) -> None:
        self.server = server
        self._port = port
        self.clients: list[Client] = []

    async def connect(self) -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", self._port))
        self.clients.append(client)
        return client


@asynccontextmanager
async def serving(app: ASGIApp, host: str = "127.0.0.1", **bounds: Any) -> AsyncIterator[House]:
    """A server as the process has it, without the pauses of its main loop.

    `bounds` are those of its connections.
    """
    with closing(listen(host, 0)) as listening:
        server = _server(app, ConnectionBounds(**bounds))
        server.config.load()
        server.lifespan = server.config.lifespan_class(server.config)
        house = House(server, listening.getsockname()[1])
        await server.startup(sockets=[listening])
        try:
            async with asyncio.timeout(20):
                yield house
        finally:
            for client in house.clients:
                client.close()
            for serving in server.servers:
                serving.close()
            for connection in list(server.server_state.connections):
                connection.transport.abort()
            while server.server_state.tasks:
                await asyncio.wait(server.server_state.tasks)
            await server.lifespan.shutdown()
