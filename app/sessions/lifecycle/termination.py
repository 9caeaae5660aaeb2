"""Ends sessions here and at Kaltura, and does not give up on it."""

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

log = structlog.get_logger(__name__)


class SessionTerminator:
    """Ends sessions; at most one end of each is under way in the background."""

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
        """End a session here at once, and at Kaltura as soon as the call before it is through.

        When Kaltura does not agree, the problem is raised and the reaper tries again.
        """
        await self._registry.mark_ended(runtime, reason)
        async with runtime.call_lock.held(bypass_limits=True):
            if runtime.session.ended_upstream:
                return
            attempts = runtime.session.end_attempts + 1
            pause: int = min(2**attempts, MAX_PAUSE_SECONDS)
            await self._registry.update(
                runtime, end_attempts=attempts, end_again_at=self._clock() + pause
            )
            await call.accepted(reason=reason.value)
            await self._gateway.end(runtime, call)
            await self._ended_upstream(runtime)

    def end_soon(self, runtime: SessionRuntime, reason: EndReason) -> None:
        """End a session that nobody waits for; one slow end holds up no other."""
        if runtime.ending is None or runtime.ending.done():
            runtime.ending = asyncio.create_task(self.end_quietly(runtime, reason))
            self._endings.add(runtime.ending)
            runtime.ending.add_done_callback(self._endings.discard)

    async def settle(self) -> None:
        """Wait for the ends that are under way."""
        while self._endings:
            await asyncio.wait(self._endings)

    async def end_quietly(self, runtime: SessionRuntime, reason: EndReason) -> None:
        """End a session, and leave it to the reaper when that fails.

        Past the time of the session's own token nothing is left that could be done.
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
