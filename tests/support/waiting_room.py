"""A waiting room in front of a broker that has none: the routes of one tab are answered here."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import Page, Route

CREATE = "**/api/create-avatar-session"
ROOM = "**/api/waiting-room/**"


@dataclass
class WaitingRoom:
    """Who asks for a session waits at `position`, until `turn` is called."""

    position: int = 3
    estimated_seconds: int = 70
    tickets: list[str] = field(default_factory=list)
    """Given out so far; only the last one is good."""
    left: list[str] = field(default_factory=list)
    creates: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """The key and the body of each."""
    polls: int = 0
    offline: bool = False
    gone: bool = False
    """Whether the ticket is gone."""
    _turn: bool = False
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def guard(self, page: Page) -> None:
        """Answer for the waiting room in this tab from now on."""
        await page.route(CREATE, self._create)
        await page.route(ROOM, self._ask)

    def move(self, *, position: int, estimated_seconds: int = 40) -> None:
        """The line moves."""
        self.position, self.estimated_seconds = position, estimated_seconds
        self.tell()

    def turn(self) -> None:
        """It is this visitor's turn."""
        self.position, self._turn = 1, True
        self.tell()

    def tell(self) -> None:
        """Answer whoever asks where they are."""
        self._news.set()

    async def _create(self, route: Route) -> None:
        body = json.loads(route.request.post_data or "{}")
        self.creates.append((route.request.headers["idempotency-key"], body))
        if "ticket" in body:
            # This broker knows of no tickets; what it is asked for is all the same.
            await route.continue_(post_data="{}")
            return
        self.tickets.append(f"ticket-{len(self.tickets) + 1}")
        self.gone = False
        await route.fulfill(status=202, json=self._place())

    async def _ask(self, route: Route) -> None:
        if route.request.method == "POST":
            self.left.append(route.request.url.split("/")[-2])
            await route.fulfill(json={"success": True})
            return
        self.polls += 1
        if not route.request.url.endswith("wait=0") and not self.offline:
            await self._news.wait()
        self._news.clear()
        if self.offline:
            await route.abort("internetdisconnected")
        elif self.gone:
            problem = {"type": "/problems/ticket-not-found", "title": "You are not in line"}
            await route.fulfill(status=404, json=problem)
        else:
            await route.fulfill(json=self._place())

    def _place(self) -> dict[str, Any]:
        return {
            "ticket": self.tickets[-1],
            "position": self.position,
            "estimatedSeconds": self.estimated_seconds,
            "turnSecondsLeft": 30 if self._turn else None,
        }
