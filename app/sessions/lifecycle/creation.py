"""Opens sessions, so that each one that Kaltura opened is known here."""

import asyncio
import contextlib
import functools
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from typing import Any, Final

import structlog
from pydantic import SecretStr

from app.config.settings import Settings
from app.kaltura import errors
from app.kaltura.client import KalturaClient, SessionAccess
from app.kaltura.contract import Created, CreateRequest, Operation
from app.kaltura.media import is_safe_media_url
from app.problems import (
    InvalidRequest,
    KalturaBusy,
    KalturaFailed,
    Problem,
    RecordUnavailable,
    SessionEnded,
)
from app.sessions.admission.budgets import Budgets
from app.sessions.admission.capacity import NOBODY, CapacityManager, QueuePosition, Requester
from app.sessions.auditing import SessionAuditor
from app.sessions.clock import SessionClock
from app.sessions.error_mapping import BUSY_SECONDS, carry_out
from app.sessions.lifecycle.options import SessionOptions, create_request
from app.sessions.lifecycle.termination import SessionTerminator
from app.sessions.readiness import Readiness
from app.sessions.store.memory import SessionStore
from app.sessions.store.model import AvatarSession, EndReason, IdempotencyRecord
from app.sessions.tokens import Claims, SessionTokens, expiry

