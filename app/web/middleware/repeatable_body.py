"""The body of a call that may have to be sent more than once, and its client's hanging up."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from starlette.types import Message, Receive

MAX_KEPT_BYTES: Final = 64 * 1024
"""How much is kept of a body that is still being written; one that was read whole is in memory."""


class RepeatableBody:
    """The messages of a request's body, which can be read again as long as they are kept.

    `is_streamed` tells that the body is still being written; without `has_body` there is none.
    """

    def __init__(self, receive: Receive, *, is_streamed: bool, has_body: bool) -> None:
        self._receive = receive
        self._is_streamed = is_streamed
        self._kept: list[Message] = []
        self._kept_bytes = 0
        self._is_read = asyncio.Event()
        self._has_hung_up = False
        self.is_repeatable = True
        """Whether the body can be read from its beginning."""
        if not has_body:
            self._is_read.set()

    async def read_whole(self) -> bytes:
        """The body of a request that `BodyGuard` has read."""
        message = await self._next()
        body: bytes = message.get("body", b"")
        return body

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body from its beginning; it never ends once the client has hung up."""
        yield b""  # so that the head is sent before the first of the body has come
        for message in list(self._kept):
            yield message.get("body", b"")
        while not self._is_read.is_set():
            message = await self._next()
            yield message.get("body", b"")

    async def hung_up(self) -> None:
        """Wait until the client has hung up; the body itself is read by others."""
        await self._is_read.wait()
        while not self._has_hung_up:
            await self._take()

    def replayed(self) -> Receive:
        """A `receive` for an application of this process, which gives the body once more."""
        kept = list(self._kept)

        async def receive() -> Message:
            return kept.pop(0) if kept else await self._receive()

        return receive

    async def _next(self) -> Message:
        message = await self._take()
        if self._has_hung_up:
            await asyncio.Event().wait()  # until cancelled: half a body is never given
        self._keep(message)
        if not message.get("more_body", False):
            self._is_read.set()
        return message

    async def _take(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self._has_hung_up = True
            self._is_read.set()
        return message

    def _keep(self, message: Message) -> None:
        self._kept_bytes += len(message.get("body", b""))
        if self._is_streamed and self._kept_bytes > MAX_KEPT_BYTES:
            self.is_repeatable = False
            self._kept.clear()
        if self.is_repeatable:
            self._kept.append(message)
