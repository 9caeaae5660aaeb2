"""One session's state in this process: its lock, speech, recordings and current data."""

import asyncio
from typing import Final, Self

from app.kaltura.client import Recording
from app.problems import QueueFull, ReplicaUnavailable, SessionEnded
from app.sessions.speech.session_speech import SessionSpeech
from app.sessions.store.model import AvatarSession

MAX_WAITING_CALLS: Final = 32
"""Calls of one session that may wait for its call lock."""


class CallLock:
    """Lets the calls of one session go to Kaltura one at a time, in the order of arrival."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._waiting = 0

    def held(self, *, bypass_limits: bool = False) -> Self:
        """Hold the lock during the block.

        Raises `QueueFull` past `MAX_WAITING_CALLS`, except for a call that bypasses limits.
        """
        if self._waiting >= MAX_WAITING_CALLS and not bypass_limits:
            raise QueueFull(retry_after=1)
        return self

    async def __aenter__(self) -> None:
        self._waiting += 1
        try:
            await self._lock.acquire()
        finally:
            self._waiting -= 1

    async def __aexit__(self, *_: object) -> None:
        self._lock.release()


class SessionRuntime:
    """One session in this process; a later session with an id used before has its own runtime.

    `session` is the current data. An `AvatarSession` is immutable, and `SessionRegistry` alone
    replaces it.
    """

    def __init__(self, session: AvatarSession) -> None:
        self.session = session
        self.call_lock = CallLock()
        self.speech: SessionSpeech | None = None
        """The session's speech; None before the first use, and once an ended session's is
        forgotten.
        """

        self.recordings: set[asyncio.Task[Recording]] = set()
        """Recordings of this session that are being transcoded."""

        self.ending: asyncio.Task[None] | None = None
        """The task that ends the session in the background."""

        self.is_lost = False
        """Whether another process has the session, or may take it."""

    @property
    def session_id(self) -> str:
        """Kaltura's id of the session."""
        return self.session.session_id

    def require_open(self) -> None:
        """Raise `SessionEnded` when the session has ended, and what `require_held` raises."""
        self.require_held()
        if self.session.ended is not None:
            raise self.ended_problem()

    def require_held(self) -> None:
        """Raise `ReplicaUnavailable` when another process has the session."""
        if self.is_lost:
            raise ReplicaUnavailable(retry_after=1)

    def lose(self) -> None:
        """Stop all work for this session, which another process has."""
        self.is_lost = True
        self.stop_recordings()
        if self.speech is not None:
            self.speech.lose()

    def ended_problem(self) -> SessionEnded:
        """The problem for a call of this ended session, with the reason of the end."""
        reason = self.session.ended
        return SessionEnded(endReason=reason.value if reason else None)

    def close_speech(self) -> None:
        """Drop all speech of this session, which has ended."""
        if self.speech is not None:
            self.speech.close()

    def stop_recordings(self) -> None:
        """Cancel the recordings of this session that are being transcoded."""
        for task in self.recordings:
            task.cancel()
