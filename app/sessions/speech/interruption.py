"""Stop means silence, also where Kaltura goes on with what it has (reference D8)."""

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
"""Of one Stop, besides the first: as many as Kaltura may have pieces."""

AGAIN_SECONDS: Final = 0.15
"""Between two interrupts of one Stop."""

GOES_ON_SECONDS: Final = 10.0
"""A voice that is heard so long after a Stop is what that did not reach."""

Interrupt = Callable[[], Awaitable[None]]

log = structlog.get_logger(__name__)


@dataclass
class Stop:
    """One Stop, and how much `more` Kaltura had than the one piece that an interrupt stops."""

    more: int = 0


class Interrupter:
    """Interrupts, and again as often as there may be something left to be stopped.

    Nothing is to be said while it `is_busy`, or it would be stopped too.
    """

    def __init__(
        self,
        interrupt: Interrupt,
        clocks: Clocks,
        *,
        on_through: Callable[[], None],
    ) -> None:
        self.count = 0
        """How many Stops there were; what came before the last one is not said."""

        self._interrupt = interrupt
        self._clocks = clocks
        self._on_through = on_through
        self._busy = 0
        self._last = -math.inf
        self._again: set[asyncio.Task[None]] = set()

    @property
    def is_busy(self) -> bool:
        """Whether interrupts are under way."""
        return self._busy > 0

    @asynccontextmanager
    async def stopping(self, interrupt: Interrupt) -> AsyncIterator[Stop]:
        """Interrupt, then the block, then what more is needed; raises a `Problem`."""
        self.count += 1
        self._busy += 1
        stop = Stop()
        try:
            await interrupt()
            self._last = self._clocks.monotonic()
            yield stop
        finally:
            self._repeat(stop.more)

    def goes_on(self) -> None:
        """A voice is heard that should be silent."""
        if not self._busy and self._clocks.monotonic() - self._last < GOES_ON_SECONDS:
            self._busy += 1
            self._repeat(1)

    def cancel(self) -> None:
        """Break off, at the end of the process."""
        for task in self._again:
            task.cancel()

    def _repeat(self, times: int) -> None:
        if times <= 0:
            self._through()
            return
        task = asyncio.create_task(self._interrupt_again(min(times, MAX_INTERRUPTS)))
        self._again.add(task)
        task.add_done_callback(self._again.discard)

    async def _interrupt_again(self, times: int) -> None:
        try:
            for _ in range(times):
                await self._clocks.sleep(AGAIN_SECONDS)
                await self._interrupt()
        except Problem as problem:
            log.warning("speech was not interrupted again", problem=problem.name)
        finally:
            self._through()

    def _through(self) -> None:
        self._busy -= 1
        self._on_through()
