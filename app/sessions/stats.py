"""Figures for the metrics and the operator's console."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from app.audit.writer import AuditWriter
from app.kaltura.client import KalturaClient
from app.replicas.lease import Lease
from app.replicas.table import ReplicaState
from app.sessions.capacity.manager import CapacityManager
from app.sessions.lifecycle.creation import SessionCreator
from app.sessions.registry import SessionRegistry
from app.sessions.speech.service import SpeechService
from app.sessions.speech.voice.tts_fallback import SpeechMode
from app.sessions.store.model import EndReason
from app.sessions.store.overview import REPLICA_STATES, KnownReplica, SharedOverview

_ONLY_ONE: Final[Mapping[str, int]] = {**dict.fromkeys(REPLICA_STATES, 0), ReplicaState.UP.value: 1}


@dataclass(frozen=True)
class Stats:
    """Figures of one process at one moment; counters count from its start.

    Capacity and the waiting room are those of all replicas.
    """

    live: int
    ending: int
    capacity: int
    waiting: int
    waiting_capacity: int
    opened: int
    ended: Mapping[EndReason, int]
    ks_renewals: Mapping[str, int]
    breaker: str
    audit_waiting: int
    audit_lag_seconds: float
    audit_writable: bool
    audit_lost: int
    utterances_waiting: int
    voice: SpeechMode
    voice_said: Mapping[SpeechMode, int]
    voice_switches: int
    lease_age_seconds: float
    lease_losses: int
    taken_over: int
    handed_over: int
    fenced_writes: int


@dataclass(frozen=True)
class SharedStats:
    """Figures of all replicas together; every replica gives the same."""

    live_by_replica: Mapping[str, int]
    """The number of open sessions of each process that has any, by its name."""

    replicas: Sequence[KnownReplica] = ()
    """The replicas; empty with SQLite, which has none."""

    @property
    def live(self) -> int:
        """The number of open sessions."""
        return sum(self.live_by_replica.values())

    @property
    def replicas_by_state(self) -> Mapping[str, int]:
        """The number of replicas in each state; with SQLite one is up."""
        count = Counter(replica.state for replica in self.replicas)
        return {state: count[state] for state in REPLICA_STATES} if self.replicas else _ONLY_ONE


@dataclass(frozen=True)
class StatsReader:
    """Reads the figures from the parts that keep them."""

    client: KalturaClient
    registry: SessionRegistry
    capacity: CapacityManager
    creator: SessionCreator
    record: AuditWriter
    speech: SpeechService
    lease: Lease
    overview: SharedOverview | None
    """Reads the sessions of all replicas; None with SQLite, where this process is the only one."""

    async def stats(self) -> Stats:
        """The figures of this moment, from memory."""
        index = self.registry.index
        return Stats(
            live=index.live,
            ending=index.open - index.live,
            capacity=self.capacity.capacity,
            waiting=self.capacity.waiting,
            waiting_capacity=self.capacity.waiting_capacity,
            opened=self.creator.opened_count,
            ended=self.registry.ended_count,
            ks_renewals=self.client.ks_renewals,
            breaker=self.client.breaker_state,
            audit_waiting=self.record.waiting,
            audit_lag_seconds=self.record.lag_seconds,
            audit_writable=not self.record.is_doubtful,
            audit_lost=self.record.lost,
            utterances_waiting=self.speech.waiting,
            voice=self.speech.voice.speech,
            voice_said=self.speech.voice.said,
            voice_switches=self.speech.voice.switches,
            lease_age_seconds=self.lease.age_seconds,
            lease_losses=self.lease.losses,
            taken_over=self.registry.taken_over_count,
            handed_over=self.registry.handed_over_count,
            fenced_writes=self.registry.fenced_count,
        )

    async def shared_stats(self) -> SharedStats:
        """The figures of all replicas; this one's sessions are counted in memory."""
        own = self.registry.index.live
        if self.overview is None:
            return SharedStats({"": own})
        by_replica = await self.overview.live_by_replica()
        return SharedStats(
            {**by_replica, self.overview.own_name: own}, await self.overview.replicas()
        )
