"""The sessions that are open, and those that were."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, Protocol, Self

from app.kaltura.client import SessionAccess
from app.kaltura.contract import ClientInit, CreateRequest
from app.problems import QueueFull
from app.sessions.tokens import Clock

MAX_WAITING_CALLS: Final = 32
"""Calls of one session that may wait for their turn."""

MAX_ENDED: Final = 10_000
"""Ended sessions remembered, so that they answer 410 instead of 404."""

WATCHED_SECONDS: Final = 25
"""A page that was heard of within this time is still there; it calls every 10 s."""


class EndReason(StrEnum):
    """Why a session is over."""

    VISITOR = "visitor"
    LEFT = "left"
    IDLE = "idle"
    EXPIRED = "expired"
    BUDGET = "budget"
    SHUTDOWN = "shutdown"
    GONE = "gone"
    FAILED = "failed"
    OPERATOR = "operator"


@dataclass(frozen=True)
class Origin:
    """The request that opened a session, so that it is answered with the same one again.

    `key` stands for its owner and their Idempotency-Key, `wish` for what was wished for.
    """

    key: str
    wish: str

    @classmethod
    def of(cls, owner: str, idempotency_key: str, request: CreateRequest) -> Self:
        """Digests: what a visitor sends is not kept."""
        wish = hashlib.sha256(request.model_dump_json().encode()).hexdigest()
        return cls(cls.key_of(owner, idempotency_key), wish)

    @staticmethod
    def key_of(owner: str, idempotency_key: str) -> str:
        """What stands for an owner's Idempotency-Key."""
        return hashlib.sha256(f"{owner}\0{idempotency_key}".encode()).hexdigest()


@dataclass(frozen=True)
class AvatarSession:
    """One session; times are those of `SessionClock`, `seen_at` and `leaves_at` its running ones.

    Nobody but the broker sees it before it is `ready`. `seen_at` is None while no sign of life
    has come and none is owed, as in direct mode. `leaves_at` is set when its page went away.
    `ended` is set as soon as nobody may use it any more, `ended_upstream` when Kaltura agrees.
    """

    access: SessionAccess
    owner: str
    opened_at: float
    expires_at: float
    token_expires_at: float
    seen_at: float | None
    ready: bool
    last_moment: EndReason = EndReason.EXPIRED
    """Why it ends at `expires_at`."""
    origin: Origin | None = None
    address: str | None = None
    """The network address that it was opened from, which a next process does not know."""
    delivered: bool = False
    """Whether its visitor got it."""
    media: ClientInit | None = None
    kept_alive_at: float = float("-inf")
    leaves_at: float | None = None
    ended: EndReason | None = None
    ended_at: float | None = None
    ended_upstream: bool = False
    end_attempts: int = 0
    end_again_at: float = 0.0

    @property
    def session_id(self) -> str:
        """Kaltura's id of it, which is everyone's id of it."""
        return self.access.session_id

    def is_watched(self, now: float) -> bool:
        """Whether a page has it on show, as far as is known."""
        recently = self.seen_at is None or now - self.seen_at < WATCHED_SECONDS
        return self.ended is None and self.leaves_at is None and recently

    @property
    def is_elsewhere(self) -> bool:
        """Whether an earlier process opened it at another address, whose places are not ours."""
        return self.access.base_url is not None

    def seconds_between(self, since: float, now: float) -> float:
        """How long of that time it was open."""
        until = min(now if self.ended_at is None else self.ended_at, self.expires_at, now)
        return max(0.0, until - max(self.opened_at, since))


class LiveSessions(Protocol):
    """Where sessions are kept; one in this process now, one shared by replicas later."""

    ended_count: Counter[EndReason]
    """How many of them this process has marked ended, and why."""

    async def add(self, session: AvatarSession) -> bool:
        """Keep a session that was opened; False when one of this id is open already."""

    async def get(self, session_id: str) -> AvatarSession | None:
        """The session, ended or not."""

    async def opened_by(self, key: str) -> AvatarSession | None:
        """The session that the request of this `Origin.key` opened, ended or not."""

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
        """See `LiveSessions`."""
        if session.session_id in self._open:
            return False
        self._forget(session.session_id)
        self._open[session.session_id] = session
        self._note_origin(session)
        self._lanes[session.session_id] = _Lane()
        return True

    async def get(self, session_id: str) -> AvatarSession | None:
        """See `LiveSessions`."""
        return self._open.get(session_id) or self._ended.get(session_id)

    async def opened_by(self, key: str) -> AvatarSession | None:
        """See `LiveSessions`."""
        session_id = self._by_origin.get(key)
        return None if session_id is None else await self.get(session_id)

    async def mark_ended(self, session_id: str, reason: EndReason) -> AvatarSession:
        """See `LiveSessions`."""
        session = self._open.get(session_id)
        if session is None or session.ended is not None:
            return session or self._ended[session_id]
        self.ended_count[reason] += 1
        session = await self.update(session_id, ended=reason, ended_at=self._clock())
        for tell in self._told:
            tell(session)
        return session

    def when_ended(self, tell: Callable[[AvatarSession], None]) -> None:
        """See `LiveSessions`."""
        self._told.append(tell)

    async def update(self, session_id: str, **changes: Any) -> AvatarSession:
        """See `LiveSessions`."""
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
        """See `LiveSessions`."""
        return list(self._open.values())

    async def seconds_used(self, since: float, owner: str | None = None) -> float:
        """See `LiveSessions`."""
        now = self._clock()
        every = (*self._open.values(), *self._ended.values())
        return sum(s.seconds_between(since, now) for s in every if owner in {None, s.owner})

    async def take_over(self) -> list[AvatarSession]:
        """See `LiveSessions`; nothing in memory outlives its process."""
        return []

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
