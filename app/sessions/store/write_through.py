"""The sessions of this process, each written down in the journal as it changes."""

import asyncio
import contextlib
from typing import Any, Final

import structlog

from app.problems import RecordUnavailable
from app.sessions.clock import SessionClock
from app.sessions.store.memory import InMemorySessionStore
from app.sessions.store.model import AvatarSession
from app.sessions.store.repository import SessionRepository

FORGET_EVERY_SECONDS: Final = 24 * 3600

AT_ONCE: Final = {"media", "ready", "ended_upstream"}
"""What is on disk before anyone goes on."""

SOON: Final = {"ended"}
"""What is written down in the background: no end may wait for a slow disk."""

log = structlog.get_logger(__name__)


class WriteThroughSessionStore(InMemorySessionStore):
    """Like `InMemorySessionStore`, and a crash forgets none of them.

    What is not written down is not begun: `add` raises `RecordUnavailable`. A change is a fact
    already, so it is never refused: what could not be written is written by `flush`.
    """

    def __init__(self, clock: SessionClock, repository: SessionRepository) -> None:
        super().__init__(clock)
        self._clock = clock
        self._repository = repository
        self._unwritten: set[str] = set()
        self._times_reopened = repository.times_reopened
        self._flushing: asyncio.Task[None] | None = None
        self._forget_at = 0.0

    async def add(self, session: AvatarSession) -> bool:
        """See `LiveSessions`; the session is kept in memory even when the journal refuses it."""
        added = await super().add(session)
        if added:
            try:
                await self._repository.save(session)
            except RecordUnavailable:
                self._unwritten.add(session.session_id)
                raise
        return added

    async def update(self, session_id: str, **changes: Any) -> AvatarSession:
        """See `LiveSessions`; only what a next process must know costs a write."""
        before = await self.get(session_id)
        session = await super().update(session_id, **changes)
        # Nor may a sign of life: the call that came after it would overtake it.
        first_seen = "seen_at" in changes and before is not None and before.seen_at is None
        if AT_ONCE & changes.keys():
            await self._write(session_id)
        elif first_seen or SOON & changes.keys():
            self._unwritten.add(session_id)
            self._flush_soon()
        return session

    async def seconds_used(self, since: float, owner: str | None = None) -> float:
        """See `LiveSessions`; what earlier processes used counts too."""
        await self._repository.follow_clock()
        return await self._repository.seconds_used(since, owner)

    async def take_over(self) -> list[AvatarSession]:
        """See `LiveSessions`; raises `RecordUnavailable`."""
        await self._repository.follow_clock()
        await self.flush()
        found = await self._repository.take_over()
        for session in found:
            if session.ended_upstream:
                self.remember(session)
            else:
                await super().add(session)
        await self._flush_quietly()  # the database may just have been found to be another one
        left_open = sum(not session.ended_upstream for session in found)
        if left_open:
            log.warning("sessions taken over from a process that is no more", count=left_open)
        if self._clock() >= self._forget_at:
            await self._repository.forget_old()
            self._forget_at = self._clock() + FORGET_EVERY_SECONDS
        return found

    def _flush_soon(self) -> None:
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush_quietly())

    async def _flush_quietly(self) -> None:
        with contextlib.suppress(RecordUnavailable):
            await self.flush()

    async def aclose(self) -> None:
        """Write down what has not been yet, if it can be, and let go of the database."""
        await self._flush_quietly()
        if self._flushing is not None:
            await self._flushing

    async def flush(self) -> None:
        """Write down what has not been yet; raises `RecordUnavailable` at the first refusal."""
        if self._times_reopened != self._repository.times_reopened:
            self._times_reopened = self._repository.times_reopened
            self._unwritten |= {session.session_id for session in await self.all()}
        for session_id in list(self._unwritten):
            await self._save(session_id)

    async def _write(self, session_id: str) -> None:
        with contextlib.suppress(RecordUnavailable):
            await self._save(session_id)

    async def _save(self, session_id: str) -> None:
        # The session as it is now: of two changes at once the later one must not be undone.
        session = await self.get(session_id)
        if session is None:
            return
        try:
            await self._repository.save(session)
        except BaseException:
            self._unwritten.add(session_id)
            raise
        self._unwritten.discard(session_id)

    def _forget(self, session_id: str) -> None:
        super()._forget(session_id)
        self._unwritten.discard(session_id)
