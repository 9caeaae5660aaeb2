"""Leaves no session open behind when the process ends."""

import asyncio
from collections.abc import Callable
from typing import Final

from app.sessions.lifecycle.termination import SessionTerminator
from app.sessions.registry import SessionRegistry
from app.sessions.runtime import SessionRuntime
from app.sessions.speech.service import SpeechService
from app.sessions.store.model import EndReason

PAUSE_SECONDS: Final = 0.1
"""How long `close` waits before it looks again, and tries again what was refused."""


class SessionShutdown:
    """Ends every session, and those that may still be opened.

    `keeps_sessions` leaves open sessions to a next process; only those that are over are ended.
    `creates_under_way` tells how many sessions may still be opened.
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
        """Do it, however long it takes: the caller sets the deadline."""
        while any(left := self.left()):
            for runtime in left[0]:
                self._terminator.end_soon(runtime, EndReason.SHUTDOWN)
            await asyncio.sleep(PAUSE_SECONDS)
        # Over at Kaltura; that shall also be on record.
        await self._terminator.settle()
        await self._speech.settle()

    def left(self) -> tuple[list[SessionRuntime], int]:
        """The sessions that have still to be ended, and how many more may still be opened."""
        here = [each for each in self._registry.runtimes() if not each.session.is_elsewhere]
        due = [each for each in here if each.session.ended or not self._keeps_sessions]
        return due, self._creates_under_way()
