"""Daily budgets: the minutes of sessions of one visitor, and of all visitors."""

import asyncio
from collections import Counter
from typing import Final

from app.config.settings import Settings
from app.problems import BudgetSpent
from app.sessions.access import SERVICE
from app.sessions.clock import SessionClock
from app.sessions.registry import SessionRegistry
from app.sessions.runtime import SessionRuntime
from app.sessions.store.model import AvatarSession

DAY_SECONDS: Final = 24 * 3600
"""Seconds of a day; days begin at midnight UTC for every visitor."""

SUM_SECONDS: Final = 1.0
"""Seconds for which a day's sum is cached: no longer than from one sweep to the next."""


class Budgets:
    """Tells how much of today's budgets is left; open sessions use it up as time passes."""

    def __init__(
        self, settings: Settings, *, registry: SessionRegistry, clock: SessionClock
    ) -> None:
        self._of_all = settings.daily_minutes * 60
        self._of_visitor = settings.daily_minutes_per_visitor * 60
        self._one_each = settings.max_sessions_per_visitor == 1
        self._registry = registry
        self._clock = clock
        self._sums: dict[str | None, float] = {}
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

    async def overdrawn(self, live: list[SessionRuntime]) -> list[SessionRuntime]:
        """The open sessions whose budget is used up."""
        if await self._is_spent(None):
            return live
        owners = {each.session.owner for each in self._without_budget_expiry(live)}
        spent = {owner for owner in owners if await self._is_spent(owner)}
        return [each for each in live if each.session.owner in spent]

    async def seconds_left(self, session: AvatarSession) -> float:
        """Seconds that a session may still last, with an equal share of the budget of all."""
        if session.ended is not None:
            return 0.0
        left = max(session.expires_at - self._clock(), 0.0)
        left_of_all = await self._left_of(None)
        if left_of_all is None:
            return left
        live = sum(other.ended is None for other in self._registry.sessions())
        return min(left, max(left_of_all / max(live, 1), 0.0))

    async def _is_spent(self, owner: str | None) -> bool:
        left = await self._left_of(owner)
        return left is not None and left <= 0

    def _without_budget_expiry(self, live: list[SessionRuntime]) -> list[SessionRuntime]:
        """The sessions whose `expires_at` does not show when their visitor's budget is used up.

        These are the sessions of a visitor with more than one, and sessions opened before today.
        """
        if not self._of_visitor:
            return []
        if not self._one_each:
            return live
        today, count = self._today(), Counter(each.session.owner for each in live)
        return [
            each for each in live if each.session.opened_at < today or count[each.session.owner] > 1
        ]

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
            now = self._clock()
            if not 0 <= now - self._summed_at < SUM_SECONDS:
                self._sums, self._summed_at = {}, now
            if owner not in self._sums:
                self._sums[owner] = await self._registry.seconds_used(self._today(), owner)
            return self._sums[owner]

    def _today(self) -> float:
        """The start of today as a time of the session clock."""
        now = self._clock.wall()
        return self._clock.from_wall(now - now % DAY_SECONDS)
