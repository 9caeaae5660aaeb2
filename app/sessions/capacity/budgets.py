"""How many minutes a day sessions may last, of one visitor and of all."""

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
"""A day begins at midnight UTC, the same moment for everyone."""

SUM_SECONDS: Final = 1.0
"""How long a sum over the day is good for: no longer than from one sweep to the next."""


class Budgets:
    """Knows what is left of today's minutes; live sessions spend them as they go."""

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
        """How long a session of `owner` may last if it opens now.

        None when today's minutes last into tomorrow. Raises `BudgetSpent` when none are left.
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
        """Which of the live sessions have no minutes left."""
        if await self._is_spent(None):
            return live
        owners = {each.session.owner for each in self._unforeseen(live)}
        spent = {owner for owner in owners if await self._is_spent(owner)}
        return [each for each in live if each.session.owner in spent]

    async def seconds_left(self, session: AvatarSession) -> float:
        """How long a session may still last, its share of the minutes of all considered."""
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

    def _unforeseen(self, live: list[SessionRuntime]) -> list[SessionRuntime]:
        """Sessions whose `expires_at` does not tell when their visitor's minutes are used up.

        Those of a visitor who has several or had, and those of yesterday.
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
        lefts = [await self._left_of(None), await self._left_of(owner)]
        return min((left for left in lefts if left is not None), default=None)

    async def _left_of(self, owner: str | None) -> float | None:
        """What is left of the budget of all, or of one visitor's; None when there is none.

        A service has no visitor's budget: it is many visitors.
        """
        budget = self._of_all if owner is None else self._of_visitor
        if not budget or (owner or "").startswith(SERVICE):
            return None
        return budget - await self._used(owner)

    async def _used(self, owner: str | None) -> float:
        """Today's seconds; summed up once in `SUM_SECONDS`, however many ask: it is a query."""
        async with self._summing:
            now = self._clock()
            if not 0 <= now - self._summed_at < SUM_SECONDS:
                self._sums, self._summed_at = {}, now
            if owner not in self._sums:
                self._sums[owner] = await self._registry.seconds_used(self._today(), owner)
            return self._sums[owner]

    def _today(self) -> float:
        """When the day began, by the sessions' clock."""
        now = self._clock.wall()
        return self._clock.from_wall(now - now % DAY_SECONDS)
