"""How many sessions there were, and how many minutes they lasted."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Integer, case, cast, func, literal_column, select

from app.db.database import POSTGRES, Database
from app.sessions.clock import Clock
from app.sessions.store.repository import SESSIONS, was_open_until

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
        until = was_open_until(now)
        first, last = self._day(SESSIONS.c.opened_at), self._day(until)
        # Those that began before the first day may have lasted into it.
        in_time = (
            SESSIONS.c.base_url == self.base_url,
            SESSIONS.c.opened_at >= (today - DAYS) * DAY_SECONDS,
        )
        counted = func.count().label("sessions"), func.sum(_lasted(now)).label("seconds")
        within = select(first.label("day"), *counted).where(*in_time, first == last)
        for row in await self.database.read(within.group_by(first)):
            used[row.day].sessions += row.sessions
            used[row.day].seconds += row.seconds
        across = select(SESSIONS.c.opened_at, until.label("until")).where(*in_time, first != last)
        for row in await self.database.read(across):
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

    def _day(self, at: Any) -> Any:
        """The number of the day since 1970. A cast cuts off in SQLite, and rounds in Postgres."""
        days = at / literal_column(f"{DAY_SECONDS}.0")
        is_postgres = self.database.engine.dialect.name == POSTGRES
        return cast(func.floor(days) if is_postgres else days, Integer)


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
