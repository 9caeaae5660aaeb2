"""The one place where a visitor's wish becomes a call of Kaltura's Control API."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from pydantic import SecretStr

from app.kaltura.client import KalturaClient, Recording, SessionAccess
from app.kaltura.contract import (
    ClientInit,
    Created,
    CreateRequest,
    Operation,
    SayTextRequest,
    TurnId,
)
from app.kaltura.media import is_safe_media_url
from app.problems import (
    ControlNotAllowed,
    KalturaFailed,
    Problem,
    SessionEnded,
    Unauthenticated,
)
from app.sessions.live import AvatarSession, EndReason, LiveSessions
from app.sessions.ownership import Caller, Held, Ownership, Services
from app.sessions.readiness import Readiness
from app.sessions.speech import new_turn_id, speakable
from app.sessions.tokens import Claims, Clock, SessionTokens, expiry
from app.sessions.upstream import carry_out
from app.sessions.wishes import Wish, create_request
from app.settings import Control, Settings

KEEP_ALIVE_SECONDS: Final = 10
"""At most one keep-alive a session goes upstream in this time; Kaltura asks for one (1.6)."""

KALTURA_TOKEN_SECONDS: Final = 24 * 3600
"""How long Kaltura's JWT lives when it does not say so itself (2.1)."""

MAX_END_PAUSE_SECONDS: Final = 60


@dataclass(frozen=True)
class OpenedSession:
    """A session and the token that its page gets."""

    session: AvatarSession
    token: SecretStr


