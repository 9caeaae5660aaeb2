"""Opens sessions, so that each one that Kaltura opened is known here."""

import asyncio
import contextlib
import functools
from collections.abc import Awaitable
from dataclasses import replace
from typing import Final

import structlog
from pydantic import SecretStr

from app.config.settings import Settings
from app.kaltura import errors
from app.kaltura.client import SessionAccess
from app.kaltura.contract import Created, CreateRequest
from app.kaltura.media import is_safe_media_url
from app.problems import KalturaFailed, Problem, RecordUnavailable, SessionEnded
from app.sessions.capacity.manager import Requester
from app.sessions.clock import SessionClock
from app.sessions.gateway import SessionGateway, asked_for
from app.sessions.lifecycle.termination import SessionTerminator
from app.sessions.readiness import Readiness
from app.sessions.registry import SessionRegistry
from app.sessions.runtime import SessionRuntime
from app.sessions.store.model import AvatarSession, EndReason, IdempotencyRecord
from app.sessions.tokens import expiry

KALTURA_TOKEN_SECONDS: Final = 24 * 3600
"""How long Kaltura's JWT lives when it does not say so itself (2.1)."""

log = structlog.get_logger(__name__)


class SessionCreator:
    """Creates a session at Kaltura, keeps it, and asks once for its media."""

    def __init__(
        self,
        settings: Settings,
        *,
        gateway: SessionGateway,
        registry: SessionRegistry,
        terminator: SessionTerminator,
        readiness: Readiness,
        clock: SessionClock,
    ) -> None:
        self._settings = settings
        self._gateway = gateway
        self._registry = registry
        self._terminator = terminator
        self._readiness = readiness
        self._clock = clock
        self.opened_count = 0
        """Sessions that Kaltura opened for this process."""

    async def create(
        self,
        requester: Requester,
        request: CreateRequest,
        origin: IdempotencyRecord | None,
        seconds: float | None,
    ) -> SessionRuntime:
        """Create a session at Kaltura that may last for `seconds`, and keep it in memory.

        Nothing is awaited after it is kept, so that its place is taken all the time.
        """
        try:
            created = await self._gateway.create(
                request, requester.owner, functools.partial(self._end_late, requester)
            )
        except Problem as problem:
            self._readiness.note(problem)
            raise
        self._readiness.note(None)
        self.opened_count += 1
        return self._keep(self._new_session(requester, created, origin, seconds))

    async def complete(
        self, runtime: SessionRuntime, requester: Requester, request: CreateRequest
    ) -> None:
        """Write a session down, ask for its media, and put on record whose it is.

        A session of which one of these can't be done is ended, and the problem raised.
        """
        await self._written(runtime, self._registry.save(runtime))
        if self._settings.sealed:
            await self.ask_for_media(runtime)
        detail = {"visitorName": requester.called, **asked_for(request)}
        await self._written(runtime, self._registry.mark_opened(runtime, **detail))

    async def ask_for_media(self, runtime: SessionRuntime) -> None:
        """Have a session know its media: init-client reaches Kaltura once (invariant 4).

        A session whose media can't be had is of no use, so it is ended.
        """
        try:
            async with runtime.call_lock.held():
                if runtime.session.media is None:
                    await self._init_client(runtime)
        except Problem as problem:
            await self._terminator.end_quietly(runtime, EndReason.FAILED)
            raise (KalturaFailed() if isinstance(problem, SessionEnded) else problem) from problem

    async def _init_client(self, runtime: SessionRuntime) -> None:
        media = await self._gateway.init_client(runtime)
        if not is_safe_media_url(media.whep_url, allow_private=self._settings.upstream_is_local):
            raise KalturaFailed("Kaltura named a media address that a browser must not be sent to.")
        await self._registry.update(runtime, media=media, ready=True)
        runtime.require_open()

    async def _end_late(self, requester: Requester, creating: asyncio.Future[Created]) -> None:
        """End what Kaltura opened after all, when its visitor had been told that it did not."""
        try:
            created = await creating
        except errors.KalturaError as error:
            log.warning("create was answered too late", outcome=type(error).__name__)
            return
        log.warning("create was answered too late", session_id=created.session_id)
        session = replace(self._new_session(requester, created, None, None), ready=False)
        with contextlib.suppress(Problem):
            runtime = self._keep(session)
            await self._written(runtime, self._registry.save(runtime))
            self._terminator.end_soon(runtime, EndReason.FAILED)

    def _keep(self, session: AvatarSession) -> SessionRuntime:
        runtime = self._registry.add(session)
        if runtime is None:
            # Ending it would end the other session of that id, which is someone's.
            raise KalturaFailed
        return runtime

    async def _written(self, runtime: SessionRuntime, writing: Awaitable[None]) -> None:
        """Wait until it is on disk; a session of which that can't be is ended."""
        try:
            await writing
        except RecordUnavailable as failure:
            self._readiness.note(failure)
            await self._terminator.end_quietly(runtime, EndReason.FAILED)
            raise

    def _new_session(
        self,
        requester: Requester,
        created: Created,
        origin: IdempotencyRecord | None,
        seconds: float | None,
    ) -> AvatarSession:
        now, wall = self._clock(), self._clock.wall()
        token_expires_at = expiry(created.token, wall) or wall + KALTURA_TOKEN_SECONDS
        token_expires_at = self._clock.from_wall(token_expires_at)
        ends = min(now + self._settings.session_max_seconds, token_expires_at)
        # From now on: what Kaltura took to open it is on nobody's account.
        on_budget = seconds is not None and now + seconds < ends
        sealed = self._settings.sealed
        return AvatarSession(
            access=SessionAccess(created.session_id, SecretStr(created.token)),
            owner=requester.owner,
            address=requester.address,
            opened_at=now,
            # Whole seconds, as in a token: both end at the same moment.
            expires_at=int(now + seconds if seconds is not None and on_budget else ends),
            last_moment=EndReason.BUDGET if on_budget else EndReason.EXPIRED,
            origin=origin,
            token_expires_at=token_expires_at,
            # A page of Kaltura's direct flow owes the broker no sign of life.
            seen_at=self._clock.running() if sealed else None,
            ready=not sealed,
        )
