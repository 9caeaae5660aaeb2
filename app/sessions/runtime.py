"""Everything that one session has in this process."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from app.kaltura.client import Recording
from app.problems import QueueFull, SessionEnded
from app.sessions.speech.session_speech import SessionSpeech
from app.sessions.store.model import AvatarSession

MAX_WAITING_CALLS: Final = 32
"""Calls of one session that may wait for their turn."""


class CallLock:
    """Lets the calls of one session go to Kaltura one at a time, first come first served."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._waiting = 0

    @contextlib.asynccontextmanager
    async def held(self, *, bypass_limits: bool = False) -> AsyncIterator[None]:
        """Hold the lock during the block.

        Raises `QueueFull` past `MAX_WAITING_CALLS`, but never for a call that bypasses limits.
        """
        if self._waiting >= MAX_WAITING_CALLS and not bypass_limits:
            raise QueueFull(retry_after=1)
        self._waiting += 1
        try:
            await self._lock.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._lock.release()


class SessionRuntime:
    """One session as this process has it; when Kaltura gives an id anew, that is another one.

    `session` is the session as it is now: an `AvatarSession` never changes, it is replaced, by
    `SessionRegistry` alone.
    """

    def __init__(self, session: AvatarSession) -> None:
        self.session = session
        self.call_lock = CallLock()
        self.speech: SessionSpeech | None = None
        """None until something is to be said, and again when it is over for long."""

        self.recordings: set[asyncio.Task[Recording]] = set()
        """Recordings that are being made fit to be said."""

        self.ending: asyncio.Task[None] | None = None
        """The end that is under way in the background."""

    @property
    def session_id(self) -> str:
        """Kaltura's id of the session."""
        return self.session.session_id

    def require_open(self) -> None:
        """Raise `SessionEnded` when the session is over."""
        if self.session.ended is not None:
            raise self.ended_problem()

    def ended_problem(self) -> SessionEnded:
        """The problem that tells why the session is over."""
        reason = self.session.ended
        return SessionEnded(endReason=reason.value if reason else None)

    def close_speech(self) -> None:
        """Say nothing more of what was asked for: the session is over."""
        if self.speech is not None:
            self.speech.close()

    def stop_recordings(self) -> None:
        """Let no recording be said that is still being made fit to be said."""
        for task in self.recordings:
            task.cancel()
