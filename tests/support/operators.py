"""An operator who has signed in, and answers that do not end by themselves."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx

TOKEN = "an-operator-token-of-some-length"


async def signed_in(client: httpx.AsyncClient) -> httpx.AsyncClient:
    answer = await client.post("/operator/api/sign-in", json={"token": TOKEN})
    assert answer.status_code == 200
    return client


class Stream:
    """What has come of an answer until now."""

    def __init__(self, *, reads_nothing: bool = False) -> None:
        self.status = 0
        self.is_over = False
        self._reads_nothing = reads_nothing
        self.headers: dict[str, str] = {}
        self._body = b""
        self._came = asyncio.Event()

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        self._body += message.get("body", b"")
        self.is_over = not message.get("more_body", message["type"] == "http.response.start")
        self._came.set()
        if self._reads_nothing and message["type"] == "http.response.body":
            await asyncio.Event().wait()

    async def until(self, words: str) -> str:
        """The answer up to now, as soon as these words are in it."""
        async with asyncio.timeout(10):
            while words not in self._body.decode():
                self._came.clear()
                await self._came.wait()
        return self._body.decode()

    async def ended(self) -> str:
        """The whole answer."""
        async with asyncio.timeout(10):
            while not self.is_over:
                self._came.clear()
                await self._came.wait()
        return self._body.decode()

    async def begun(self) -> int:
        async with asyncio.timeout(10):
            while not self.status:
                self._came.clear()
                await self._came.wait()
        return self.status


@contextlib.asynccontextmanager
async def following(
    client: httpx.AsyncClient, url: str, *, reads_nothing: bool = False
) -> AsyncIterator[Stream]:
    """A GET whose answer is read as it comes; at the end of the block its reader goes away."""
    request = client.build_request("GET", url)
    gone = asyncio.Event()
    stream = Stream(reads_nothing=reads_nothing)
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": request.url.scheme,
        "path": request.url.path,
        "raw_path": request.url.raw_path.split(b"?")[0],
        "query_string": request.url.query,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "client": ("127.0.0.1", 50_000),
        "server": ("broker.test", 80),
        "root_path": "",
    }
    asked = False

    async def receive() -> Any:
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await gone.wait()
        return {"type": "http.disconnect"}

    transport: Any = client._transport
    answering = asyncio.create_task(transport.app(scope, receive, stream.send))
    try:
        yield stream
    finally:
        gone.set()
        async with asyncio.timeout(10):
            await answering
