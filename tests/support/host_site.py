"""A site of another origin than the broker's, whose policy names the broker and little else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from playwright.async_api import Locator, Page, expect

from tests.support.avatar_page import PATIENCE_MS, eventually
from tests.support.demo import Demo

_VIOLATIONS: Final = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.violations.push(`${event.effectiveDirective} ${event.blockedURI}`));
"""


@dataclass
class HostSite:
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
            f"Content-Security-Policy: {self.policy}",
            f"Content-Length: {len(body)}",
            "Connection: close",
        )
        writer.write("\r\n".join((*lines, "", "")).encode() + body)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def host_site(port: int) -> AsyncIterator[HostSite]:
    """A site at this port of this machine."""
    site = HostSite(f"http://127.0.0.1:{port}")
    async with await asyncio.start_server(site.answer, "127.0.0.1", port):
        yield site


def policy(broker: Demo, *others: str) -> str:
    """What a site's policy needs for an avatar: the broker, and where its picture comes from."""
    return (
        "default-src 'none'; img-src data:; "
        "require-trusted-types-for 'script'; trusted-types 'none'; "
        f"script-src {' '.join((broker.url, *others))}; "
        f"connect-src {' '.join((broker.url, broker.emulator_url, *others))}"
    )


@dataclass
class EmbeddedAvatar:
    """`<kaltura-avatar>` on a page of a site; `messages` holds all that the console got."""

    page: Page
    site: HostSite
    broker: Demo
    messages: list[str] = field(default_factory=list)

    async def open(self, attributes: str = "", *, html: str = "", script: str = "") -> None:
        """Opens a page that is two lines of HTML, or other ones."""
        source = script or f"{self.broker.url}/avatar.js"
        self.site.policy = self.site.policy or policy(self.broker)
        self.site.pages["/"] = (
            '<!doctype html><html lang="en"><title>A shop</title><link rel="icon" href="data:,">'
            f'<main><h1>A shop</h1><script type="module" src="{source}"></script>'
            f"{html or f'<kaltura-avatar {attributes}></kaltura-avatar>'}</main>"
        )
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.on("console", lambda message: self.messages.append(message.text))
        self.page.on("pageerror", lambda error: self.messages.append(f"thrown: {error}"))
        await self.page.add_init_script(_VIOLATIONS)
        await self.page.goto(self.site.url)
        await self.page.evaluate("customElements.whenDefined('kaltura-avatar').then(() => {})")

    def button(self, name: str) -> Locator:
        """The button of this name."""
        return self.page.get_by_role("button", name=name, exact=True)

    @property
    def status(self) -> Locator:
        """The line that says how things are."""
        return self.page.get_by_role("status")

    async def get(self, expression: str) -> Any:
        """What an expression about the element, `avatar`, gives."""
        return await self.page.evaluate(
            f"(() => {{ const avatar = document.querySelector('kaltura-avatar'); "
            f"return {expression}; }})()"
        )

    async def becomes(self, *states: str) -> None:
        """Waits for one of these states."""

        async def is_there() -> bool:
            return await self.get("avatar.state") in states

        await eventually(is_there, f"the element is {' or '.join(states)}")

    async def start(self) -> str:
        """Clicks Start, waits until it is live, and returns the session's id."""
        await self.button("Start").click()
        await self.becomes("live", "speaking")
        return str(await self.get("avatar.sessionId"))

    async def speak(self, text: str) -> None:
        """Types a text and clicks Speak."""
        await self.page.get_by_role("textbox").fill(text)
        await self.button("Speak").click()

    async def has_said(self, text: str) -> None:
        """Waits until a text was heard to its end."""
        said = f"avatar.utterances.some((one) => one.text === {text!r} && one.state === 'said')"

        async def is_said() -> bool:
            return bool(await self.get(said))

        await eventually(is_said, f"{text} is said")

    async def end(self) -> None:
        """Clicks End."""
        await self.button("End").click()
        await expect(self.status).to_have_text("Ended")

    async def violations(self) -> list[str]:
        """What the page's policy has forbidden."""
        found: list[str] = await self.page.evaluate("window.violations")
        return found
