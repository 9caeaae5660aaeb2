"""A transport that sends the head of an answer together with the first piece of its body."""

import asyncio
from typing import Any


class JoinedWrites:
    """Joins the first two writes of an answer, which uvicorn makes of its head and of its body.

    Each write is a call of the system. A head whose body does not follow at once, as that of a
    stream of events, is sent by itself in the next turn of the loop. All but `write` and `close` is
    left to the connection's own transport.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head: bytes | None = None
        self._has_begun = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send `data`, unless it is the first: that waits for what follows in this turn."""
        if not self._has_begun:
            self._has_begun = True
            self._head = data
            self._loop.call_soon(self._send_head)
        elif self._head is None:
            self._transport.write(data)
        else:
            head, self._head = self._head, None
            self._transport.writelines([head, data])

    def close(self) -> None:
        """Send what waits, and close the connection."""
        self._send_head()
        self._transport.close()

    def _send_head(self) -> None:
        if self._head is not None:
            head, self._head = self._head, None
            self._transport.write(head)
