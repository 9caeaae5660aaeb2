"""Stores sessions in a Postgres that several processes share.

Each row has one holder. A process that was declared dead can't write to its rows any more: every
write carries the writer's name, and a new row is inserted only while that name lives.
"""

import math
from collections import Counter
from typing import Any, Final

from cryptography.fernet import MultiFernet
from sqlalchemy import (
    ColumnElement,
    Connection,
    Executable,
    and_,
    exists,
    func,
    literal,
    not_,
    or_,
    select,
    tuple_,
    union_all,
    update,
)
from sqlalchemy.dialects import postgresql

from app.config.setting_types import MAX_SECONDS
from app.db.database import Database, Rows
from app.replicas.lease import REPLICAS_CHANGED, SESSIONS_MOVED
from app.replicas.postgres_lease import PostgresLease
from app.replicas.statements import DATABASE_TIME, IS_ALIVE, notify
from app.replicas.table import REPLICAS, ReplicaState
from app.sessions.clock import SessionClock
from app.sessions.store.capacity_tables import OPENINGS
from app.sessions.store.model import AvatarSession, EndReason
from app.sessions.store.recorded_speaks import Speaks, recorded_speaks
from app.sessions.store.repository import (
    MAY_BE_DELIVERED,
    SESSIONS,
    WAS_DELIVERED,
    SessionRepository,
)

NOBODY: Final = ""
"""The holder of a session that waits for its next owner; no process has this name."""

_KEY: Final = (SESSIONS.c.session_id, SESSIONS.c.opened_at)
_IS_OPEN: Final = SESSIONS.c.ended_upstream.is_(False)
_IS_ORPHANED: Final = SESSIONS.c.holder.not_in(select(REPLICAS.c.holder).where(IS_ALIVE))
"""The condition for rows whose process was declared dead, or is not known at all."""


class SharedSessionRepository(SessionRepository):
    """Writes sessions of this process, and takes over its share of those of dead ones."""

    def __init__(
        self,
        database: Database,
        keys: MultiFernet,
        *,
        base_url: str,
        clock: SessionClock,
        lease: PostgresLease,
    ) -> None:
        super().__init__(database, keys, base_url=base_url, clock=clock)
        self._lease = lease
        self._emptied: set[str] = set()
        """Dead processes whose sessions this one need not look for any more."""

    def _upsert(self, connection: Connection, rows: list[dict[str, Any]]) -> set[str]:
        """Write rows of this process; returns the ids of sessions that it no longer has."""
        return {
            row["session_id"] for row in rows if connection.execute(_fenced(row)).first() is None
        }

    async def leave(self, session: AvatarSession) -> None:
        """Leave a lost session to its next owner, who ends it if it was never written."""

        def work(connection: Connection) -> None:
            row = self._row_for(session, NOBODY)
            row["ended"] = row["ended"] or EndReason.FAILED.value
            row["ended_at"] = row["ended_at"] or self._clock.wall()
            is_known = exists().where(SESSIONS.c.session_id == session.session_id)
            connection.execute(_inserted(row, not_(is_known)).on_conflict_do_nothing())

        await self._database.write(work)

    async def has_peers(self) -> bool:
        """Whether another process takes sessions now; raises `RecordUnavailable`."""
        peers = select(REPLICAS.c.holder).where(
            REPLICAS.c.holder != self._lease.name,
            REPLICAS.c.state == ReplicaState.UP.value,
            REPLICAS.c.expires_at > DATABASE_TIME,
        )
        return bool(await self._database.read(peers.limit(1)))

    async def give_up(self, session: AvatarSession) -> None:
        """Leave a session of this process to the others, who are told; raises `RecordUnavailable`.

        A session that another process has by now is left alone.
        """
        row = self._row_for(session, NOBODY)
        own = and_(
            SESSIONS.c.session_id == session.session_id,
            SESSIONS.c.opened_at == row["opened_at"],
            SESSIONS.c.holder == self._lease.name,
        )

        def work(connection: Connection) -> None:
            connection.execute(update(SESSIONS).where(own).values(row))
            notify(connection, REPLICAS_CHANGED)
            notify(connection, SESSIONS_MOVED)

        await self._database.write(work)

    async def opened_elsewhere(self, origin_key: str) -> AvatarSession | None:
        """The session that another process opened for the request with this key, if any.

        Raises `RecordUnavailable`.
        """
        query = select(SESSIONS).where(self._is_elsewhere(origin_key), WAS_DELIVERED)
        latest = query.order_by(SESSIONS.c.opened_at.desc()).limit(1)
        return next(self._readable(await self._database.read(latest)), None)

    async def owner_elsewhere(self, origin_key: str) -> str | None:
        """The owner for whom another process opens or opened a session for this request, if any.

        Raises `RecordUnavailable`.
        """
        elsewhere = self._is_elsewhere(origin_key)
        opened = select(SESSIONS.c.owner).where(elsewhere, MAY_BE_DELIVERED)
        opening = select(OPENINGS.c.owner).where(OPENINGS.c.origin_key == origin_key)
        found = await self._database.read(union_all(opened, opening).limit(1))
        return found[0].owner if found else None

    def _is_elsewhere(self, origin_key: str) -> ColumnElement[bool]:
        here = SESSIONS.c.holder == self._database.process_name
        return and_(SESSIONS.c.origin_key == origin_key, not_(here))

    async def _taken_over(self) -> tuple[Rows, Speaks]:
        """Declare processes dead whose lease has run out, and take this one's share over."""
        if not self._lease.is_trusted() or self._lease.state != ReplicaState.UP:
            return [], {}
        if not await self._is_anything_left():
            return [], {}
        holder = self._lease.name

        def work(connection: Connection) -> tuple[Rows, Speaks]:
            self._lease.declare_dead(connection)
            dead = select(REPLICAS.c.holder).where(not_(IS_ALIVE))
            emptied = set(connection.execute(dead).scalars())
            rows = [
                *_take(connection, holder, _IS_OPEN, _share(connection, holder)),
                *_take(connection, holder, and_(not_(_IS_OPEN), self._has_ended_lately())),
            ]
            if rows:
                notify(connection, SESSIONS_MOVED)
            self._emptied = emptied
            return rows, recorded_speaks(connection, rows)

        taken = await self._database.write(work)
        # If this process was declared dead meanwhile, it has lost these too.
        return taken if self._lease.name == holder else ([], {})

    async def _is_anything_left(self) -> bool:
        """Whether a process has died since the last take-over, or an open session has no owner.

        It is asked every second, so it reads few rows.
        """
        gone = or_(not_(IS_ALIVE), REPLICAS.c.expires_at < DATABASE_TIME)
        names = await self._database.read(select(REPLICAS.c.holder).where(gone))
        if {row.holder for row in names} - self._emptied:
            return True
        orphan = select(SESSIONS.c.session_id).where(_IS_OPEN, _IS_ORPHANED).limit(1)
        return bool(await self._database.read(orphan))

    def _has_ended_lately(self) -> ColumnElement[bool]:
        opened_after = self._clock.wall() - MAX_SECONDS
        # No session lasts longer than that, so the index of times can be used.
        return and_(super()._has_ended_lately(), SESSIONS.c.opened_at > opened_after)


