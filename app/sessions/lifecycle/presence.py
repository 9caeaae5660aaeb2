"""Notes when the page of a session gets it, goes away and comes back."""

from typing import Final

from app.sessions.clock import SessionClock
from app.sessions.lifecycle.termination import SessionTerminator
from app.sessions.registry import SessionRegistry
from app.sessions.runtime import SessionRuntime
from app.sessions.store.model import AvatarSession, EndReason
from app.sessions.tokens import OpenedSession, SessionTokens

LEAVE_SECONDS: Final = 3
"""Seconds that a session outlives its page: enough for a reload, and cheap."""


class SessionPresence:
    """Notes that pages come and go; `resume` raises `SessionEnded` when the session is over."""

    def __init__(
        self,
        *,
        registry: SessionRegistry,
        tokens: SessionTokens,
        terminator: SessionTerminator,
        clock: SessionClock,
    ) -> None:
        self._registry = registry
        self._tokens = tokens
        self._terminator = terminator
        self._clock = clock

    async def hand_over(self, runtime: SessionRuntime, *, hung_up: bool) -> OpenedSession:
        """Issue a new session's token, and note whether the session reached its visitor.

        When the visitor hung up before the answer, the session is ended; with an Idempotency-Key,
        only after `LEAVE_SECONDS`, in which the visitor may repeat the request.
        """
        if not hung_up:
            await self._registry.update(runtime, delivered=True, leaves_at=None)
        elif runtime.session.origin is None:
            self._terminator.end_soon(runtime, EndReason.LEFT)
        elif not runtime.session.delivered:
            await self.leave(runtime)
        return self._tokens.issue(runtime.session)

    def opened_elsewhere(self, session: AvatarSession) -> OpenedSession:
        """The token of a session that another process has opened for the same request."""
        return self._tokens.issue(session)

    async def leave(self, runtime: SessionRuntime) -> None:
        """Note that a session's page goes away; the session ends unless the page is back soon."""
        if runtime.session.ended is None and runtime.session.leaves_at is None:
            leaves_at = self._clock.running() + LEAVE_SECONDS
            await self._registry.update(runtime, leaves_at=leaves_at)

    async def resume(self, runtime: SessionRuntime) -> OpenedSession:
        """Note that a session's page is back, and issue its token again; raises `SessionEnded`."""
        runtime.require_open()
        await self._registry.update(runtime, seen_at=self._clock.running(), leaves_at=None)
        return self._tokens.issue(runtime.session)
