"""Ends sessions that no caller ends."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, NoReturn

import structlog

from app.problems import RecordUnavailable
from app.sessions.capacity.budgets import Budgets
from app.sessions.capacity.manager import CapacityManager
from app.sessions.clock import SessionClock, Sleep
from app.sessions.lifecycle.termination import SessionTerminator
from app.sessions.registry import SessionRegistry
from app.sessions.store.model import AvatarSession, EndReason

SWEEP_SECONDS: Final = 1.0
"""Seconds between two sweeps over the open sessions."""
TAKE_OVER_SECONDS: Final = 5.0
"""Seconds between two searches for sessions of processes that no longer run; each is a query.

Replicas, which share Postgres, search more often.
"""

log = structlog.get_logger(__name__)


class Reaper:
    """Ends sessions that are idle, left or expired, and those that Kaltura has not ended yet.

    It also takes over sessions of processes that no longer run, and moves the waiting line on.
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

    async def run(self, wait_for_deaths: Sleep = asyncio.sleep) -> None:
        """Sweep and take over sessions repeatedly, until cancelled.

        The two loops are independent, so that a disk that hangs does not keep sessions from being
        ended. `wait_for_deaths` waits for the given seconds at most.
        """
        await asyncio.gather(
            _repeat(self.sweep, lambda: asyncio.sleep(SWEEP_SECONDS)),
            _repeat(self._registry.take_over, lambda: wait_for_deaths(TAKE_OVER_SECONDS)),
        )

    async def sweep(self) -> None:
        """Begin to end every session that is due now, without waiting for any of the calls."""
        now, running = self._clock(), self._clock.running()
        for runtime in self._registry.index.due(now, running, running - self._idle_seconds):
            reason = self._reason(runtime.session, now, running)
            if reason is not None:
                self._terminator.end_soon(runtime, reason)
        await self._capacity.sweep()
        for runtime in await self._budgets.overdrawn():
            self._terminator.end_soon(runtime, EndReason.BUDGET)

    def _reason(self, session: AvatarSession, now: float, running: float) -> EndReason | None:
        """The reason for which a session is to be ended now; None when it is not."""
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


async def _repeat(
    work: Callable[[], Awaitable[None]], pause: Callable[[], Awaitable[None]]
) -> NoReturn:
    """Repeat the work with a pause after each run, whatever it raises."""
    while True:
        try:
            await work()
        except RecordUnavailable:
            pass  # the database has logged the failure
        except Exception:
            log.exception("sweep failed")
        await pause()
