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


def calls_allowed_from(port: int) -> dict[str, str]:
    """The setting of a broker that the pages of the site at this port may call."""
    return {"ALLOWED_ORIGINS": f"http://127.0.0.1:{port}"}


@asynccontextmanager
async def running_site(port: int) -> AsyncIterator[Site]:
    """A site at this port of this machine."""
    site = Site(f"http://127.0.0.1:{port}")
    async with await asyncio.start_server(site.answer, "127.0.0.1", port):
        yield site


@asynccontextmanager
async def site(port: int, html: str) -> AsyncIterator[str]:
    """A site with one page; gives its address."""
    async with running_site(port) as running:
        running.pages["/"] = html
        yield running.url
