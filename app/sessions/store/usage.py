"""Reads the number and length of past sessions from the database."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Integer, case, cast, func, literal_column, select

from app.db.database import POSTGRES, Database
from app.sessions.clock import Clock
from app.sessions.store.repository import SESSIONS, was_open_until

DAYS: Final = 31
"""Days that are reported: today and the thirty days before it."""

MAX_VISITORS: Final = 100
"""Visitors that are reported, those with the most minutes first."""

DAY_SECONDS: Final = 24 * 3600


@dataclass
class UsageTotals:
    """Number of sessions that began, and seconds for which sessions were open."""

    sessions: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class UsageReader:
    """Sums up past sessions by day and by visitor; days begin at midnight UTC.

    Only sessions at `base_url` are counted, as for budgets.
    """

    database: Database
    base_url: str
    clock: Clock

    async def by_day(self) -> dict[date, UsageTotals]:
        """The usage of each of the last `DAYS` days, latest first; raises `RecordUnavailable`."""
        now = self.clock()
        today = int(now // DAY_SECONDS)
        used: dict[int, UsageTotals] = defaultdict(UsageTotals)
        until = was_open_until(now)
        first, last = self._day(SESSIONS.c.opened_at), self._day(until)
        # Sessions that began before the first day may have lasted into it.
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

    async def by_visitor(self, days: int = DAYS) -> dict[str, UsageTotals]:
        """The usage of the visitors with the most minutes, in sessions that began in these days."""
        now = self.clock()
        first_day = int(now // DAY_SECONDS) - days + 1
        seconds = func.sum(_lasted(now))
        query = (
            select(SESSIONS.c.owner, func.count().label("sessions"), seconds.label("seconds"))
            .where(SESSIONS.c.opened_at >= first_day * DAY_SECONDS)
            .where(SESSIONS.c.base_url == self.base_url)
            .group_by(SESSIONS.c.owner)
            .order_by(seconds.desc(), SESSIONS.c.owner)
            .limit(MAX_VISITORS)
        )
        rows = await self.database.read(query)
        return {row.owner: UsageTotals(row.sessions, row.seconds) for row in rows}

    def _day(self, at: Any) -> Any:
        """SQL for the day's number since 1970. A cast truncates in SQLite, rounds in Postgres."""
        days = at / literal_column(f"{DAY_SECONDS}.0")
        is_postgres = self.database.engine.dialect.name == POSTGRES
        return cast(func.floor(days) if is_postgres else days, Integer)


def _split(used: dict[int, UsageTotals], opened_at: float, until: float) -> None:
    """Add a session to the days it was open on, split at midnight."""
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
