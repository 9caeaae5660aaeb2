"""Ends sessions here and upstream, and does not give up on it."""

import asyncio
from typing import Final

import structlog

from app.kaltura.client import KalturaClient
from app.kaltura.contract import Operation
from app.problems import Problem, SessionEnded
from app.sessions.admission.capacity import CapacityManager
from app.sessions.auditing import AuditedCall, SessionAuditor
from app.sessions.error_mapping import carry_out
from app.sessions.store.memory import SessionStore
from app.sessions.store.model import AvatarSession, EndReason
from app.sessions.tokens import Clock

MAX_PAUSE_SECONDS: Final = 60

log = structlog.get_logger(__name__)


def ended(session: AvatarSession | None) -> SessionEnded:
    """The problem that tells why a session is over."""
    reason = session.ended if session else None
    return SessionEnded(endReason=reason.value if reason else None)


class SessionTerminator:
    """The only one who ends sessions; at most one end of each is under way in the background."""

    def __init__(
        self,
        *,
        client: KalturaClient,
        sessions: SessionStore,
        places: CapacityManager,
        auditor: SessionAuditor,
        clock: Clock,
    ) -> None:
        self._client = client
        self._sessions = sessions
        self._places = places
        self._auditor = auditor
        self._clock = clock
        self._under_way: dict[str, asyncio.Task[None]] = {}

    async def is_over(self, session_id: str, reason: EndReason) -> AvatarSession:
        """The session, over for everyone from now on; the first reason stays."""
        before = await self._sessions.get(session_id)
        session = await self._sessions.mark_ended(session_id, reason)
        if before is None or before.ended is None:
            self._auditor.ended(session)
        return session

    async def take_over(self) -> None:
        """Bring in what processes that are no more have left; raises `RecordUnavailable`.

        They may not have come to write down that a session had ended.
        """
        for session in await self._sessions.take_over():
            if session.ended is not None:
                self._auditor.ended(session)

    async def end(self, session: AvatarSession, reason: EndReason, call: AuditedCall) -> None:
        """End a session here at once, and upstream as soon as the call before it is through.

        When Kaltura does not agree, the problem is raised and the reaper tries again.
        """
        session_id = session.session_id
        await self.is_over(session_id, reason)
        async with self._sessions.lane(session_id, bypass_limits=True):
            current = await self._sessions.get(session_id)
            if current is None or current.ended_upstream:
                return
            attempts = current.end_attempts + 1
            pause: int = min(2**attempts, MAX_PAUSE_SECONDS)
            await self._sessions.update(
                session_id, end_attempts=attempts, end_again_at=self._clock() + pause
            )
            await call.accepted(reason=reason.value)
            await carry_out(Operation.END, self._client.end(current.access), call, session_id)
            await self._closed(session_id)

    def end_soon(self, session: AvatarSession, reason: EndReason) -> None:
        """End a session that nobody waits for; one slow end holds up no other."""
        session_id = session.session_id
        if session_id not in self._under_way:
            ending = asyncio.create_task(self.end_quietly(session, reason))
            self._under_way[session_id] = ending
            ending.add_done_callback(lambda _: self._under_way.pop(session_id))

    async def settle(self) -> None:
        """Wait for the ends that are under way."""
        while self._under_way:
            await asyncio.wait(self._under_way.values())

    async def end_quietly(self, session: AvatarSession, reason: EndReason) -> None:
        """End a session, and leave it to the reaper when that fails.

        Past the time of the session's own token nothing is left that could be done.
        """
        try:
            async with self._auditor.call(Operation.END, session, bypass_limits=True) as call:
                await self.end(session, reason, call)
        except Problem as problem:
            hopeless = self._clock() >= session.token_expires_at
            if hopeless:
                await self._closed(session.session_id)
            log.warning(
                "session given up" if hopeless else "session could not be ended yet",
                session_id=session.session_id,
                problem=problem.name,
            )

    async def _closed(self, session_id: str) -> None:
        session = await self._sessions.update(session_id, ended_upstream=True)
        await self._places.freed(session)
