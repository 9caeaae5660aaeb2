"""One snapshot of the broker's state for all operators who follow it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from app.sessions.clock import Clock
from app.web.operator.schemas import HealthReport, LiveSessionList

REST: Final = 9
"""The pause after a snapshot, as a multiple of the time it took: it has a tenth of all time."""

Snapshot = tuple[LiveSessionList, HealthReport]
"""The open sessions, and how the broker is doing."""


class SharedSnapshot:
    """Takes a snapshot of every open session once for all operators, however many follow them.

    A snapshot takes longer the more sessions are open, and then fewer are taken.
    """

    def __init__(self, monotonic: Clock) -> None:
        self._monotonic = monotonic
        self._lock = asyncio.Lock()
        self._latest: Snapshot | None = None
        self._next_at = 0.0

    async def latest(self, take: Callable[[], Awaitable[Snapshot]]) -> Snapshot:
        """The latest snapshot; `take` takes a new one when the pause after it is over."""
        async with self._lock:
            began = self._monotonic()
            if self._latest is None or began >= self._next_at:
                self._latest = await take()
                ended = self._monotonic()
                self._next_at = ended + REST * (ended - began)
            return self._latest
