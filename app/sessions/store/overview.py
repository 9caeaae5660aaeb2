"""Reads the open sessions of all processes on one Postgres, and the processes themselves."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Select, and_, func, not_, or_, select

from app.db.database import Database
from app.problems import RecordUnavailable
from app.replicas.lease import TRUST_SECONDS, TTL_SECONDS
from app.replicas.statements import DATABASE_TIME, IS_ALIVE
from app.replicas.table import REPLICAS, ReplicaState
from app.sessions.store.repository import SESSIONS

DEAD_SECONDS: Final = 300
"""How long a dead replica is still listed."""

SUSPENDED: Final = "suspended"
"""The state of a replica that no longer trusts its lease, and may recover."""

REPLICA_STATES: Final = (*(state.value for state in ReplicaState), SUSPENDED)

_IS_LIVE: Final = and_(
    SESSIONS.c.ended_upstream.is_(False), SESSIONS.c.ended.is_(None), SESSIONS.c.ready.is_(True)
)


@dataclass(frozen=True)
class OpenSession:
    """An open session as its row has it; times are seconds since 1970."""

    session_id: str
    owner: str
    opened_at: float
    expires_at: float
    holder: str | None
    """The name of the replica that has it; None with SQLite."""


@dataclass(frozen=True)
class KnownReplica:
    """A replica as its row has it.

    `state` is one of `REPLICA_STATES`, `stats` is JSON that the replica made, and `lease_age` is
    the time since it renewed its lease, in seconds.
    """

    holder: str
    url: str
    version: str
    state: str
    lease_age: float
    settings_hash: str
    stats: str


class SharedOverview:
    """Reads sessions and replicas; while the database is away, gives what was read last."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._last: dict[str, Sequence[Any]] = {}

    @property
    def own_name(self) -> str:
        """The name of this process among the replicas."""
        return self._database.process_name

    async def sessions_elsewhere(self) -> list[OpenSession]:
        """The open sessions that other processes have."""
        columns = (SESSIONS.c[name] for name in OpenSession.__dataclass_fields__)
        rows = await self._read("sessions", select(*columns).where(_IS_LIVE))
        return [OpenSession(*row) for row in rows if row.holder != self.own_name]

    async def live_by_replica(self) -> Mapping[str, int]:
        """The number of open sessions of each process that has any."""
        count = select(SESSIONS.c.holder, func.count()).where(_IS_LIVE)
        return dict(iter(await self._read("live", count.group_by(SESSIONS.c.holder))))

    async def replicas(self) -> list[KnownReplica]:
        """The replicas by their names, and behind them those that died in `DEAD_SECONDS`."""
        age = (DATABASE_TIME - (REPLICAS.c.expires_at - TTL_SECONDS)).label("age")
        is_news = or_(IS_ALIVE, REPLICAS.c.expires_at > DATABASE_TIME - DEAD_SECONDS)
        query = select(REPLICAS, age).where(is_news).order_by(not_(IS_ALIVE), REPLICAS.c.holder)
        return [
            KnownReplica(
                holder=row.holder,
                url=row.url,
                version=row.version,
                state=_state(row.state, row.age),
                lease_age=max(row.age, 0.0),
                settings_hash=row.settings_hash,
                stats=row.stats,
            )
            for row in await self._read("replicas", query)
        ]

    async def _read(self, name: str, query: Select[Any]) -> Sequence[Any]:
        with contextlib.suppress(RecordUnavailable):
            self._last[name] = await self._database.read(query)
        return self._last.get(name, ())


def _state(state: str, age: float) -> str:
    return SUSPENDED if state != ReplicaState.DEAD.value and age > TRUST_SECONDS else state
