"""Opens sessions, so that each one that Kaltura opened is known here."""

import asyncio
from dataclasses import dataclass
from typing import Final

from pydantic import SecretStr

from app.kaltura.client import KalturaClient, SessionAccess
from app.kaltura.contract import Created, CreateRequest, Operation
from app.kaltura.media import is_safe_media_url
from app.problems import KalturaFailed, Problem, SessionEnded
from app.sessions.ending import SessionEnder
from app.sessions.live import AvatarSession, EndReason, LiveSessions
from app.sessions.readiness import Readiness
from app.sessions.tokens import Claims, Clock, SessionTokens, expiry
from app.sessions.upstream import carry_out
from app.sessions.wishes import Wish, create_request
from app.settings import Settings

KALTURA_TOKEN_SECONDS: Final = 24 * 3600
"""How long Kaltura's JWT lives when it does not say so itself (2.1)."""


@dataclass(frozen=True)
class OpenedSession:
    """A session and the token that its page gets."""

    session: AvatarSession
    token: SecretStr


class SessionOpener:
    """Reserves a place, creates, asks once for the media, and hands out a token."""

    def __init__(
        self,
        *,
        settings: Settings,
        client: KalturaClient,
        sessions: LiveSessions,
        tokens: SessionTokens,
        ender: SessionEnder,
        readiness: Readiness,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._client = client
        self._sessions = sessions
        self._tokens = tokens
        self._ender = ender
        self._readiness = readiness
        self._clock = clock
        self._under_way: set[asyncio.Task[OpenedSession]] = set()

    @property
    def is_busy(self) -> bool:
        """Whether a session is being opened."""
        return bool(self._under_way)

    async def open(self, owner: str, wish: Wish, *, at_most: int | None) -> OpenedSession:
        """Open a session for `owner`, who may have `at_most` so many.

        Goes on when its caller is cancelled: nobody could end a session that is not known here.
        """
        request = create_request(self._settings, wish)
        await self._sessions.reserve(owner, at_most=at_most)
        opening = asyncio.create_task(self._open(owner, request))
        self._under_way.add(opening)
        opening.add_done_callback(self._done)
        return await asyncio.shield(opening)

    def _done(self, opening: asyncio.Task[OpenedSession]) -> None:
        self._under_way.discard(opening)
        if not opening.cancelled():
            opening.exception()  # its caller may be gone; asyncio would warn of it

    async def _open(self, owner: str, request: CreateRequest) -> OpenedSession:
        added = False
        try:
            session = self._new_session(owner, await self._create(request))
            added = await self._sessions.add(session)
        finally:
            if not added:
                await self._sessions.release(owner)
        if not added:
            # Ending it would end the other session of that id, which is someone's.
            raise KalturaFailed
        if not self._settings.sealed:
            return OpenedSession(session, session.access.token)
        session = await self.ask_for_media(session)
        token = self._tokens.sign(Claims(owner, session.session_id), expires_at=session.expires_at)
        return OpenedSession(session, SecretStr(token))

    async def _create(self, request: CreateRequest) -> Created:
        try:
            created = await carry_out(Operation.CREATE, self._client.create(request))
        except Problem as problem:
            self._readiness.note(problem)
            raise
        self._readiness.note(None)
        return created

    def _new_session(self, owner: str, created: Created) -> AvatarSession:
        now = self._clock()
        token_expires_at = expiry(created.token, now) or now + KALTURA_TOKEN_SECONDS
        # Whole seconds, as in a token: both end at the same moment.
        expires_at = int(min(now + self._settings.session_max_seconds, token_expires_at))
        sealed = self._settings.sealed
        return AvatarSession(
            access=SessionAccess(created.session_id, SecretStr(created.token)),
            owner=owner,
            opened_at=now,
            expires_at=expires_at,
            token_expires_at=token_expires_at,
            # A page of Kaltura's direct flow owes the broker no sign of life.
            seen_at=now if sealed else None,
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
            await self._ender.end_quietly(session, EndReason.FAILED)
            raise (KalturaFailed() if isinstance(problem, SessionEnded) else problem) from problem

    async def _init_client(self, session: AvatarSession) -> AvatarSession:
        media = await carry_out(
            Operation.INIT_CLIENT, self._client.init_client(session.access), session.session_id
        )
        if not is_safe_media_url(media.whep_url, allow_private=self._settings.upstream_is_local):
            raise KalturaFailed("Kaltura named a media address that a browser must not be sent to.")
        session = await self._sessions.update(session.session_id, media=media, ready=True)
        if session.ended is not None:
            raise SessionEnded
        return session
