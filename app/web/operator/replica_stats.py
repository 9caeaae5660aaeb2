"""The stats that each replica gives the consoles of the others, when it renews its lease."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, Self, cast, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from app.observability.recent_calls import CallStats, RecentCalls, merged
from app.sessions.service import SessionService
from app.sessions.stats import StatsReader

Breaker = Literal["open", "half_open", "closed"]

_WORST_FIRST: Final[tuple[Breaker, ...]] = get_args(Breaker)


class ReplicaStats(BaseModel):
    """The state that only a replica itself knows; the defaults are for one that has told none."""

    model_config = ConfigDict(frozen=True)

    breaker: Breaker = "closed"
    texts_waiting: int = 0
    record_waiting: int = 0
    record_fails: bool = False
    unwatched: frozenset[str] = frozenset()
    """The ids of its open sessions that no page has on show."""
    operations: Mapping[str, CallStats] = {}

    @classmethod
    def read(cls, told: str) -> Self:
        """The stats in the JSON of a replica, which may be of another version."""
        try:
            return cls.model_validate_json(told)
        except ValidationError:
            return cls()

    @classmethod
    def of_all(cls, replicas: Iterable[Self]) -> Self:
        """The stats of several replicas together."""
        each = list(replicas)
        names = sorted({name for replica in each for name in replica.operations})
        return cls(
            breaker=min((one.breaker for one in each), key=_WORST_FIRST.index, default="closed"),
            texts_waiting=sum(one.texts_waiting for one in each),
            record_waiting=sum(one.record_waiting for one in each),
            record_fails=any(one.record_fails for one in each),
            unwatched=frozenset().union(*(one.unwatched for one in each)),
            operations={
                name: merged(one.operations[name] for one in each if name in one.operations)
                for name in names
            },
        )


@dataclass(frozen=True)
class ReplicaStatsReader:
    """Reads the stats of this process for the other replicas."""

    stats_reader: StatsReader
    recent_calls: RecentCalls
    live_sessions: SessionService

    async def stats(self) -> ReplicaStats:
        """The state of this moment."""
        stats = await self.stats_reader.stats()
        return ReplicaStats(
            breaker=cast(Breaker, stats.breaker),
            texts_waiting=stats.utterances_waiting,
            record_waiting=stats.audit_waiting,
            record_fails=not stats.audit_writable,
            unwatched=frozenset(each.session_id for each in self.live_sessions.unwatched()),
            operations=self.recent_calls.by_operation(),
        )

    async def told(self) -> str:
        """The state as JSON, which `ReplicaStats.read` reads."""
        return (await self.stats()).model_dump_json()
