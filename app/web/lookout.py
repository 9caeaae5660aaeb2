"""What goes on now, as the operator sees it: the sessions that are open, and how all is going."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from app.audit.entries import Entry, Event
from app.audit.record import Record
from app.audit.trail import Trail
from app.problems import RecordUnavailable
from app.sessions.broker import SessionBroker
from app.sessions.clock import SessionClock
from app.sessions.figures import Overview
from app.signals.recent import RecentCalls
from app.web.accounts import HealthReport, LiveSession, LiveSessionList


@dataclass(frozen=True)
class Lookout:
    """Looks at all parts of the house; only reads."""

    broker: SessionBroker
    trail: Trail
    record: Record
    overview: Overview
    recent: RecentCalls
    clock: SessionClock

    async def sessions(self) -> LiveSessionList:
        """The sessions that are open, the latest first."""
        live = sorted(await self.broker.live(), key=lambda session: session.opened_at, reverse=True)
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
                    seconds_left=await self.broker.seconds_left(session),
                )
                for session in live
            ],
            now=self.clock.wall(),
        )

    async def health(self) -> HealthReport:
        """How full the house is, and how Kaltura and the record are doing."""
        return HealthReport.of(
            await self.overview.figures(), self.recent.by_operation(), self.record
        )

    async def _latest(
        self, session_ids: list[str], event: Event, *, with_words: bool = False
    ) -> dict[str, Entry]:
        """Nothing when the record can't be read: a session can be seen and ended all the same."""
        try:
            return await self.trail.latest(session_ids, event, with_words=with_words)
        except RecordUnavailable:
            return {}


async def _lookout(request: Request) -> Lookout:
    state = request.state
    return Lookout(
        broker=state.broker,
        trail=state.trail,
        record=state.record,
        overview=state.overview,
        recent=state.recent,
        clock=state.clock,
    )


LookoutDep = Annotated[Lookout, Depends(_lookout)]
