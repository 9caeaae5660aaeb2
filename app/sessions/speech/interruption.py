"""Stops speech, also the chunks that Kaltura would continue with (reference D8)."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import structlog

from app.problems import Problem
from app.sessions.clock import Clocks

MAX_INTERRUPTS: Final = 8
"""Interrupts of one Stop after the first: as many as Kaltura may have chunks."""

REPEAT_SECONDS: Final = 0.15
"""Seconds between two interrupts of one Stop."""

LEFTOVER_SECONDS: Final = 10.0
"""Seconds after a Stop within which a voice that is heard is speech that the Stop did not reach."""

Interrupt = Callable[[], Awaitable[None]]
"""Function that sends one interrupt to Kaltura; raises a `Problem`."""

log = structlog.get_logger(__name__)


@dataclass
class Stop:
    """One Stop; `more` is the number of interrupts needed after the first stopped one chunk."""

    more: int = 0


class Interrupter:
    """Sends interrupts, repeated as often as Kaltura may have chunks left.

    While it `is_busy`, no chunk may be sent, since an interrupt would stop it.
    """

    def __init__(
        self,
        interrupt: Interrupt,
        clocks: Clocks,
        *,
        on_done: Callable[[], None],
    ) -> None:
        self.count = 0
        """The number of Stops so far; texts that arrived before the last one are not said."""

        self._interrupt = interrupt
        self._clocks = clocks
        self._on_done = on_done
        self._busy_count = 0
        self._last_stop_at = -math.inf
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def is_busy(self) -> bool:
        """Whether interrupts are under way."""
        return self._busy_count > 0

    @asynccontextmanager
    async def stopping(self, interrupt: Interrupt) -> AsyncIterator[Stop]:
        """Send an interrupt, run the block, then send `more` interrupts; raises a `Problem`."""
        self.count += 1
        self._busy_count += 1
        stop = Stop()
        try:
            await interrupt()
            self._last_stop_at = self._clocks.monotonic()
            yield stop
        finally:
            self._repeat(stop.more)

    def voice_heard(self) -> None:
        """Send another interrupt when a voice is heard shortly after a Stop."""
        if (
            not self._busy_count
            and self._clocks.monotonic() - self._last_stop_at < LEFTOVER_SECONDS
        ):
            self._busy_count += 1
            self._repeat(1)

    def cancel(self) -> None:
        """Cancel the interrupts under way, at the end of the process."""
        for task in self._tasks:
            task.cancel()

    def _repeat(self, times: int) -> None:
        if times <= 0:
            self._done()
            return
        task = asyncio.create_task(self._interrupt_again(min(times, MAX_INTERRUPTS)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _interrupt_again(self, times: int) -> None:
        try:
            for _ in range(times):
                await self._clocks.sleep(REPEAT_SECONDS)
                await self._interrupt()
        except Problem as problem:
            log.warning("speech was not interrupted again", problem=problem.name)
        finally:
            self._done()

    def _done(self) -> None:
        self._busy_count -= 1
        self._on_done()