class SessionBroker:
    """Opens, controls and ends sessions; raises a `Problem` for whatever can't be done.

    Every control call of every surface passes through `_control`, so that policy, order and
    record are in one place.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        client: KalturaClient,
        sessions: LiveSessions,
        tokens: SessionTokens,
        readiness: Readiness,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._client = client
        self._sessions = sessions
        self._tokens = tokens
        self._services = Services(settings.service_tokens)
        self._ownership = Ownership(
            sessions=sessions,
            tokens=tokens,
            services=self._services,
            sealed=settings.sealed,
            visitor_controls=frozenset(settings.visitor_controls),
        )
        self._readiness = readiness
        self._clock = clock
        self._opening: set[asyncio.Task[OpenedSession]] = set()

    # Opening

    async def open(self, visitor: str, wish: Wish) -> OpenedSession:
        """Open a session for a visitor."""
        return await self._reserve_and_open(
            visitor, wish, at_most=self._settings.max_sessions_per_visitor
        )

    async def open_for_service(self, token: str, wish: Wish) -> OpenedSession:
        """Open a session for the service whose token this is; raises `Unauthenticated`."""
        service = self._services.owner(token)
        if service is None:
            raise Unauthenticated
        return await self._reserve_and_open(service, wish, at_most=None)

    async def _reserve_and_open(
        self, owner: str, wish: Wish, *, at_most: int | None
    ) -> OpenedSession:
        """Goes on when its caller is cancelled: a session that Kaltura opened must be known here.

        Otherwise nobody could end it.
        """
        request = create_request(self._settings, wish)
        await self._sessions.reserve(owner, at_most=at_most)
        opening = asyncio.create_task(self._open(owner, request))
        self._opening.add(opening)
        opening.add_done_callback(self._opened)
        return await asyncio.shield(opening)

    def _opened(self, opening: asyncio.Task[OpenedSession]) -> None:
        self._opening.discard(opening)
        if not opening.cancelled():
            opening.exception()  # its caller may be gone; asyncio would warn of it

    async def _open(self, owner: str, request: CreateRequest) -> OpenedSession:
        try:
            created = await carry_out(Operation.CREATE, self._client.create(request))
        except BaseException as error:
            self._readiness.note(error if isinstance(error, Problem) else None)
            await self._sessions.release(owner)
            raise
        self._readiness.note(None)
        session = self._new_session(owner, created)
        if not await self._sessions.add(session):
            # Ending it would end the other session of that id, which is someone's.
            await self._sessions.release(owner)
            raise KalturaFailed
        if not self._settings.sealed:
            return OpenedSession(session, session.access.token)
        try:
            session = await self._with_media(session)
        except Problem as problem:
            await self.end_quietly(session, EndReason.FAILED)
            raise (KalturaFailed() if isinstance(problem, SessionEnded) else problem) from problem
        token = self._tokens.sign(Claims(owner, session.session_id), expires_at=session.expires_at)
        return OpenedSession(session, SecretStr(token))

    def _new_session(self, owner: str, created: Created) -> AvatarSession:
        now = self._clock()
        token_expires_at = expiry(created.token, now) or now + KALTURA_TOKEN_SECONDS
        return AvatarSession(
            access=SessionAccess(created.session_id, SecretStr(created.token)),
            owner=owner,
            opened_at=now,
            expires_at=min(now + self._settings.session_max_seconds, token_expires_at),
            token_expires_at=token_expires_at,
            seen_at=now,
        )

    async def _with_media(self, session: AvatarSession) -> AvatarSession:
        """Calls init-client, the only time for this session (invariant 4)."""
        media = await carry_out(
            Operation.INIT_CLIENT, self._client.init_client(session.access), session.session_id
        )
        if not is_safe_media_url(media.whep_url, allow_private=self._settings.upstream_is_local):
            raise KalturaFailed("Kaltura named a media address that a browser must not be sent to.")
        return await self._sessions.update(session.session_id, media=media)

    # Finding

    async def find(self, caller: Caller, session_id: str) -> Held:
        """The caller's own session, ended or not; see `Ownership.find`."""
        return await self._ownership.find(caller, session_id)

    async def owned_by(self, owner: str) -> list[AvatarSession]:
        """The sessions that a visitor may resume."""
        return [s for s in await self._sessions.all() if s.owner == owner and s.ended is None]

    async def media(self, held: Held) -> ClientInit:
        """Where the session's media is; answered from memory however often it is asked."""
        session = held.session
        if session.ended is not None:
            raise SessionEnded
        if session.media is None:
            raise ControlNotAllowed(
                "In direct mode the page asks Kaltura itself where the media is."
            )
        await self._touch(session)
        return session.media

    # Controlling

    async def say_text(
        self, held: Held, text: str, turn_id: TurnId | None, *, is_final: bool
    ) -> TurnId:
        """Say a text; returns the id of its turn, made here when none is given."""
        _require(held, "speak")
        text = speakable(text, self._settings.max_text_length)
        turn_id = turn_id or new_turn_id()
        said = SayTextRequest(text=text, turn_id=turn_id, is_final=is_final)
        await self._control(
            Operation.SAY_TEXT, held.session, lambda access: self._client.say_text(access, said)
        )
        return turn_id

    async def say_audio(self, held: Held, recording: Recording, turn_id: TurnId | None) -> TurnId:
        """Say a recording; returns the id of its turn, made here when none is given."""
        _require(held, "speak-audio")
        turn_id = turn_id or new_turn_id()
        await self._control(
            Operation.SAY_AUDIO,
            held.session,
            lambda access: self._client.say_audio(access, recording, turn_id),
        )
        return turn_id

    async def interrupt(self, held: Held) -> None:
        """Stop speech."""
        _require(held, "interrupt")
        await self._control(Operation.INTERRUPT, held.session, self._client.interrupt)

    async def keep_alive(self, held: Held) -> None:
        """Note a sign of life; upstream hears of it at most every `KEEP_ALIVE_SECONDS`."""
        now, session = self._clock(), held.session
        if session.ended is None and now - session.kept_alive_at < KEEP_ALIVE_SECONDS:
            await self._touch(session)
            return
        await self._sessions.update(session.session_id, kept_alive_at=now)
        await self._control(Operation.KEEP_ALIVE, session, self._client.keep_alive)

    async def _control(
        self,
        operation: Operation,
        session: AvatarSession,
        call: Callable[[SessionAccess], Awaitable[None]],
    ) -> None:
        await self._touch(session)
        async with self._sessions.lane(session.session_id):
            current = await self._sessions.get(session.session_id)
            if current is None or current.ended is not None:
                raise SessionEnded
            try:
                await carry_out(operation, call(session.access), session.session_id)
            except SessionEnded:
                await self._sessions.update(
                    session.session_id, ended=EndReason.GONE, ended_upstream=True
                )
                raise

    async def _touch(self, session: AvatarSession) -> None:
        if session.ended is not None:
            raise SessionEnded
        await self._sessions.update(session.session_id, seen_at=self._clock())

    # Ending

    async def end_as_asked(self, held: Held) -> None:
        """End a session as its holder asks; asking again is asking once."""
        _require(held, "end")
        await self.end(held.session, EndReason.VISITOR)

    async def end(self, session: AvatarSession, reason: EndReason) -> None:
        """End a session here at once, and upstream as soon as the call before it is through.

        When Kaltura does not agree, the problem is raised and the reaper tries again.
        """
        session_id = session.session_id
        if session.ended is None:
            session = await self._sessions.update(session_id, ended=reason)
        async with self._sessions.lane(session_id, express=True):
            current = await self._sessions.get(session_id)
            if current is None or current.ended_upstream:
                return
            attempts = current.end_attempts + 1
            pause = min(2.0**attempts, MAX_END_PAUSE_SECONDS)
            await self._sessions.update(
                session_id, end_attempts=attempts, end_again_at=self._clock() + pause
            )
            await carry_out(Operation.END, self._client.end(current.access), session_id)
            await self._sessions.update(session_id, ended_upstream=True)

    async def close(self) -> None:
        """Let what is being opened arrive, then end every session."""
        if self._opening:
            await asyncio.wait(self._opening)
        sessions = await self._sessions.all()
        await asyncio.gather(*(self.end_quietly(s, EndReason.SHUTDOWN) for s in sessions))

    async def end_quietly(self, session: AvatarSession, reason: EndReason) -> None:
        """Ends a session that nobody waits for; past its token's time nothing can be done."""
        try:
            await self.end(session, reason)
        except Problem:
            if self._clock() >= session.token_expires_at:
                await self._sessions.update(session.session_id, ended_upstream=True)


def _require(held: Held, control: Control) -> None:
    if control not in held.controls:
        raise ControlNotAllowed(f"Visitors may not use {control} here.")
