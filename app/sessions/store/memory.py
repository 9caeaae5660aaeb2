"""The sessions that are open, and those that were."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any, Final, Protocol

from app.problems import QueueFull
from app.sessions.store.model import AvatarSession, EndReason
from app.sessions.tokens import Clock

MAX_WAITING_CALLS: Final = 32
"""Calls of one session that may wait for their turn."""

MAX_ENDED: Final = 10_000
"""Ended sessions remembered, so that they answer 410 instead of 404."""


class SessionStore(Protocol):
    """Where sessions are kept; one in this process now, one shared by replicas later."""

    ended_count: Counter[EndReason]
    """How many of them this process has marked ended, and why."""

    async def add(self, session: AvatarSession) -> bool:
        """Keep a session that was opened; False when one of this id is open already."""

    async def get(self, session_id: str) -> AvatarSession | None:
        """The session, ended or not."""

    async def opened_by(self, key: str) -> AvatarSession | None:
        """The session that the request of this `IdempotencyRecord.key` opened, ended or not."""

    async def update(self, session_id: str, **changes: Any) -> AvatarSession:
        """The session with some fields changed."""

    async def mark_ended(self, session_id: str, reason: EndReason) -> AvatarSession:
        """The session, over for everyone from now on; the first reason stays."""

    def when_ended(self, tell: Callable[[AvatarSession], None]) -> None:
        """Call `tell` with each session as soon as it is over."""

    async def all(self) -> list[AvatarSession]:
        """Every session that Kaltura may still have open."""

    async def seconds_used(self, since: float, owner: str | None = None) -> float:
        """How long sessions were open since then, of one owner or of all."""

    async def take_over(self) -> list[AvatarSession]:
        """Bring in what processes that are no more have left open, or ended lately."""

    def lane(
        self, session_id: str, *, bypass_limits: bool = False
    ) -> AbstractAsyncContextManager[None]:
        """One call of a session at a time, first come first served.

        Raises `QueueFull` past `MAX_WAITING_CALLS`, but never for an `bypass_limits` call.
        """


class _Lane:
    """An asyncio.Lock serves its waiters in order."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.waiting = 0


class InMemorySessionStore:
    """Sessions of this process alone; the places and `MAX_ENDED` bound every map in it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.ended_count: Counter[EndReason] = Counter()
        self._open: dict[str, AvatarSession] = {}
        self._ended: dict[str, AvatarSession] = {}
        self._by_origin: dict[str, str] = {}
        self._lanes: dict[str, _Lane] = {}
        self._told: list[Callable[[AvatarSession], None]] = []

    async def add(self, session: AvatarSession) -> bool:
        """See `SessionStore`."""
        if session.session_id in self._open:
            return False
        self._forget(session.session_id)
        self._open[session.session_id] = session
        self._note_origin(session)
        self._lanes[session.session_id] = _Lane()
        return True

    async def get(self, session_id: str) -> AvatarSession | None:
        """See `SessionStore`."""
        return self._open.get(session_id) or self._ended.get(session_id)

    async def opened_by(self, key: str) -> AvatarSession | None:
        """See `SessionStore`."""
        session_id = self._by_origin.get(key)
        return None if session_id is None else await self.get(session_id)

    async def mark_ended(self, session_id: str, reason: EndReason) -> AvatarSession:
        """See `SessionStore`."""
        session = self._open.get(session_id)
        if session is None or session.ended is not None:
            return session or self._ended[session_id]
        self.ended_count[reason] += 1
        session = await self.update(session_id, ended=reason, ended_at=self._clock())
        for tell in self._told:
            tell(session)
        return session

    def when_ended(self, tell: Callable[[AvatarSession], None]) -> None:
        """See `SessionStore`."""
        self._told.append(tell)

    async def update(self, session_id: str, **changes: Any) -> AvatarSession:
        """See `SessionStore`."""
        if session_id not in self._open:
            return self._ended[session_id]
        session = replace(self._open[session_id], **changes)
        if session.ended_upstream:
            del self._open[session_id], self._lanes[session_id]
            self._keep_ended(session)
        else:
            self._open[session_id] = session
        return session

    async def all(self) -> list[AvatarSession]:
        """See `SessionStore`."""
        return list(self._open.values())

    async def seconds_used(self, since: float, owner: str | None = None) -> float:
        """See `SessionStore`."""
        now = self._clock()
        every = (*self._open.values(), *self._ended.values())
        return sum(s.seconds_between(since, now) for s in every if owner in {None, s.owner})

    async def take_over(self) -> list[AvatarSession]:
        """See `SessionStore`; nothing in memory outlives its process."""
        return []

    @asynccontextmanager
    async def lane(self, session_id: str, *, bypass_limits: bool = False) -> AsyncIterator[None]:
        """See `SessionStore`."""
        lane = self._lanes.get(session_id) or _Lane()
        if lane.waiting >= MAX_WAITING_CALLS and not bypass_limits:
            raise QueueFull(retry_after=1)
        lane.waiting += 1
        try:
            await lane.lock.acquire()
        finally:
            lane.waiting -= 1
        try:
            yield
        finally:
            lane.lock.release()

    def remember(self, session: AvatarSession) -> None:
        """Keep a session that another process ended, for those who still ask for it."""
        self._keep_ended(session)
        self._note_origin(session)

    def _keep_ended(self, session: AvatarSession) -> None:
        while len(self._ended) >= MAX_ENDED:
            self._forget(next(iter(self._ended)))
        self._ended[session.session_id] = session

    def _note_origin(self, session: AvatarSession) -> None:
        if session.origin is not None:
            self._by_origin[session.origin.key] = session.session_id

    def _forget(self, session_id: str) -> None:
        session = self._ended.pop(session_id, None)
        origin = session and session.origin
        # Its key may have opened another session since then.
        if origin and self._by_origin.get(origin.key) == session_id:
            del self._by_origin[origin.key]
