"""A TCP proxy that delays, holds back and resets what it passes on."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from typing import Final

CHUNK: Final = 64 * 1024
AT_ONCE: Final = struct.pack("ii", 1, 0)
"""A linger time of zero: closing the socket resets the connection."""


class TcpProxy:
    """Passes connections on to a port of loopback.

    `delay_seconds` is how much later each chunk arrives. It never ends by itself: use `passing`.
    """

    def __init__(self, target_port: int) -> None:
        self.delay_seconds = 0.0
        self.port = 0
        self.connections = 0
        """How many connections were accepted so far."""

        self._target_port = target_port
        self._server: asyncio.Server | None = None
        self._is_passing = asyncio.Event()
        self._is_passing.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._under_way: set[asyncio.Task[None]] = set()

    async def listen(self) -> None:
        """Take connections, at the port of before if there was one."""
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    def refuse(self) -> None:
        """Refuse new connections, as the machine of a process that has ended does."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def cut(self) -> None:
        """Hold back everything, as a network does that loses packets; new connections hang."""
        self._is_passing.clear()

    def heal(self) -> None:
        """Pass on what was held back, and all that comes."""
        self._is_passing.set()

    def reset(self) -> None:
        """Reset every connection; new ones are passed on."""
        for writer in self._writers:
            connection = writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
            writer.transport.abort()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one connection on, until both sides have closed it."""
        self.connections += 1
        # A task of its own: Python 3.11 logs an error for each of its own that is cancelled.
        task = asyncio.create_task(self._serve(reader, writer))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._is_passing.wait()
            await self._pass_on(reader, writer)
        except* OSError:
            pass  # one side has broken it off, and so does the proxy with the other
        finally:
            writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, onward = await asyncio.open_connection("127.0.0.1", self._target_port)
        ends = {writer, onward}
        self._writers |= ends
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._copy(reader, onward))
                both.create_task(self._copy(answers, writer))
        finally:
            self._writers -= ends
            onward.transport.abort()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(CHUNK):
            await asyncio.sleep(self.delay_seconds)
            await self._is_passing.wait()
            writer.write(chunk)
            await writer.drain()
        await self._is_passing.wait()
        writer.write_eof()

    async def stop(self) -> None:
        """Break off every connection, and take no other."""
        self.refuse()
        under_way = list(self._under_way)
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)


@contextlib.asynccontextmanager
async def passing(target_port: int) -> AsyncIterator[TcpProxy]:
    """A proxy before a port of loopback, at a port of its own, as long as the block lasts."""
    proxy = TcpProxy(target_port)
    await proxy.listen()
    try:
        yield proxy
    finally:
        await proxy.stop()
