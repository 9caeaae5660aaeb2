"""Creates sessions, so that the broker knows every session that Kaltura opened for it."""

import asyncio
import contextlib
from collections.abc import Awaitable, Coroutine
from typing import Any, Final

import structlog
from pydantic import SecretStr

from app.config.settings import Settings
from app.kaltura import errors
from app.kaltura.client import SessionAccess
from app.kaltura.contract import Created, CreateRequest
from app.kaltura.url_safety import is_safe_media_url
from app.problems import (
    KalturaFailed,
    Problem,
    RecordUnavailable,
    ReplicaUnavailable,
    SessionEnded,
)
from app.sessions.capacity.state import Requester, Reservation
from app.sessions.clock import SessionClock
from app.sessions.gateway import SessionGateway, audit_details
from app.sessions.lifecycle.termination import SessionTerminator
from app.sessions.readiness import Readiness
from app.sessions.registry import SessionRegistry
from app.sessions.runtime import SessionRuntime
from app.sessions.store.model import AvatarSession, EndReason, IdempotencyRecord
from app.sessions.tokens import expiry

KALTURA_TOKEN_SECONDS: Final = 24 * 3600
"""Lifetime in seconds of a JWT of Kaltura's that does not state its expiry (reference 2.1)."""

log = structlog.get_logger(__name__)


class SessionCreator:
    """Creates a session at Kaltura, stores it, and asks for its media once."""

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
        """The number of sessions that Kaltura opened for this process."""

    async def create(
        self,
        reservation: Reservation,
        request: CreateRequest,
        origin: IdempotencyRecord | None,
        seconds: float | None,
    ) -> SessionRuntime:
        """Create a session at Kaltura that lasts for `seconds` or the default; keep it in memory.

        The reservation is given back when no session was opened. While an answer may still come
        after its caller got an error, the reservation is kept. Raises `ReplicaUnavailable` when
        this process was declared dead meanwhile; then the session is ended.
        """
        is_late, holder = False, self._gateway.holder

        def end_late(creating: asyncio.Future[Created]) -> Coroutine[Any, Any, None]:
            nonlocal is_late
            is_late = True
            return self._end_late(reservation, creating)

        try:
            created = await self._gateway.create(request, reservation.requester.owner, end_late)
        except BaseException as failure:
            if not is_late:
                await reservation.release()
            if isinstance(failure, Problem):
                self._readiness.note(failure)
            raise
        self._readiness.note(None)
        self.opened_count += 1
        session = self._new_session(reservation, created, origin, seconds)
        if self._gateway.holder != holder:
            await self._end_at_once(session, reservation)
            raise ReplicaUnavailable(retry_after=1)
        return await self._keep(session, reservation)

    async def complete(
        self, runtime: SessionRuntime, requester: Requester, request: CreateRequest
    ) -> None:
        """Store a session, ask for its media, and record that it was opened for its visitor.

        When one of these steps fails, the session is ended and the problem raised.
        """
        await self._written(runtime, self._registry.save(runtime))
        if self._settings.sealed:
            await self._written(runtime, self.ask_for_media(runtime))
        detail = {"visitorName": requester.display_name, **audit_details(request)}
        await self._written(runtime, self._registry.mark_opened(runtime, **detail))

    async def ask_for_media(self, runtime: SessionRuntime) -> None:
        """Ask Kaltura for a session's media, which is done once a session.

        A session without media is of no use, so it is ended when the call fails, and the problem is
        raised.
        """
        try:
            async with runtime.call_lock.held():
                if runtime.session.media is None:
                    await self._init_client(runtime)
        except ReplicaUnavailable:
            raise  # Kaltura was not asked, so the call can be repeated
        except Problem as problem:
            await self._terminator.end_quietly(runtime, EndReason.FAILED)
            raise (KalturaFailed() if isinstance(problem, SessionEnded) else problem) from problem

    async def _init_client(self, runtime: SessionRuntime) -> None:
        media = await self._gateway.init_client(runtime)
        if not is_safe_media_url(media.whep_url, allow_private=self._settings.upstream_is_local):
            raise KalturaFailed("Kaltura named a media address that a browser must not be sent to.")
        await self._registry.update(runtime, media=media, ready=True)
        runtime.require_open()

    async def _end_late(self, reservation: Reservation, creating: asyncio.Future[Created]) -> None:
        """End a session that Kaltura opened after its visitor got an error."""
        await reservation.disown()
        try:
            created = await creating
        except errors.KalturaError as error:
            log.warning("create was answered too late", outcome=type(error).__name__)
            await reservation.release()
            return
        log.warning("create was answered too late", session_id=created.session_id)
        session = self._new_session(reservation, created, None, None)
        await self._end_at_once(session, reservation)

    async def _end_at_once(self, session: AvatarSession, reservation: Reservation) -> None:
        """Keep a session that no visitor gets, and end it in the background."""
        with contextlib.suppress(Problem):
            runtime = await self._keep(session._replace(ready=False), reservation)
            await self._written(runtime, self._registry.save(runtime))
            self._terminator.end_soon(runtime, EndReason.FAILED)

    async def _keep(self, session: AvatarSession, reservation: Reservation) -> SessionRuntime:
        """Keep a session in memory, where it takes the place that was reserved for it.

        Nothing is awaited between, so that the place is not free for a moment.
        """
        runtime = self._registry.add(session)
        if runtime is None:
            # The id belongs to another open session, which an end call would end.
            await reservation.release()
            raise KalturaFailed
        reservation.fulfil()
        return runtime

    async def _written(self, runtime: SessionRuntime, writing: Awaitable[None]) -> None:
        """Wait for a step that needs the database; when it fails, end the session, and raise."""
        try:
            await writing
        except (RecordUnavailable, ReplicaUnavailable) as failure:
            self._readiness.note(failure)
            await self._terminator.end_quietly(runtime, EndReason.FAILED)
            raise

    def _new_session(
        self,
        reservation: Reservation,
        created: Created,
        origin: IdempotencyRecord | None,
        seconds: float | None,
    ) -> AvatarSession:
        now, wall = self._clock(), self._clock.wall()
        token_expires_at = expiry(created.token, wall) or wall + KALTURA_TOKEN_SECONDS
        token_expires_at = self._clock.from_wall(token_expires_at)
        ends = min(now + self._settings.session_max_seconds, token_expires_at)
        # Counted from now: the time that Kaltura took to open the session is charged to nobody.
        on_budget = seconds is not None and now + seconds < ends
        sealed = self._settings.sealed
        return AvatarSession(
            access=SessionAccess(created.session_id, SecretStr(created.token)),
            owner=reservation.requester.owner,
            address=reservation.requester.address,
            opening_id=reservation.opening_id,
            opened_at=now,
            # Whole seconds, as in the token: session and token end at the same moment.
            expires_at=int(now + seconds if seconds is not None and on_budget else ends),
            last_moment=EndReason.BUDGET if on_budget else EndReason.EXPIRED,
            origin=origin,
            token_expires_at=token_expires_at,
            # In direct mode the page calls Kaltura, and sends the broker no sign of life.
            seen_at=self._clock.running() if sealed else None,
            ready=not sealed,
        )
