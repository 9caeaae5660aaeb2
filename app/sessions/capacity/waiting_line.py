"""Snapshots of the waiting line: one read of it serves all who wait, however many they are."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from app.problems import Problem

MAX_PAUSE_SECONDS: Final = 1.0
"""Longest pause between two reads, also after one that has failed late."""


@dataclass(frozen=True)
class LinePlace:
    """A ticket's position and owner, and the seconds left of its turn; None before the turn."""

    position: int
    owner: str
    turn_seconds_left: float | None


@dataclass(frozen=True)
class LineSnapshot:
    """The line as it was at one time of the waiting room's clock.

    `sessions` is the number of open sessions at that time. `is_due` tells that a ticket is to be
    called or removed.
    """

    at: float
    places: Mapping[str, LinePlace]
    """By ticket id."""

    ticket_keys: AbstractSet[str]
    sessions: int
    is_due: bool


class WaitingLineReader:
    """Reads the line once for all callers that ask at the same time.

    Each change of the line concerns everyone in it. If a few hundred callers each read it for
    themselves, the reads would take longer than the time from one change to the next. After each
    read there is a pause, `rest` times as long as the read and at most `MAX_PAUSE_SECONDS`, so that
    reads leave time for the changes.
    """

    def __init__(self, read: Callable[[], Awaitable[LineSnapshot]], *, rest: float = 0.0) -> None:
        self._read = read
        self._rest = rest
        self._reading = asyncio.Lock()
        self._found: LineSnapshot | Problem | None = None
        self._began_at = 0.0
        self._next_at = 0.0

    async def since(self, at: float) -> LineSnapshot:
        """The line as it was at a monotonic time, or later; raises what the read raised."""
        async with self._reading:
            found = self._found
            if found is None or self._began_at < at:
                found = self._found = await self._read_after_pause()
        if isinstance(found, Problem):
            raise found
        return found

    async def latest(self) -> LineSnapshot:
        """The line as it was last read; once the pause is over, it is read again."""
        is_paused = time.monotonic() < self._next_at
        return await self.since(0.0 if is_paused else time.monotonic())

    async def _read_after_pause(self) -> LineSnapshot | Problem:
        if (pause := self._next_at - time.monotonic()) > 0:
            await asyncio.sleep(pause)
        began_at = time.monotonic()
        found: LineSnapshot | Problem
        try:
            found = await self._read()
        except Problem as problem:
            found = problem
        ended_at = time.monotonic()
        self._began_at = began_at
        self._next_at = ended_at + min(self._rest * (ended_at - began_at), MAX_PAUSE_SECONDS)
        return found
