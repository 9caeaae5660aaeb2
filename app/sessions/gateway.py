"""How a call of one session reaches Kaltura: in order, while it is wanted, and on record."""

from collections.abc import Awaitable, Callable
from typing import Final

from app.kaltura.client import KalturaClient, LateCreateHandler, Recording, SessionAccess
from app.kaltura.contract import (
    ClientInit,
    Created,
    CreateRequest,
    Operation,
    SayTextRequest,
    TurnId,
)
from app.problems import SessionEnded
from app.sessions.auditing import AuditedCall, SessionAuditor
from app.sessions.error_mapping import UnwantedCall, carry_out
from app.sessions.registry import SessionRegistry
from app.sessions.runtime import SessionRuntime
from app.sessions.store.model import EndReason

IsWanted = Callable[[], bool]
"""Whether a call that waited for its turn is still to be made."""

SPEECH: Final = frozenset({Operation.SAY_TEXT, Operation.SAY_AUDIO})


class SessionGateway:
    """Makes every call of a session; no other way leads to Kaltura's Control API.

    Each method raises a `Problem` when its call was not carried out.
    """

    def __init__(
        self, client: KalturaClient, registry: SessionRegistry, auditor: SessionAuditor
    ) -> None:
        self._client = client
        self._registry = registry
        self._auditor = auditor

    async def create(
        self, request: CreateRequest, owner: str, handle_late: LateCreateHandler
    ) -> Created:
        """Open a session at Kaltura; see `KalturaClient.create` for `handle_late`."""
        async with self._auditor.call(Operation.CREATE, visitor=owner) as call:
            # A session costs money, and nobody minds that its entry is written first.
            await call.accepted(first=True, **asked_for(request))
            created = await carry_out(
                Operation.CREATE, self._client.create(request, handle_late), call
            )
            call.session_id = created.session_id
        return created

    async def init_client(self, runtime: SessionRuntime) -> ClientInit:
        """Ask where the media is, once a session (invariant 4); its caller holds the call lock."""
        async with self._auditor.call(Operation.INIT_CLIENT, runtime.session) as call:
            await call.accepted()
            asking = self._client.init_client(runtime.session.access)
            return await carry_out(Operation.INIT_CLIENT, asking, call, runtime.session_id)

    async def end(self, runtime: SessionRuntime, call: AuditedCall) -> None:
        """End a session that Kaltura may have ended already; its caller holds the call lock."""
        ending = self._client.end(runtime.session.access)
        await carry_out(Operation.END, ending, call, runtime.session_id)

    @property
    def late_creates(self) -> int:
        """Creates that were given up, and may still open a session that is then seen to."""
        return self._client.late_creates

    async def say_text(
        self,
        runtime: SessionRuntime,
        call: AuditedCall,
        said: SayTextRequest,
        is_wanted: IsWanted,
    ) -> None:
        """Say a text in Kaltura's own voice; raises `UnwantedCall` and `SessionEnded`."""

        async def request(access: SessionAccess) -> None:
            await self._client.say_text(access, said)

        await self._send(Operation.SAY_TEXT, runtime, call, request, is_wanted)

    async def say_audio(
        self,
        runtime: SessionRuntime,
        call: AuditedCall,
        recording: Recording,
        turn_id: TurnId,
        is_wanted: IsWanted,
    ) -> None:
        """Say a recording; raises `UnwantedCall` and `SessionEnded`."""

        async def request(access: SessionAccess) -> None:
            await self._client.say_audio(access, recording, turn_id)

        await self._send(Operation.SAY_AUDIO, runtime, call, request, is_wanted)

    async def interrupt(self, runtime: SessionRuntime, call: AuditedCall) -> None:
        """Stop what Kaltura says; raises `SessionEnded`."""
        await self._send(Operation.INTERRUPT, runtime, call, self._client.interrupt)

    async def keep_alive(self, runtime: SessionRuntime, call: AuditedCall) -> None:
        """Tell Kaltura that the session is still watched; raises `SessionEnded`."""
        await self._send(Operation.KEEP_ALIVE, runtime, call, self._client.keep_alive)

    async def _send(
        self,
        operation: Operation,
        runtime: SessionRuntime,
        call: AuditedCall,
        request: Callable[[SessionAccess], Awaitable[None]],
        is_wanted: IsWanted = lambda: True,
    ) -> None:
        # Speech has a queue of its own, whose bound was asked before.
        async with runtime.call_lock.held(bypass_limits=operation in SPEECH):
            runtime.require_open()
            if not is_wanted():
                raise UnwantedCall
            if call.line is None:
                await call.accepted()
            try:
                asking = request(runtime.session.access)
                await carry_out(operation, asking, call, runtime.session_id)
            except SessionEnded as over:
                # Perhaps only this call met a strange answer: the reaper ends it to be sure.
                await self._registry.mark_ended(runtime, EndReason.GONE)
                raise runtime.ended_problem() from over


def asked_for(request: CreateRequest) -> dict[str, str | None]:
    """What the record tells of a request to open a session."""
    voice = request.voice_config
    return {"avatarId": request.visual_config.id, "voiceId": voice.id if voice else None}
