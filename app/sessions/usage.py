"""How many sessions there were, and how many minutes they lasted."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Integer, Select, case, cast, func, select

from app.database import Database
from app.sessions.journal import SESSIONS
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
        used: dict[int, Used] = defaultdict(Used)
        first, last = _day(SESSIONS.c.opened_at), _day(_until(now))
        counted = func.count().label("sessions"), func.sum(_lasted(now)).label("seconds")
        within = select(first.label("day"), *counted).where(first == last).group_by(first)
        for row in await self.database.read(self._of(within, today)):
            used[row.day].sessions += row.sessions
            used[row.day].seconds += row.seconds
        across = select(SESSIONS.c.opened_at, _until(now).label("until")).where(first != last)
        for row in await self.database.read(self._of(across, today)):
            _split(used, row.opened_at, row.until)
        return {_date(day): used[day] for day in range(today, today - DAYS, -1)}

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

    def _of(self, query: Select[Any], today: int) -> Select[Any]:
        oldest = (today - DAYS) * DAY_SECONDS
        return query.where(SESSIONS.c.base_url == self.base_url, SESSIONS.c.opened_at >= oldest)


def _split(used: dict[int, Used], opened_at: float, until: float) -> None:
    """A session that lasts past midnight has its minutes on the days on which they were."""
    used[int(opened_at // DAY_SECONDS)].sessions += 1
    while opened_at < until:
        day = int(opened_at // DAY_SECONDS)
        midnight = (day + 1) * DAY_SECONDS
        used[day].seconds += min(until, midnight) - opened_at
        opened_at = midnight


def _until(now: float) -> Any:
    """When a session was over, or now."""
    ended = func.coalesce(SESSIONS.c.ended_at, now)
    limit = case((SESSIONS.c.expires_at < now, SESSIONS.c.expires_at), else_=now)
    return case((ended < limit, ended), else_=limit)


def _lasted(now: float) -> Any:
    lasted = _until(now) - SESSIONS.c.opened_at
    return case((lasted > 0, lasted), else_=0.0)


def _day(at: Any) -> Any:
    """The number of the day since 1970."""
    return cast(at / DAY_SECONDS, Integer)


def _date(day: int) -> date:
    return (datetime.fromtimestamp(0, UTC) + timedelta(days=day)).date()
