"""The state that operators follow, looked up for all of them together."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from app.sessions.clock import Clock
from app.web.operator.schemas import HealthReport, LiveSessionList

REST: Final = 9
"""How many times as long as a look took no other is taken: looks have a tenth of the time."""

Found = tuple[LiveSessionList, HealthReport]
"""What a look finds."""


class SharedLook:
    """Looks at every open session for those who follow them, however many they are.

    A look takes longer the more sessions are open, and then fewer are taken.
    """

    def __init__(self, monotonic: Clock) -> None:
        self._monotonic = monotonic
        self._lock = asyncio.Lock()
        self._found: Found | None = None
        self._next_at = 0.0

    async def found(self, look: Callable[[], Awaitable[Found]]) -> Found:
        """The state as it is now, or as the last look found it if that was too short a time ago."""
        async with self._lock:
            began = self._monotonic()
            if self._found is None or began >= self._next_at:
                self._found = await look()
                ended = self._monotonic()
                self._next_at = ended + REST * (ended - began)
            return self._found
