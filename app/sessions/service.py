"""Carries out the calls of a session besides speech: media, keep-alive and end."""

from typing import Final

from app.kaltura.contract import ClientInit, Operation
from app.problems import ControlNotAllowed, SessionNotFound
from app.sessions.access import SessionGrant
from app.sessions.auditing import SessionAuditor
from app.sessions.clock import SessionClock
from app.sessions.gateway import SessionGateway
from app.sessions.lifecycle.creation import SessionCreator
from app.sessions.lifecycle.termination import SessionTerminator
from app.sessions.registry import SessionRegistry
from app.sessions.store.model import AvatarSession, EndReason

KEEP_ALIVE_SECONDS: Final = 8
"""The fewest seconds between two keep-alive calls of one session to Kaltura.

Pages send one every 10 s, as Kaltura asks for (reference 1.6), and some come a little early: if
these were left out, Kaltura would get one in 20 s.
"""


class SessionService:
    """Lists, watches and ends sessions; raises a `Problem` for a call that can't be carried out."""

    def __init__(
        self,
        *,
        registry: SessionRegistry,
        gateway: SessionGateway,
        creator: SessionCreator,
        terminator: SessionTerminator,
        auditor: SessionAuditor,
        clock: SessionClock,
    ) -> None:
        self._registry = registry
        self._gateway = gateway
        self._creator = creator
        self._terminator = terminator
        self._auditor = auditor
        self._clock = clock

    async def now(self, grant: SessionGrant) -> AvatarSession:
        """The current state of a session, marked ended when its time is over."""
        await self._registry.expire(grant.runtime)
        return grant.session

    def live(self) -> list[AvatarSession]:
        """Every session that is open and ready to be used."""
        return [s for s in self._registry.sessions() if s.ready and s.ended is None]

    def unwatched(self) -> list[AvatarSession]:
        """The open sessions that no page has on show, as far as is known."""
        unwatched = self._registry.index.unwatched(self._clock.running())
        return [runtime.session for runtime in unwatched if runtime.session.ready]

    def owned_by(self, owner: str) -> list[AvatarSession]:
        """The open sessions of an owner, which the owner may resume."""
        live = (runtime.session for runtime in self._registry.index.live_of(owner))
        return [session for session in live if session.ready]

    async def media(self, grant: SessionGrant) -> ClientInit:
        """The address and credentials of a session's media, from memory."""
        grant.runtime.require_open()
        if grant.session.media is None:
            raise ControlNotAllowed(
                "In direct mode the page asks Kaltura itself where the media is."
            )
        await self._registry.touch(grant.runtime)
        return grant.session.media

    async def init_client(self, grant: SessionGrant) -> ClientInit:
        """The address and credentials of a session's media, for an SDK that calls the mirror.

        In direct mode the broker has not asked Kaltura for them yet, so the first call does.
        """
        if grant.session.media is None and grant.session.ended is None:
            await self._creator.ask_for_media(grant.runtime)
        async with self._auditor.granted_call(Operation.INIT_CLIENT, grant):
            return await self.media(grant)

    async def keep_alive(self, grant: SessionGrant) -> None:
        """Note a sign of life; Kaltura is told at most every `KEEP_ALIVE_SECONDS`."""
        now, runtime = self._clock(), grant.runtime
        async with self._auditor.granted_call(Operation.KEEP_ALIVE, grant) as call:
            if now - runtime.session.kept_alive_at < KEEP_ALIVE_SECONDS:
                await self._registry.touch(runtime)
                return
            await self._registry.touch(runtime, kept_alive_at=now)
            await self._gateway.keep_alive(runtime, call)

    async def end(self, grant: SessionGrant) -> None:
        """End a session for its caller; a repeated call changes nothing."""
        async with self._auditor.granted_call(Operation.END, grant) as call:
            grant.require("end")
            await self._terminator.end(grant.runtime, EndReason.VISITOR, call)

    async def end_any(self, session_id: str) -> None:
        """End any session for the operator; raises `SessionNotFound`."""
        runtime = await self._registry.find(session_id)
        if runtime is None:
            raise SessionNotFound
        async with self._auditor.call(Operation.END, runtime.session) as call:
            await self._terminator.end(runtime, EndReason.OPERATOR, call)
