"""Ends the open sessions when the process ends."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from app.sessions.lifecycle.termination import SessionTerminator
from app.sessions.registry import SessionRegistry
from app.sessions.runtime import SessionRuntime
from app.sessions.speech.service import SpeechService
from app.sessions.store.model import EndReason

PAUSE_SECONDS: Final = 0.1
"""Seconds until `close` checks again, and repeats end calls that were refused."""


class SessionShutdown:
    """Ends every session, including those that are still being opened.

    With `keeps_sessions`, open sessions are left to a next process, and only sessions that are over
    are ended. `creates_under_way` gives the number of sessions that may still be opened.
    """

    def __init__(
        self,
        *,
        registry: SessionRegistry,
        terminator: SessionTerminator,
        speech: SpeechService,
        keeps_sessions: bool,
        creates_under_way: Callable[[], int],
    ) -> None:
        self._registry = registry
        self._terminator = terminator
        self._speech = speech
        self._keeps_sessions = keeps_sessions
        self._creates_under_way = creates_under_way

    async def close(self) -> None:
        """End the sessions; returns when none is left, so the caller sets the deadline."""
        while any(left := self.left()):
            for runtime in left[0]:
                self._terminator.end_soon(runtime, EndReason.SHUTDOWN)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PAUSE_SECONDS):
                    await self._terminator.settle()
            if any(self.left()):
                await asyncio.sleep(PAUSE_SECONDS)
        # Kaltura has ended the sessions; now their entries are written.
        await self._terminator.settle()
        await self._speech.settle()

    def left(self) -> tuple[list[SessionRuntime], int]:
        """The sessions that are still to be ended, and the number that may still be opened."""
        here = [each for each in self._registry.runtimes() if not each.session.is_elsewhere]
        due = [each for each in here if each.session.ended or not self._keeps_sessions]
        return due, self._creates_under_way()
