"""A minimal stand-in for Kaltura, so fast that a benchmark measures only the broker."""

import asyncio
import itertools
import json
import sys


class KalturaStub(asyncio.Protocol):
    """Answers every request at once; each request must arrive in one piece, as small ones do."""

    def __init__(self, ids: "itertools.count[int]") -> None:
        self._ids = ids
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport for the answers."""
        if isinstance(transport, asyncio.WriteTransport):
            self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer the operation that the last segment of the path names."""
        answer: dict[str, object] = {"success": True}
        match data.split(b" ", 2)[1].rsplit(b"/", 1)[1]:
            case b"create":
                answer |= {"sessionId": f"bench-{next(self._ids)}", "token": "bench"}
            case b"init-client":
                answer |= {"whepUrl": "http://127.0.0.1/whep"}
        body = json.dumps(answer).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        if self._transport is not None:
            self._transport.write(head + body)


async def serve(port: int) -> None:
    """Serve on loopback until the process is ended."""
    ids = itertools.count()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: KalturaStub(ids), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
