"""Ends the sessions that nobody ends."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, NoReturn

import structlog

from app.problems import RecordUnavailable
from app.sessions.capacity.budgets import Budgets
from app.sessions.capacity.manager import CapacityManager
from app.sessions.clock import SessionClock
from app.sessions.lifecycle.termination import SessionTerminator
from app.sessions.registry import SessionRegistry
from app.sessions.store.model import AvatarSession, EndReason

SWEEP_SECONDS: Final = 1.0
TAKE_OVER_SECONDS: Final = 5.0
"""What other processes have left is looked for less often; it is a query."""

log = structlog.get_logger(__name__)


class Reaper:
    """Ends sessions that are idle, left or over their time, and those Kaltura did not end at once.

    It also brings in what dead processes left, and lets the line move on.
    """

    def __init__(
        self,
        *,
        terminator: SessionTerminator,
        registry: SessionRegistry,
        capacity: CapacityManager,
        budgets: Budgets,
        idle_seconds: int,
        clock: SessionClock,
    ) -> None:
        self._terminator = terminator
        self._registry = registry
        self._capacity = capacity
        self._budgets = budgets
        self._idle_seconds = idle_seconds
        self._clock = clock

    async def run(self) -> None:
        """Sweep, and look for what other processes have left, until cancelled.

        Each at its own pace: a disk that hangs keeps no session from being ended.
        """
        await asyncio.gather(
            _over_and_over(self.sweep, SWEEP_SECONDS),
            _over_and_over(self._registry.take_over, TAKE_OVER_SECONDS),
        )

    async def sweep(self) -> None:
        """See to it that everything that is due now is ended; waits for none of it."""
        now, running = self._clock(), self._clock.running()
        for runtime in self._registry.runtimes():
            reason = self._due(runtime.session, now, running)
            if reason is not None:
                self._terminator.end_soon(runtime, reason)
        await self._capacity.advance()
        live = [each for each in self._registry.runtimes() if each.session.ended is None]
        for runtime in await self._budgets.overdrawn(live):
            self._terminator.end_soon(runtime, EndReason.BUDGET)

    def _due(self, session: AvatarSession, now: float, running: float) -> EndReason | None:
        if session.ended is not None:
            return session.ended if now >= session.end_again_at else None
        if now >= session.expires_at:
            return session.last_moment
        if session.leaves_at is not None and running >= session.leaves_at:
            return EndReason.LEFT
        if session.is_elsewhere:
            return EndReason.SHUTDOWN
        idle = session.seen_at is not None and running - session.seen_at >= self._idle_seconds
        return EndReason.IDLE if idle else None


async def _over_and_over(work: Callable[[], Awaitable[None]], pause_seconds: float) -> NoReturn:
    """Do the work again and again, whatever goes wrong."""
    while True:
        try:
            await work()
        except RecordUnavailable:
            pass  # the database has said so in the log; the next time may be better
        except Exception:
            log.exception("sweep failed")
        await asyncio.sleep(pause_seconds)
