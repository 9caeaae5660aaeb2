"""The sessions that are open, and those that were."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, Protocol

from app.kaltura.client import SessionAccess
from app.kaltura.contract import ClientInit
from app.problems import AtCapacity, QueueFull, TooManySessions

MAX_WAITING_CALLS: Final = 32
"""Calls of one session that may wait for their turn."""

MAX_ENDED: Final = 10_000
"""Ended sessions remembered, so that they answer 410 instead of 404."""

RETRY_AFTER_SECONDS: Final = 5


class EndReason(StrEnum):
    """Why a session is over."""

    VISITOR = "visitor"
    IDLE = "idle"
    EXPIRED = "expired"
    SHUTDOWN = "shutdown"
    GONE = "gone"
    FAILED = "failed"


@dataclass(frozen=True)
class AvatarSession:
    """One session; times are unix seconds.

    Nobody but the broker sees it before it is `ready`. `seen_at` is None while no sign of life
    has come and none is owed, as in direct mode. `ended` is set as soon as nobody may use it any
    more, `ended_upstream` when Kaltura agrees.
    """

    access: SessionAccess
    owner: str
    opened_at: float
    expires_at: float
    token_expires_at: float
    seen_at: float | None
    ready: bool
    media: ClientInit | None = None
    kept_alive_at: float = float("-inf")
    ended: EndReason | None = None
    ended_upstream: bool = False
    end_attempts: int = 0
    end_again_at: float = 0.0

    @property
    def session_id(self) -> str:
        """Kaltura's id of it, which is everyone's id of it."""
        return self.access.session_id


class LiveSessions(Protocol):
    """Where sessions are kept; one in this process now, one shared by replicas later."""

    async def reserve(self, owner: str, *, at_most: int | None) -> None:
        """Take a place before create is called; raises `AtCapacity` or `TooManySessions`.

        `at_most` bounds the live sessions of `owner`; None leaves only the bound of all.
        """

    async def release(self, owner: str) -> None:
        """Give back a reserved place that came to nothing."""

    async def add(self, session: AvatarSession) -> bool:
        """Turn a reserved place into a session; False when one of this id is open already."""

    async def get(self, session_id: str) -> AvatarSession | None:
        """The session, ended or not."""

    async def update(self, session_id: str, **changes: Any) -> AvatarSession:
        """The session with some fields changed."""

    async def all(self) -> list[AvatarSession]:
        """Every session that Kaltura may still have open."""

    def lane(self, session_id: str, *, express: bool = False) -> AbstractAsyncContextManager[None]:
        """One call of a session at a time, first come first served.

        Raises `QueueFull` past `MAX_WAITING_CALLS`, but never for an `express` call.
        """


class _Lane:
    """An asyncio.Lock serves its waiters in order."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.waiting = 0


class SessionsInProcess:
    """Sessions of this process alone; its caps bound every map in it."""

    def __init__(self, *, max_sessions: int) -> None:
        self._max_sessions = max_sessions
        self._reserved: Counter[str] = Counter()
        self._open: dict[str, AvatarSession] = {}
        self._ended: dict[str, AvatarSession] = {}
        self._lanes: dict[str, _Lane] = {}

    async def reserve(self, owner: str, *, at_most: int | None) -> None:
        """See `LiveSessions`."""
        mine = sum(s.owner == owner and s.ended is None for s in self._open.values())
        if at_most is not None and mine + self._reserved[owner] >= at_most:
            raise TooManySessions(retry_after=RETRY_AFTER_SECONDS)
        if len(self._open) + self._reserved.total() >= self._max_sessions:
            raise AtCapacity(retry_after=RETRY_AFTER_SECONDS)
        self._reserved[owner] += 1

    async def release(self, owner: str) -> None:
        """See `LiveSessions`."""
        self._reserved -= Counter({owner: 1})

    async def add(self, session: AvatarSession) -> bool:
        """See `LiveSessions`."""
        if session.session_id in self._open:
            return False
        self._ended.pop(session.session_id, None)
        await self.release(session.owner)
        self._open[session.session_id] = session
        self._lanes[session.session_id] = _Lane()
        return True

    async def get(self, session_id: str) -> AvatarSession | None:
        """See `LiveSessions`."""
        return self._open.get(session_id) or self._ended.get(session_id)

    async def update(self, session_id: str, **changes: Any) -> AvatarSession:
        """See `LiveSessions`."""
        if session_id in self._ended:
            return self._ended[session_id]
        session = replace(self._open[session_id], **changes)
        if session.ended_upstream:
            del self._open[session_id], self._lanes[session_id]
            self._remember(session)
        else:
            self._open[session_id] = session
        return session

    async def all(self) -> list[AvatarSession]:
        """See `LiveSessions`."""
        return list(self._open.values())

    @asynccontextmanager
    async def lane(self, session_id: str, *, express: bool = False) -> AsyncIterator[None]:
        """See `LiveSessions`."""
        lane = self._lanes.get(session_id) or _Lane()
        if lane.waiting >= MAX_WAITING_CALLS and not express:
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

    def _remember(self, session: AvatarSession) -> None:
        while len(self._ended) >= MAX_ENDED:
            del self._ended[next(iter(self._ended))]
        self._ended[session.session_id] = session