def _fenced(row: dict[str, Any]) -> Executable:
    """A statement that writes a row, and returns it, unless its holder is dead or another's."""
    statement = _inserted(row, _lives(row["holder"]))
    return statement.on_conflict_do_update(
        index_elements=_KEY,
        set_={name: statement.excluded[name] for name in row},
        where=SESSIONS.c.holder == row["holder"],
    ).returning(SESSIONS.c.session_id)


def _inserted(row: dict[str, Any], condition: ColumnElement[bool]) -> postgresql.Insert:
    """A statement that inserts a row if the condition is true as it runs."""
    columns = [literal(value, SESSIONS.c[name].type) for name, value in row.items()]
    return postgresql.insert(SESSIONS).from_select(list(row), select(*columns).where(condition))


def _lives(holder: str) -> ColumnElement[bool]:
    """The condition that a process has not been declared dead."""
    return exists().where(REPLICAS.c.holder == holder, IS_ALIVE)


def _share(connection: Connection, holder: str) -> int:
    """How many open sessions a process should take, so that all that are up have equally many."""
    living = connection.execute(select(REPLICAS.c.holder, REPLICAS.c.state).where(IS_ALIVE))
    states: dict[str, str] = dict(iter(living))
    held = select(SESSIONS.c.holder, func.count()).where(_IS_OPEN).group_by(SESSIONS.c.holder)
    number: Counter[str] = Counter(dict(iter(connection.execute(held))))
    up = [name for name, state in states.items() if state == ReplicaState.UP.value]
    if holder not in up:
        return 0
    draining = sum(number[name] for name in states.keys() - up)
    return max(0, math.ceil((number.total() - draining) / len(up)) - number[holder])


def _take(
    connection: Connection, holder: str, wanted: ColumnElement[bool], at_most: int | None = None
) -> Rows:
    """Take orphaned rows over; those that another process is taking just now are left to it."""
    orphans = (
        select(*_KEY)
        .where(wanted, _IS_ORPHANED)
        .order_by(SESSIONS.c.opened_at)
        .limit(at_most)
        .with_for_update(skip_locked=True)
    )
    return connection.execute(
        update(SESSIONS)
        .where(tuple_(*_KEY).in_(orphans), _lives(holder))
        .values(holder=holder)
        .returning(SESSIONS)
    ).all()