KALTURA_TOKEN_SECONDS: Final = 24 * 3600
"""How long Kaltura's JWT lives when it does not say so itself (2.1)."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class OpenedSession:
    """A session and the token that its page gets; `expires_at` is by the wall clock."""

    session: AvatarSession
    token: SecretStr
    expires_at: float


Opening = asyncio.Task[OpenedSession | QueuePosition]


class SessionCreator:
    """Takes a place, creates, asks once for the media, and hands out a token."""

    def __init__(
        self,
        *,
        settings: Settings,
        client: KalturaClient,
        sessions: SessionStore,
        places: CapacityManager,
        budgets: Budgets,
        tokens: SessionTokens,
        terminator: SessionTerminator,
        readiness: Readiness,
        auditor: SessionAuditor,
        clock: SessionClock,
    ) -> None:
        self._settings = settings
        self._client = client
        self._sessions = sessions
        self._places = places
        self._budgets = budgets
        self._tokens = tokens
        self._terminator = terminator
        self._readiness = readiness
        self._auditor = auditor
        self._clock = clock
        self._under_way: set[Opening] = set()
        self._requests: dict[str, tuple[IdempotencyRecord, Opening]] = {}
        self.opened_count = 0
        """Sessions that Kaltura opened for this process."""

    @property
    def creates_under_way(self) -> int:
        """How many sessions may still be opened, those included that no visitor will get."""
        return len(self._under_way) + self._client.late_creates

    async def open(
        self, requester: Requester, options: SessionOptions, idempotency_key: str | None = None
    ) -> OpenedSession | QueuePosition:
        """Open a session, or wait in line for a place.

        The same key of the same owner is answered with the same session, also while that is
        still being opened. Goes on when its caller is cancelled: nobody could end a session that
        is not known here.
        """
        request = create_request(self._settings, options)
        origin = None
        if idempotency_key is not None:
            origin = IdempotencyRecord.of(requester.owner, idempotency_key, request)
        under_way = self._requests.get(origin.key) if origin else None
        if under_way is None:
            opening = asyncio.create_task(self._open(requester, request, origin))
            self._under_way.add(opening)
            if origin:
                self._requests[origin.key] = origin, opening
            opening.add_done_callback(lambda done: self._done(done, origin))
            return await asyncio.shield(opening)
        _require_same(under_way[0], origin)
        return await asyncio.shield(under_way[1])

    async def is_repeated(self, requester: Requester, idempotency_key: str | None) -> bool:
        """Whether `open` would begin nothing: they are in line, or it was begun with this key."""
        if await self._places.has_place(requester):
            return True
        if idempotency_key is None:
            return False
        key = IdempotencyRecord.key_of(requester.owner, idempotency_key)
        return key in self._requests or await self._answered(key) is not None

    def opened(self, session: AvatarSession) -> OpenedSession:
        """What the page of a session gets: the same whenever it is asked for."""
        expires_at = self._clock.to_wall(session.expires_at)
        if not self._settings.sealed:
            return OpenedSession(session, session.access.token, expires_at)
        claims = Claims(session.owner, session.session_id)
        # By the sessions' clock, as they are read: setting the wall clock expires none.
        token = self._tokens.sign(
            claims, issued_at=session.opened_at, expires_at=session.expires_at
        )
        return OpenedSession(session, SecretStr(token), expires_at)

    def _done(self, opening: Opening, origin: IdempotencyRecord | None) -> None:
        self._under_way.discard(opening)
        if origin is not None:
            del self._requests[origin.key]
        # Its caller may be gone; asyncio would warn of what nobody looks at.
        failure = None if opening.cancelled() else opening.exception()
        if isinstance(failure, RecordUnavailable):
            self._readiness.note(failure)

    async def _open(
        self, requester: Requester, request: CreateRequest, origin: IdempotencyRecord | None
    ) -> OpenedSession | QueuePosition:
        earlier = await self._answered(origin.key) if origin else None
        if earlier is not None:
            _require_same(earlier.origin, origin)
            return self.opened(earlier)
        seconds = await self._budgets.seconds_for(requester.owner)
        waiting = await self._places.take(requester)
        if waiting is not None:
            return waiting
        try:
            created = await self._create(requester, request)
        except KalturaBusy as busy:
            waiting = await self._places.full(requester, busy.retry_after or BUSY_SECONDS)
            if waiting is None:
                raise
            return waiting
        finally:
            self._places.release(requester)
        # No pause before the store has it: it takes one place all the time, and never two.
        session = self._new_session(requester, created, origin, seconds)
        await self._keep(session)
        session = await self.ask_for_media(session) if self._settings.sealed else session
        await self._tell(session, request, requester)
        return self.opened(session)

    async def _answered(self, key: str) -> AvatarSession | None:
        """The session that the request with this key is answered with, if there is one."""
        earlier = await self._sessions.opened_by(key)
        lost = earlier is not None and earlier.ended is not None and not earlier.delivered
        return None if lost else earlier

    async def _create(self, requester: Requester, request: CreateRequest) -> Created:
        async with self._auditor.call(Operation.CREATE, visitor=requester.owner) as call:
            # A session costs money, and nobody minds that its entry is written first.
            await call.accepted(first=True, **_asked_for(request))
            creating = self._client.create(request, functools.partial(self._see_to_late, requester))
            try:
                created = await carry_out(Operation.CREATE, creating, call)
            except Problem as problem:
                self._readiness.note(problem)
                raise
            call.session_id = created.session_id
        self._readiness.note(None)
        self.opened_count += 1
        return created

    def _see_to_late(
        self, requester: Requester, creating: asyncio.Future[Created]
    ) -> Coroutine[Any, Any, None]:
        """Keep its place until it is known what came of it: so places bound the open sessions."""
        self._places.reserve_for_nobody()
        return self._end_late(requester, creating)

    async def _end_late(self, requester: Requester, creating: asyncio.Future[Created]) -> None:
        """End what Kaltura opened after all, when its visitor had been told that it did not."""
        try:
            created = await creating
        except errors.KalturaError as error:
            log.warning("create was answered too late", outcome=type(error).__name__)
            return
        finally:
            self._places.release(NOBODY)
        # No pause before the store has it, as in `_open`.
        log.warning("create was answered too late", session_id=created.session_id)
        session = replace(self._new_session(requester, created, None, None), ready=False)
        with contextlib.suppress(Problem):
            await self._keep(session)
            self._terminator.end_soon(session, EndReason.FAILED)

    async def _tell(
        self, session: AvatarSession, request: CreateRequest, requester: Requester
    ) -> None:
        """On record it is its visitor's, or it is nobody's."""
        try:
            await self._auditor.opened(session, visitorName=requester.called, **_asked_for(request))
        except RecordUnavailable:
            await self._terminator.end_quietly(session, EndReason.FAILED)
            raise

    async def _keep(self, session: AvatarSession) -> None:
        """From here on the session is known, whatever happens to this process."""
        try:
            added = await self._sessions.add(session)
        except RecordUnavailable:
            await self._terminator.end_quietly(session, EndReason.FAILED)
            raise
        if not added:
            # Ending it would end the other session of that id, which is someone's.
            raise KalturaFailed

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

    async def ask_for_media(self, session: AvatarSession) -> AvatarSession:
        """The session with its media: init-client reaches Kaltura once (invariant 4).

        A session whose media can't be had is of no use, so it is ended.
        """
        try:
            async with self._sessions.lane(session.session_id):
                current = await self._sessions.get(session.session_id)
                if current is not None and current.media is not None:
                    return current
                return await self._init_client(session)
        except Problem as problem:
            await self._terminator.end_quietly(session, EndReason.FAILED)
            raise (KalturaFailed() if isinstance(problem, SessionEnded) else problem) from problem

    async def _init_client(self, session: AvatarSession) -> AvatarSession:
        async with self._auditor.call(Operation.INIT_CLIENT, session) as call:
            await call.accepted()
            asking = self._client.init_client(session.access)
            media = await carry_out(Operation.INIT_CLIENT, asking, call, session.session_id)
        if not is_safe_media_url(media.whep_url, allow_private=self._settings.upstream_is_local):
            raise KalturaFailed("Kaltura named a media address that a browser must not be sent to.")
        session = await self._sessions.update(session.session_id, media=media, ready=True)
        if session.ended is not None:
            raise SessionEnded
        return session


def _asked_for(request: CreateRequest) -> dict[str, str | None]:
    """What the record tells of a wish."""
    voice = request.voice_config
    return {"avatarId": request.visual_config.id, "voiceId": voice.id if voice else None}


def _require_same(earlier: IdempotencyRecord | None, now: IdempotencyRecord | None) -> None:
    if earlier != now:
        raise InvalidRequest("Idempotency-Key: it was used for another wish; take a new one.")
