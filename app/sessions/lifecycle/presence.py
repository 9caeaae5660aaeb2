"""Whether the page of a session is there: it gets the session, goes away, and comes back."""

from typing import Final

from app.sessions.clock import SessionClock
from app.sessions.lifecycle.termination import SessionTerminator
from app.sessions.registry import SessionRegistry
from app.sessions.runtime import SessionRuntime
from app.sessions.store.model import EndReason
from app.sessions.tokens import OpenedSession, SessionTokens

LEAVE_SECONDS: Final = 3
"""How long a session outlives its page: enough for a reload, little to pay for."""


class SessionPresence:
    """Notes that pages come and go; raises `SessionEnded` for a session that is over."""

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
        """Let a new session be its visitor's; one who hung up gets none.

        They may ask again with the same Idempotency-Key, so it is kept for them for a moment.
        """
        if not hung_up:
            await self._registry.update(runtime, delivered=True, leaves_at=None)
        elif runtime.session.origin is None:
            self._terminator.end_soon(runtime, EndReason.LEFT)
        elif not runtime.session.delivered:
            await self.leave(runtime)
        return self._tokens.issue(runtime)

    async def leave(self, runtime: SessionRuntime) -> None:
        """Note that the page goes away: the session ends in a moment, unless the page is back."""
        if runtime.session.ended is None and runtime.session.leaves_at is None:
            leaves_at = self._clock.running() + LEAVE_SECONDS
            await self._registry.update(runtime, leaves_at=leaves_at)

    async def resume(self, runtime: SessionRuntime) -> OpenedSession:
        """Note that the page is back; it gets what it got from create."""
        runtime.require_open()
        await self._registry.update(runtime, seen_at=self._clock.running(), leaves_at=None)
        return self._tokens.issue(runtime)
