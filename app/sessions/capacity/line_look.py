"""One look at the line for all who wait in it, however many they are."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from app.problems import Problem

MAX_PAUSE_SECONDS: Final = 1.0
"""Longest pause between two looks, also after one that has failed late."""


@dataclass(frozen=True)
class PlaceInOrder:
    """A ticket's position, its owner, and the seconds left of its turn, which is None before."""

    position: int
    owner: str
    turn_seconds_left: float | None


@dataclass(frozen=True)
class Line:
    """The line as it was at a time of the waiting room's clock.

    `sessions` is the number of open sessions at that time. `is_due` tells that a ticket is to be
    called or removed.
    """

    at: float
    places: Mapping[str, PlaceInOrder]
    """By ticket id."""

    ticket_keys: AbstractSet[str]
    sessions: int
    is_due: bool


class LineLook:
    """Looks at the line once for all who ask meanwhile.

    Each change concerns all who wait. If each looked for itself, the looks would take longer than
    the time from one change to the next when a few hundred wait. After each look there is a pause
    of `rest` times as long as it took, and of `MAX_PAUSE_SECONDS` at most, so that looks leave time
    for what they look at.
    """

    def __init__(self, look: Callable[[], Awaitable[Line]], *, rest: float = 0.0) -> None:
        self._look = look
        self._rest = rest
        self._looking = asyncio.Lock()
        self._found: Line | Problem | None = None
        self._began_at = 0.0
        self._next_at = 0.0

    async def since(self, at: float) -> Line:
        """The line as it was at a monotonic time, or later; raises what the look raised."""
        async with self._looking:
            found = self._found
            if found is None or self._began_at < at:
                found = self._found = await self._look_after_pause()
        if isinstance(found, Problem):
            raise found
        return found

    async def latest(self) -> Line:
        """The line as the last look found it, or after the pause as a new one finds it."""
        is_paused = time.monotonic() < self._next_at
        return await self.since(0.0 if is_paused else time.monotonic())

    async def _look_after_pause(self) -> Line | Problem:
        if (pause := self._next_at - time.monotonic()) > 0:
            await asyncio.sleep(pause)
        began_at = time.monotonic()
        found: Line | Problem
        try:
            found = await self._look()
        except Problem as problem:
            found = problem
        ended_at = time.monotonic()
        self._began_at = began_at
        self._next_at = ended_at + min(self._rest * (ended_at - began_at), MAX_PAUSE_SECONDS)
        return found
