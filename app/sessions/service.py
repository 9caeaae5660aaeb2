"""The one place where a visitor's wish becomes a call of Kaltura's Control API."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Final

from app.config.settings import Settings
from app.kaltura.client import KalturaClient, SessionAccess
from app.kaltura.contract import ClientInit, Operation, TurnId
from app.problems import ControlNotAllowed, SessionEnded, SessionNotFound
from app.sessions.access import AccessControl, Caller, SessionGrant
from app.sessions.admission.budgets import Budgets
from app.sessions.auditing import AuditedCall, SessionAuditor
from app.sessions.clock import SessionClock
from app.sessions.error_mapping import carry_out
from app.sessions.lifecycle.creation import SessionCreator
from app.sessions.lifecycle.termination import SessionTerminator, ended
from app.sessions.speech.assembly import SpeechServices
from app.sessions.speech.chunks import Unwanted
from app.sessions.speech.feed import UtteranceFeed
from app.sessions.speech.requests import SpeakRequests, require_control
from app.sessions.speech.service import SpeechService
from app.sessions.speech.timers import Sleep
from app.sessions.speech.utterances import Receipt
from app.sessions.store.memory import SessionStore
from app.sessions.store.model import AvatarSession, EndReason
from app.sessions.tokens import Clock

KEEP_ALIVE_SECONDS: Final = 10
"""At most one keep-alive a session goes upstream in this time; Kaltura asks for one (1.6)."""

CLOSE_PAUSE_SECONDS: Final = 0.1
"""How long `close` waits before it looks again, and tries again what was refused."""


class SessionService:
    """Finds, controls and ends sessions; raises a `Problem` for whatever can't be done.

    Every control call of every surface passes through `_send`, so that policy, order and record
    are in one place.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        client: KalturaClient,
        sessions: SessionStore,
        access_control: AccessControl,
        creator: SessionCreator,
        terminator: SessionTerminator,
        budgets: Budgets,
        auditor: SessionAuditor,
        speech: SpeechServices,
        clock: SessionClock,
        monotonic: Clock,
        sleep: Sleep,
    ) -> None:
        self._settings = settings
        self._client = client
        self._sessions = sessions
        self._access_control = access_control
        self._creator = creator
        self._terminator = terminator
        self._budgets = budgets
        self._auditor = auditor
        self._clock = clock
        self.speech = SpeechService(
            settings=settings,
            client=client,
            sessions=sessions,
            services=speech,
            auditor=auditor,
            send=self._send,
            clock=clock.wall,
            monotonic=monotonic,
            sleep=sleep,
        )
        self._speaks = SpeakRequests(
            speech=self.speech,
            address_share_percent=settings.address_share_percent,
            auditor=auditor,
            touch=self._touch,
            now=self.now,
            max_text_length=settings.max_text_length,
            clock=clock.wall,
        )

    # Finding

    async def find(self, caller: Caller, session_id: str) -> SessionGrant:
        """The caller's own session, ended or not; see `AccessControl.find`."""
        session = await self._sessions.get(session_id)
        if session is not None:
            await self._now(session)
        return await self._access_control.find(caller, session_id)

    async def now(self, grant: SessionGrant) -> AvatarSession:
        """The session as it is by now."""
        current = await self._sessions.get(grant.session.session_id)
        if current is None or current.opened_at != grant.session.opened_at:
            return grant.session
        return await self._now(current)

    async def _now(self, session: AvatarSession) -> AvatarSession:
        if session.ended is None and self._clock() >= session.expires_at:
            # Its time is over, whether or not the reaper has come by.
            return await self._terminator.is_over(session.session_id, session.last_moment)
        return session

    async def owned_by(self, owner: str) -> list[AvatarSession]:
        """The sessions that a visitor may resume."""
        return [session for session in await self.live() if session.owner == owner]

    async def media(self, grant: SessionGrant) -> ClientInit:
        """Where the session's media is; answered from memory however often it is asked."""
        session = grant.session
        if session.ended is not None:
            raise ended(session)
        if session.media is None:
            raise ControlNotAllowed(
                "In direct mode the page asks Kaltura itself where the media is."
            )
        await self._touch(session)
        return session.media

    async def init_client(self, grant: SessionGrant) -> ClientInit:
        """The same for an SDK that takes the broker for Kaltura.

        In direct mode nobody has asked Kaltura yet, so this does, once.
        """
        if grant.session.media is None and grant.session.ended is None:
            session = await self._creator.ask_for_media(grant.session)
            grant = replace(grant, session=session)
        async with self._auditor.asked(Operation.INIT_CLIENT, grant):
            return await self.media(grant)

    async def seconds_left(self, session: AvatarSession) -> float:
        """How long a session may still last, its share of today's minutes considered."""
        if session.ended is not None:
            return 0.0
        left = max(session.expires_at - self._clock(), 0.0)
        live = sum(other.ended is None for other in await self._sessions.all())
        share = await self._budgets.share_of(live)
        return left if share is None else min(left, max(share, 0.0))

    # Controlling

    async def say_text(
        self,
        grant: SessionGrant,
        text: str,
        turn_id: TurnId | None,
        *,
        is_final: bool,
        idempotency_key: str | None = None,
    ) -> Receipt:
        """See `SpeakRequests`."""
        return await self._speaks.say_text(
            grant, text, turn_id, is_final=is_final, idempotency_key=idempotency_key
        )

    async def say_written(
        self,
        grant: SessionGrant,
        texts: AsyncIterator[str],
        turn_id: TurnId | None,
        idempotency_key: str | None = None,
    ) -> Receipt:
        """See `SpeakRequests`."""
        return await self._speaks.say_written(
            grant, texts, turn_id, idempotency_key=idempotency_key
        )

    async def say_audio(
        self,
        grant: SessionGrant,
        audio: bytes,
        turn_id: TurnId | None,
        idempotency_key: str | None = None,
    ) -> Receipt:
        """See `SpeakRequests`."""
        return await self._speaks.say_audio(grant, audio, turn_id, idempotency_key=idempotency_key)

    def is_repeated(self, grant: SessionGrant, idempotency_key: str | None) -> bool:
        """See `SpeakRequests`."""
        return self._speaks.is_repeated(grant, idempotency_key)

    async def interrupt(self, grant: SessionGrant) -> None:
        """Stop speech, and forget what waits to be said."""
        async with self._auditor.asked(Operation.INTERRUPT, grant) as call:
            require_control(grant, "interrupt")
            await self._touch(grant.session)
            self._speaks.stop(grant.session)
            await self.speech.stop(grant.session, call)

    def utterances(self, grant: SessionGrant) -> list[Receipt]:
        """What was asked to be said, and its fate."""
        return self.speech.receipts(grant.session)

    def feed(self, grant: SessionGrant) -> UtteranceFeed:
        """Where that is told as it happens."""
        return self.speech.feed(grant.session)

    async def heard(self, grant: SessionGrant, turn_id: TurnId, *, begins: bool) -> None:
        """A player heard an utterance begin or end, which Kaltura does not tell."""
        await self._touch(grant.session)
        self.speech.heard(grant.session, turn_id, begins=begins)

    async def keep_alive(self, grant: SessionGrant) -> None:
        """Note a sign of life; upstream hears of it at most every `KEEP_ALIVE_SECONDS`."""
        now, session = self._clock(), grant.session
        async with self._auditor.asked(Operation.KEEP_ALIVE, grant) as call:
            if session.ended is None and now - session.kept_alive_at < KEEP_ALIVE_SECONDS:
                await self._touch(session)
                return
            await self._sessions.update(session.session_id, kept_alive_at=now)
            await self._touch(session)
            await self._send(Operation.KEEP_ALIVE, session, call, self._client.keep_alive)

    async def _send(
        self,
        operation: Operation,
        session: AvatarSession,
        call: AuditedCall,
        doing: Callable[[SessionAccess], Awaitable[None]],
        *,
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        """What the broker says of its own accord goes this way too, and is no sign of life."""
        queued = operation in {Operation.SAY_TEXT, Operation.SAY_AUDIO}
        async with self._sessions.lane(session.session_id, bypass_limits=queued):
            current = await self._sessions.get(session.session_id)
            if current is None or current.ended is not None:
                raise ended(current)
            if not is_wanted():
                raise Unwanted
            if call.line is None:
                await call.accepted()
            try:
                await carry_out(operation, doing(session.access), call, session.session_id)
            except SessionEnded as over:
                # Perhaps only this call met a strange answer: the reaper ends it to be sure.
                gone = await self._terminator.is_over(session.session_id, EndReason.GONE)
                raise ended(gone) from over

    async def _touch(self, session: AvatarSession) -> None:
        if session.ended is not None:
            raise ended(session)
        await self._sessions.update(session.session_id, seen_at=self._clock.running())

    async def end(self, grant: SessionGrant) -> None:
        """End a session as its holder asks; asking again is asking once."""
        async with self._auditor.asked(Operation.END, grant) as call:
            require_control(grant, "end")
            await self._terminator.end(grant.session, EndReason.VISITOR, call)

    async def live(self) -> list[AvatarSession]:
        """Every session that is open, whoever's it is, for the operator."""
        return [s for s in await self._sessions.all() if s.ready and s.ended is None]

    async def end_any(self, session_id: str) -> None:
        """End a session as the operator asks; raises `SessionNotFound`."""
        session = await self._sessions.get(session_id)
        if session is None:
            raise SessionNotFound
        async with self._auditor.call(Operation.END, session, bypass_limits=True) as call:
            await self._terminator.end(session, EndReason.OPERATOR, call)

    async def close(self) -> None:
        """End every session, and those that may still be opened; the caller sets the deadline.

        Where sessions are kept for a next process, only those that are over already are ended.
        """
        while any(left := await self.left()):
            for session in left[0]:
                self._terminator.end_soon(session, EndReason.SHUTDOWN)
            await asyncio.sleep(CLOSE_PAUSE_SECONDS)
        # Over at Kaltura; that shall also be on record.
        await self._terminator.settle()
        await self.speech.settle()

    async def left(self) -> tuple[list[AvatarSession], int]:
        """The sessions that `close` has still to end, and how many more may still be opened."""
        keep = self._settings.shutdown_sessions == "keep"
        here = [s for s in await self._sessions.all() if not s.is_elsewhere]
        return [s for s in here if s.ended or not keep], self._creator.creates_under_way
