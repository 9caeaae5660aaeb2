"""The present state of the broker for the operator: open sessions and health."""

from dataclasses import dataclass
from operator import attrgetter
from typing import Annotated

from fastapi import Depends

from app.audit.model import Entry, Event
from app.audit.reader import AuditReader
from app.audit.writer import AuditWriter
from app.observability.recent_calls import RecentCalls
from app.problems import RecordUnavailable
from app.sessions.capacity.budgets import Budgets
from app.sessions.clock import SessionClock
from app.sessions.service import SessionService
from app.sessions.stats import StatsReader
from app.web.deps import (
    AuditReaderDep,
    AuditWriterDep,
    BudgetsDep,
    ClockDep,
    RecentCallsDep,
    SessionServiceDep,
    StatsReaderDep,
)
from app.web.operator.schemas import HealthReport, LiveSession, LiveSessionList


@dataclass(frozen=True)
class Dashboard:
    """Collects the present state from the parts of the application."""

    live_sessions: SessionService
    budgets: Budgets
    audit_reader: AuditReader
    audit_writer: AuditWriter
    stats_reader: StatsReader
    recent_calls: RecentCalls
    clock: SessionClock

    async def sessions(self) -> LiveSessionList:
        """The open sessions, the latest first."""
        live = sorted(self.live_sessions.live(), key=attrgetter("opened_at"), reverse=True)
        ids = [session.session_id for session in live]
        opened = await self._latest(ids, Event.OPENED)
        said = await self._latest(ids, Event.SAY_TEXT, with_words=True)
        return LiveSessionList.told(
            [
                LiveSession.told(
                    session,
                    opened=opened.get(session.session_id),
                    said=said.get(session.session_id),
                    clock=self.clock,
                    seconds_left=await self.budgets.seconds_left(session),
                )
                for session in live
            ],
            now=self.clock.wall(),
        )

    async def health(self) -> HealthReport:
        """How many sessions are open, and how Kaltura and the record are doing."""
        return HealthReport.of(
            await self.stats_reader.stats(), self.recent_calls.by_operation(), self.audit_writer
        )

    async def look(self) -> tuple[LiveSessionList, HealthReport]:
        """The open sessions, and how the broker is doing."""
        return await self.sessions(), await self.health()

    async def _latest(
        self, session_ids: list[str], event: Event, *, with_words: bool = False
    ) -> dict[str, Entry]:
        """The latest entry of each session; empty when the record can't be read."""
        try:
            return await self.audit_reader.latest(session_ids, event, with_words=with_words)
        except RecordUnavailable:
            return {}


async def _dashboard(
    sessions: SessionServiceDep,
    budgets: BudgetsDep,
    audit_reader: AuditReaderDep,
    audit_writer: AuditWriterDep,
    stats_reader: StatsReaderDep,
    recent_calls: RecentCallsDep,
    clock: ClockDep,
) -> Dashboard:
    return Dashboard(
        sessions, budgets, audit_reader, audit_writer, stats_reader, recent_calls, clock
    )


DashboardDep = Annotated[Dashboard, Depends(_dashboard)]
