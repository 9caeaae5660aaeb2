"""Daily budgets: the minutes of sessions of one visitor, and of all visitors."""

import asyncio
import math
from typing import Final

from app.config.settings import Settings
from app.problems import BudgetSpent
from app.sessions.access import SERVICE
from app.sessions.clock import SessionClock
from app.sessions.registry import SessionRegistry
from app.sessions.runtime import SessionRuntime
from app.sessions.store.model import AvatarSession
from app.sessions.store.overview import SharedOverview

DAY_SECONDS: Final = 24 * 3600
"""Seconds of a day; days begin at midnight UTC for every visitor."""

SUM_SECONDS: Final = 1.0
"""Seconds for which a day's sum is cached: no longer than from one sweep to the next."""


class Budgets:
    """Tells how much of today's budgets is left; open sessions use it up as time passes.

    `overview` tells of the sessions of other processes, which use up the same budgets; None is for
    one process.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        registry: SessionRegistry,
        overview: SharedOverview | None,
        clock: SessionClock,
    ) -> None:
        self._of_all = settings.daily_minutes * 60
        self._of_visitor = settings.daily_minutes_per_visitor * 60
        self._registry = registry
        self._overview = overview
        self._clock = clock
        self._sums: dict[str | None, float] = {}
        self._live_elsewhere: int | None = None
        self._summed_at = 0.0
        self._summing = asyncio.Lock()

    async def seconds_for(self, owner: str) -> float | None:
        """Seconds that a session of `owner` may last from now; None when no budget ends it today.

        Raises `BudgetSpent` when less than a second is left.
        """
        now = self._clock()
        left = await self._seconds_left(owner)
        tomorrow = self._today() + DAY_SECONDS
        if left is None or now + left >= tomorrow:
            return None
        if left < 1:
            raise BudgetSpent(retry_after=int(tomorrow - now) + 1)
        return left

    async def overdrawn(self) -> list[SessionRuntime]:
        """The open sessions whose budget is used up."""
        if await self._is_spent(None):
            return [each for each in self._registry.runtimes() if each.session.ended is None]
        return await self._overdrawn_by_visitors() if self._of_visitor else []

    async def _overdrawn_by_visitors(self) -> list[SessionRuntime]:
        """The open sessions of visitors whose budgets are used up.

        A visitor is looked at again when the minutes may be used up, and after another session of
        theirs was opened, which uses them up faster.
        """
        index, now = self._registry.index, self._clock()
        overdrawn: list[SessionRuntime] = []
        for due in index.budgeted.until(now):
            if due.session.ended is not None or due.session.budget_check_at > now:
                continue
            left = await self._left_of(due.session.owner)
            own = [due] if left is None else index.live_of(due.session.owner)
            if left is not None and left <= 0:
                overdrawn += own
                continue
            again_at = math.inf if left is None else now + left / len(own)
            for runtime in own:
                await self._registry.update(runtime, budget_check_at=again_at)
        return overdrawn

    async def seconds_left(self, session: AvatarSession) -> float:
        """Seconds that a session may still last, with an equal share of the budget of all."""
        if session.ended is not None:
            return 0.0
        left = max(session.expires_at - self._clock(), 0.0)
        return min(left, await self.equal_share(await self._live()))

    async def equal_share(self, sessions: int) -> float:
        """Seconds that each of `sessions` open sessions may last by the budget of all."""
        left_of_all = await self._left_of(None)
        return math.inf if left_of_all is None else max(left_of_all / max(sessions, 1), 0.0)

    async def _is_spent(self, owner: str | None) -> bool:
        left = await self._left_of(owner)
        return left is not None and left <= 0

    async def _seconds_left(self, owner: str) -> float | None:
        remaining = [await self._left_of(None), await self._left_of(owner)]
        return min((each for each in remaining if each is not None), default=None)

    async def _left_of(self, owner: str | None) -> float | None:
        """Seconds left of one visitor's budget, or for `owner` None of all; None without a budget.

        A service acts for many visitors, so no visitor's budget applies to it.
        """
        budget = self._of_all if owner is None else self._of_visitor
        if not budget or (owner or "").startswith(SERVICE):
            return None
        return budget - await self._used(owner)

    async def _used(self, owner: str | None) -> float:
        """Seconds used today; the database is queried at most once in `SUM_SECONDS`."""
        async with self._summing:
            self._forget_old_sums()
            if owner not in self._sums:
                self._sums[owner] = await self._registry.seconds_used(self._today(), owner)
            return self._sums[owner]

    async def _live(self) -> int:
        """The number of live sessions of all processes; it is only asked for a budget of all."""
        here = self._registry.index.live
        if self._overview is None or not self._of_all:
            return here
        async with self._summing:
            self._forget_old_sums()
            if self._live_elsewhere is None:
                number = await self._overview.live_by_replica()
                self._live_elsewhere = sum(number.values()) - number.get(self._overview.own_name, 0)
            return here + self._live_elsewhere

    def _forget_old_sums(self) -> None:
        now = self._clock()
        if not 0 <= now - self._summed_at < SUM_SECONDS:
            self._sums, self._live_elsewhere, self._summed_at = {}, None, now

    def _today(self) -> float:
        """The start of today as a time of the session clock."""
        now = self._clock.wall()
        return self._clock.from_wall(now - now % DAY_SECONDS)
