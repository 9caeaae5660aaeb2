"""Reads from the database which replica has a session."""

from dataclasses import dataclass

from sqlalchemy import and_, select

from app.db.database import Database
from app.replicas.owners import SessionOwner
from app.replicas.statements import IS_ALIVE
from app.replicas.table import REPLICAS
from app.sessions.clock import Clock
from app.sessions.store.repository import END_REASON_SECONDS, SESSIONS


@dataclass(frozen=True)
class OwnerLookup:
    """Finds the replica that a session's row names, and where it is reached."""

    database: Database
    wall: Clock

    async def find(self, session_id: str) -> SessionOwner | None:
        """The owner of a session; raises `RecordUnavailable`.

        None when there is no such session, or when it is over and no living replica knows of it.
        """
        alive = and_(REPLICAS.c.holder == SESSIONS.c.holder, IS_ALIVE)
        query = (
            select(
                SESSIONS.c.holder, SESSIONS.c.ended_upstream, SESSIONS.c.ended_at, REPLICAS.c.url
            )
            .select_from(SESSIONS.outerjoin(REPLICAS, alive))
            .where(SESSIONS.c.session_id == session_id)
            # Kaltura might use an id again: the latest session counts.
            .order_by(SESSIONS.c.opened_at.desc())
            .limit(1)
        )
        for row in await self.database.read(query):
            is_taken_over = not row.ended_upstream or (
                row.ended_at is not None and row.ended_at > self.wall() - END_REASON_SECONDS
            )
            if row.url is not None or is_taken_over:
                return SessionOwner(row.holder, row.url, is_open=not row.ended_upstream)
        return None
