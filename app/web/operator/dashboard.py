"""The present state of the broker for the operator: open sessions, health and replicas."""

from collections.abc import Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Annotated

from fastapi import Depends

from app.audit.model import Entry, Event
from app.audit.reader import AuditReader
from app.problems import RecordUnavailable
from app.replicas.table import ReplicaState
from app.sessions.capacity.budgets import Budgets
from app.sessions.clock import SessionClock
from app.sessions.service import SessionService
from app.sessions.stats import StatsReader
from app.sessions.store.model import AvatarSession
from app.sessions.store.overview import KnownReplica, OpenSession, SharedOverview
from app.web.deps import (
    AuditReaderDep,
    BudgetsDep,
    ClockDep,
    OverviewDep,
    ReplicaStatsDep,
    SessionServiceDep,
    StatsReaderDep,
)
from app.web.operator.replica_stats import ReplicaStats, ReplicaStatsReader
from app.web.operator.schemas import HealthReport, LiveSession, LiveSessionList, ReplicaHealth


@dataclass(frozen=True)
class Dashboard:
    """Collects the present state from the parts of the application, and from other replicas."""

    live_sessions: SessionService
    budgets: Budgets
    audit_reader: AuditReader
    stats_reader: StatsReader
    own_stats: ReplicaStatsReader
    overview: SharedOverview | None
    clock: SessionClock

    async def sessions(self) -> LiveSessionList:
        """The open sessions, the latest first."""
        live = [self._own(session) for session in self.live_sessions.live()]
        replicas: list[KnownReplica] = []
        if self.overview is not None:
            live += await self.overview.sessions_elsewhere()
            replicas = await self.overview.replicas()
        live.sort(key=attrgetter("opened_at"), reverse=True)
        ids = [session.session_id for session in live]
        opened = await self._latest(ids, Event.OPENED)
        said = await self._latest(ids, Event.SAY_TEXT, with_words=True)
        told = await self._told(replicas)
        now, share = self.clock.wall(), await self.budgets.equal_share(len(live))
        return LiveSessionList.told(
            [
                LiveSession.told(
                    session,
                    opened=opened.get(session.session_id),
                    said=said.get(session.session_id),
                    seconds_left=min(max(session.expires_at - now, 0.0), share),
                    stats=told.get(session.holder, ReplicaStats()),
                )
                for session in live
            ],
            now=now,
        )

    async def health(self) -> HealthReport:
        """How full the broker is, and how Kaltura, the record and the replicas are doing."""
        shared = await self.stats_reader.shared_stats()
        told = await self._told(shared.replicas)
        dead = {each.holder for each in shared.replicas if each.state == ReplicaState.DEAD.value}
        own = next((each for each in shared.replicas if each.holder == self._own_name), None)
        return HealthReport.of(
            await self.stats_reader.stats(),
            ReplicaStats.of_all(stats for name, stats in told.items() if name not in dead),
            [
                ReplicaHealth.of(
                    each,
                    told[each.holder],
                    live=shared.live_by_replica.get(each.holder, 0),
                    this_one=each is own,
                    same_settings=own is None or each.settings_hash == own.settings_hash,
                )
                for each in shared.replicas
            ],
            live=shared.live,
        )

    async def snapshot(self) -> tuple[LiveSessionList, HealthReport]:
        """The open sessions, and how the broker is doing."""
        return await self.sessions(), await self.health()

    @property
    def _own_name(self) -> str | None:
        return None if self.overview is None else self.overview.own_name

    def _own(self, session: AvatarSession) -> OpenSession:
        return OpenSession(
            session_id=session.session_id,
            owner=session.owner,
            opened_at=self.clock.to_wall(session.opened_at),
            expires_at=self.clock.to_wall(session.expires_at),
            holder=self._own_name,
        )

    async def _told(self, replicas: Iterable[KnownReplica]) -> dict[str | None, ReplicaStats]:
        """The latest stats of each replica by its name; those of this one are read now."""
        told: dict[str | None, ReplicaStats] = {
            each.holder: ReplicaStats.read(each.stats) for each in replicas
        }
        return {**told, self._own_name: await self.own_stats.stats()}

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
    stats_reader: StatsReaderDep,
    own_stats: ReplicaStatsDep,
    overview: OverviewDep,
    clock: ClockDep,
) -> Dashboard:
    return Dashboard(sessions, budgets, audit_reader, stats_reader, own_stats, overview, clock)


DashboardDep = Annotated[Dashboard, Depends(_dashboard)]
