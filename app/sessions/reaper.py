"""Ends what nobody ends."""

import asyncio
from typing import Final, NoReturn

import structlog

from app.sessions.broker import SessionBroker
from app.sessions.live import AvatarSession, EndReason, LiveSessions
from app.sessions.tokens import Clock

SWEEP_SECONDS: Final = 1.0

log = structlog.get_logger(__name__)


class Reaper:
    """Ends sessions that are idle or over their time, and those Kaltura did not end at once."""

    def __init__(
        self, *, broker: SessionBroker, sessions: LiveSessions, idle_seconds: int, clock: Clock
    ) -> None:
        self._broker = broker
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
        """End everything that is due now."""
        now = self._clock()
        due = [
            self._broker.end_quietly(session, reason)
            for session in await self._sessions.all()
            if (reason := self._due(session, now)) is not None
        ]
        await asyncio.gather(*due)

    def _due(self, session: AvatarSession, now: float) -> EndReason | None:
        if session.ended is not None:
            return session.ended if now >= session.end_again_at else None
        if now >= session.expires_at:
            return EndReason.EXPIRED
        return EndReason.IDLE if now - session.seen_at >= self._idle_seconds else None
