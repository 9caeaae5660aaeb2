"""How many sessions there were, and how many minutes they lasted."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Select, case, func, literal, select, union_all

from app.database import Database
from app.sessions.journal import SESSIONS, was_open_until
from app.sessions.tokens import Clock

DAYS: Final = 31
"""Today and the thirty days before it."""

MOST: Final = 100
"""Visitors that are told of, those with the most minutes first."""

DAY_SECONDS: Final = 24 * 3600


@dataclass
class Used:
    """Sessions that began, and how long sessions were open."""

    sessions: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Usage:
    """Reads the history of sessions; a day begins at midnight UTC.

    Only sessions at the present address of Kaltura's count, as they do for budgets.
    """

    database: Database
    base_url: str
    clock: Clock

    async def by_day(self) -> dict[date, Used]:
        """Each of the last days, the latest first; raises `RecordUnavailable`."""
        now = self.clock()
        today = int(now // DAY_SECONDS)
        # Those that began before the first day may have lasted into it.
        days = range(today, today - DAYS - 1, -1)
        used: dict[int, Used] = defaultdict(Used)
        for row in await self.database.read(union_all(*(self._within(d, now) for d in days))):
            used[row.day].sessions += row.sessions
            used[row.day].seconds += row.seconds or 0.0
        for row in await self.database.read(union_all(*(self._across(d, now) for d in days))):
            _split(used, row.opened_at, row.until)
        return {_date(day): used[day] for day in days[:DAYS]}

    async def by_visitor(self, days: int = DAYS) -> dict[str, Used]:
        """Those who used the most in so many days, by the days on which their sessions began."""
        now = self.clock()
        first_day = int(now // DAY_SECONDS) - days + 1
        seconds = func.sum(_lasted(now))
        query = (
            select(SESSIONS.c.owner, func.count().label("sessions"), seconds.label("seconds"))
            .where(SESSIONS.c.opened_at >= first_day * DAY_SECONDS)
            .where(SESSIONS.c.base_url == self.base_url)
            .group_by(SESSIONS.c.owner)
            .order_by(seconds.desc(), SESSIONS.c.owner)
            .limit(MOST)
        )
        rows = await self.database.read(query)
        return {row.owner: Used(row.sessions, row.seconds) for row in rows}

    def _within(self, day: int, now: float) -> Select[Any]:
        """What began on a day and was over on it."""
        counted = func.count().label("sessions"), func.sum(_lasted(now)).label("seconds")
        return self._began_on(day, literal(day).label("day"), *counted).where(
            was_open_until(now) <= (day + 1) * DAY_SECONDS
        )

    def _across(self, day: int, now: float) -> Select[Any]:
        """What began on a day and was not."""
        until = was_open_until(now)
        return self._began_on(day, SESSIONS.c.opened_at, until.label("until")).where(
            until > (day + 1) * DAY_SECONDS
        )

    def _began_on(self, day: int, *columns: Any) -> Select[Any]:
        begin = day * DAY_SECONDS
        return select(*columns).where(
            SESSIONS.c.base_url == self.base_url,
            SESSIONS.c.opened_at >= begin,
            SESSIONS.c.opened_at < begin + DAY_SECONDS,
        )


def _split(used: dict[int, Used], opened_at: float, until: float) -> None:
    """A session that lasts past midnight has its minutes on the days on which they were."""
    used[int(opened_at // DAY_SECONDS)].sessions += 1
    while opened_at < until:
        day = int(opened_at // DAY_SECONDS)
        midnight = (day + 1) * DAY_SECONDS
        used[day].seconds += min(until, midnight) - opened_at
        opened_at = midnight


def _lasted(now: float) -> Any:
    lasted = was_open_until(now) - SESSIONS.c.opened_at
    return case((lasted > 0, lasted), else_=0.0)


def _date(day: int) -> date:
    return (datetime.fromtimestamp(0, UTC) + timedelta(days=day)).date()
