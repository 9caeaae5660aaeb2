"""A site of its own, with pages that a browser opens."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class Site:
    """A web server whose pages are of one policy; `pages` holds their HTML by path."""

    url: str
    policy: str = ""
    pages: dict[str, str] = field(default_factory=dict)

    @property
    def local_url(self) -> str:
        """It as another site than those of 127.0.0.1, for cookies too."""
        return self.url.replace("127.0.0.1", "localhost")

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers one request for a page."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        body = self.pages.get(head.split(" ")[1], "").encode()
        lines = (
            "HTTP/1.1 200 OK",
            "Content-Type: text/html; charset=utf-8",
            *([f"Content-Security-Policy: {self.policy}"] if self.policy else []),
            f"Content-Length: {len(body)}",
            "Connection: close",
        )
        writer.write("\r\n".join((*lines, "", "")).encode() + body)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def running_site(port: int) -> AsyncIterator[Site]:
    """A site at this port of this machine."""
    site = Site(f"http://127.0.0.1:{port}")
    async with await asyncio.start_server(site.answer, "127.0.0.1", port):
        yield site
