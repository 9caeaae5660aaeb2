"""Ends what nobody ends."""

import asyncio
from typing import Final, NoReturn

import structlog

from app.sessions.ending import SessionEnder
from app.sessions.live import AvatarSession, EndReason, LiveSessions
from app.sessions.tokens import Clock

SWEEP_SECONDS: Final = 1.0

log = structlog.get_logger(__name__)


class Reaper:
    """Ends sessions that are idle or over their time, and those Kaltura did not end at once."""

    def __init__(
        self, *, ender: SessionEnder, sessions: LiveSessions, idle_seconds: int, clock: Clock
    ) -> None:
        self._ender = ender
        self._sessions = sessions
        self._idle_seconds = idle_seconds
        self._clock = clock

    async def run(self) -> NoReturn:
        """Sweep every `SWEEP_SECONDS`, whatever a sweep runs into."""
        while True:
            try:
                await self.sweep()
            except Exception:
                log.exception("sweep failed")
            await asyncio.sleep(SWEEP_SECONDS)

    async def sweep(self) -> None:
        """See to it that everything that is due now is ended; waits for none of it."""
        now = self._clock()
        for session in await self._sessions.all():
            reason = self._due(session, now)
            if reason is not None:
                self._ender.end_soon(session, reason)

    def _due(self, session: AvatarSession, now: float) -> EndReason | None:
        if session.ended is not None:
            return session.ended if now >= session.end_again_at else None
        if now >= session.expires_at:
            return EndReason.EXPIRED
        idle = session.seen_at is not None and now - session.seen_at >= self._idle_seconds
        return EndReason.IDLE if idle else None
