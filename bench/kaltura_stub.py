"""A minimal stand-in for Kaltura, whose answers cost almost no processor time."""

import asyncio
import itertools
import json
import re
import sys
from typing import Final

_BODY_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_END_OF_HEAD: Final = b"\r\n\r\n"


class KalturaStub(asyncio.Protocol):
    """Answers every request after `delay_seconds`; requests have a Content-Length or no body."""

    def __init__(self, ids: "itertools.count[int]", delay_seconds: float) -> None:
        self._ids = ids
        self._delay_seconds = delay_seconds
        self._received = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport for the answers."""
        if isinstance(transport, asyncio.WriteTransport):
            self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Forget the transport, so that delayed answers are not written."""
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Answer each request that has arrived completely."""
        self._received += data
        while (end := self._received.find(_END_OF_HEAD)) >= 0:
            head = self._received[:end]
            length = _BODY_LENGTH.search(head)
            whole = end + len(_END_OF_HEAD) + (int(length[1]) if length else 0)
            if len(self._received) < whole:
                return
            self._received = self._received[whole:]
            answer = self._answer(head.split(b" ", 2)[1].rsplit(b"/", 1)[1])
            if self._delay_seconds:
                loop = asyncio.get_running_loop()
                loop.call_later(self._delay_seconds, self._write, answer)
            else:
                self._write(answer)

    def _answer(self, operation: bytes) -> bytes:
        """The answer to the operation that the last segment of the path names."""
        answer: dict[str, object] = {"success": True}
        match operation:
            case b"create":
                answer |= {"sessionId": f"bench-{next(self._ids)}", "token": "bench"}
            case b"init-client":
                answer |= {"whepUrl": "http://127.0.0.1/whep"}
        body = json.dumps(answer).encode()
        head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
        return f"{head}{len(body)}\r\n\r\n".encode() + body

    def _write(self, answer: bytes) -> None:
        if self._transport is not None:
            self._transport.write(answer)


async def serve(port: int, delay_seconds: float) -> None:
    """Serve on loopback until the process is ended."""
    ids = itertools.count()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: KalturaStub(ids, delay_seconds), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    port, delay_ms = int(sys.argv[1]), int((*sys.argv, "0")[2])
    asyncio.run(serve(port, delay_ms / 1000))
