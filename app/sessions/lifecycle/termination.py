"""Ends sessions here and at Kaltura, and repeats the call to Kaltura when it fails."""

import asyncio
from typing import Final

import structlog

from app.kaltura.contract import Operation
from app.problems import Problem
from app.sessions.auditing import AuditedCall, SessionAuditor
from app.sessions.capacity.manager import CapacityManager
from app.sessions.clock import Clock
from app.sessions.gateway import SessionGateway
from app.sessions.registry import SessionRegistry
from app.sessions.runtime import SessionRuntime
from app.sessions.store.model import EndReason

MAX_PAUSE_SECONDS: Final = 60
"""Longest pause before a failed end call is repeated; the pause doubles from 2 seconds."""

log = structlog.get_logger(__name__)


class SessionTerminator:
    """Ends sessions; for each, at most one end call is under way in the background."""

    def __init__(
        self,
        *,
        gateway: SessionGateway,
        registry: SessionRegistry,
        capacity: CapacityManager,
        auditor: SessionAuditor,
        clock: Clock,
    ) -> None:
        self._gateway = gateway
        self._registry = registry
        self._capacity = capacity
        self._auditor = auditor
        self._clock = clock
        self._endings: set[asyncio.Task[None]] = set()

    async def end(self, runtime: SessionRuntime, reason: EndReason, call: AuditedCall) -> None:
        """End a session here at once, and at Kaltura after the session's call that is under way.

        When the call to Kaltura fails, its problem is raised, and the reaper repeats the call.
        """
        await self._registry.mark_ended(runtime, reason)
        async with runtime.call_lock.held(bypass_limits=True):
            if runtime.session.ended_upstream:
                return
            runtime.require_held()
            attempts = runtime.session.end_attempts + 1
            pause: int = min(2**attempts, MAX_PAUSE_SECONDS)
            await self._registry.update(
                runtime, end_attempts=attempts, end_again_at=self._clock() + pause
            )
            await call.accepted(reason=reason.value)
            await self._gateway.end(runtime, call)
            await self._ended_upstream(runtime)

    def end_soon(self, runtime: SessionRuntime, reason: EndReason) -> None:
        """End a session in the background, so that a slow call holds up no other session."""
        if runtime.ending is None or runtime.ending.done():
            runtime.ending = asyncio.create_task(self.end_quietly(runtime, reason))
            self._endings.add(runtime.ending)
            runtime.ending.add_done_callback(self._endings.discard)

    async def settle(self) -> None:
        """Wait for the end calls that are under way."""
        while self._endings:
            await asyncio.wait(self._endings)

    async def end_quietly(self, runtime: SessionRuntime, reason: EndReason) -> None:
        """End a session without raising; the reaper repeats the call when it fails.

        Once the session's token at Kaltura has expired, the broker can't end the session any more,
        so it counts as ended.
        """
        try:
            async with self._auditor.call(Operation.END, runtime.session) as call:
                await self.end(runtime, reason, call)
        except Problem as problem:
            hopeless = self._clock() >= runtime.session.token_expires_at
            if hopeless:
                await self._ended_upstream(runtime)
            log.warning(
                "session given up" if hopeless else "session could not be ended yet",
                session_id=runtime.session_id,
                problem=problem.name,
            )

    async def _ended_upstream(self, runtime: SessionRuntime) -> None:
        session = await self._registry.update(runtime, ended_upstream=True)
        await self._capacity.freed(session)
