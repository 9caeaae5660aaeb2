"""Sends the calls of a session to Kaltura: in order, while wanted, and on the audit record."""

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
from app.problems import OutcomeUnknown, SessionEnded
from app.replicas.lease import Lease
from app.sessions.auditing import AuditedCall, SessionAuditor
from app.sessions.error_mapping import UnwantedCall, carry_out
from app.sessions.registry import SessionRegistry
from app.sessions.runtime import SessionRuntime
from app.sessions.store.model import EndReason

IsWanted = Callable[[], bool]
"""Predicate: whether a call that waited for its turn should still be sent."""

SPEECH: Final = frozenset({Operation.SAY_TEXT, Operation.SAY_AUDIO})
"""Operations whose number is bounded by the speech queue instead of the call lock."""


class SessionGateway:
    """Sends every call of every session; no other class calls Kaltura's Control API.

    Each method raises a `Problem` when its call was not carried out. While another process may have
    the sessions, calls that open a session or say something raise `ReplicaUnavailable`; calls that
    keep alive, stop or end are still sent.
    """

    def __init__(
        self,
        client: KalturaClient,
        registry: SessionRegistry,
        auditor: SessionAuditor,
        lease: Lease,
    ) -> None:
        self._client = client
        self._registry = registry
        self._auditor = auditor
        self._lease = lease

    @property
    def holder(self) -> str:
        """The name under which this process has its sessions; a new one after they were lost."""
        return self._lease.name

    def require_kept(self, holder: str) -> None:
        """Raise `OutcomeUnknown` when others may have the sessions that this process had as holder.

        The next owner knows only what was on record while the lease was trusted. So a process that
        was frozen must accept nothing afterwards.
        """
        if self.holder != holder or not self._lease.is_trusted():
            raise OutcomeUnknown

    async def create(
        self, request: CreateRequest, owner: str, handle_late: LateCreateHandler
    ) -> Created:
        """Open a session at Kaltura; see `KalturaClient.create` for `handle_late`."""
        async with self._auditor.call(Operation.CREATE, visitor=owner) as call:
            # A session costs money, so its entry is on disk first; opening takes so long that the
            # wait does not matter.
            await call.accepted(first=True, **audit_details(request))
            self._lease.require_trusted()
            created = await carry_out(
                Operation.CREATE, self._client.create(request, handle_late), call
            )
            call.session_id = created.session_id
        return created

    async def init_client(self, runtime: SessionRuntime) -> ClientInit:
        """Ask Kaltura for a session's media, once a session; the caller holds the call lock."""
        async with self._auditor.call(Operation.INIT_CLIENT, runtime.session) as call:
            await call.accepted()
            self._require_trusted(runtime)
            asking = self._client.init_client(runtime.session.access)
            return await carry_out(Operation.INIT_CLIENT, asking, call, runtime.session_id)

    async def end(self, runtime: SessionRuntime, call: AuditedCall) -> None:
        """End a session that Kaltura may have ended already; the caller holds the call lock."""
        ending = self._client.end(runtime.session.access)
        await carry_out(Operation.END, ending, call, runtime.session_id)

    async def say_text(
        self,
        runtime: SessionRuntime,
        call: AuditedCall,
        said: SayTextRequest,
        is_wanted: IsWanted,
    ) -> None:
        """Have Kaltura's own voice say a text; raises `UnwantedCall` and `SessionEnded`."""

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
        """Have the avatar say a recording; raises `UnwantedCall` and `SessionEnded`."""

        async def request(access: SessionAccess) -> None:
            await self._client.say_audio(access, recording, turn_id)

        await self._send(Operation.SAY_AUDIO, runtime, call, request, is_wanted)

    async def interrupt(self, runtime: SessionRuntime, call: AuditedCall) -> None:
        """Stop the speech that Kaltura is playing; raises `SessionEnded`."""
        await self._send(Operation.INTERRUPT, runtime, call, self._client.interrupt)

    async def keep_alive(self, runtime: SessionRuntime, call: AuditedCall) -> None:
        """Tell Kaltura that a session is still watched; raises `SessionEnded`."""
        await self._send(Operation.KEEP_ALIVE, runtime, call, self._client.keep_alive)

    async def _send(
        self,
        operation: Operation,
        runtime: SessionRuntime,
        call: AuditedCall,
        request: Callable[[SessionAccess], Awaitable[None]],
        is_wanted: IsWanted = lambda: True,
    ) -> None:
        # Speech is bounded by its own queue, where there was room for this call.
        async with runtime.call_lock.held(bypass_limits=operation in SPEECH):
            runtime.require_open()
            if not is_wanted():
                raise UnwantedCall
            if call.pending_entry is None:
                await call.accepted()
            if operation in SPEECH:
                self._require_trusted(runtime)
            try:
                asking = request(runtime.session.access)
                await carry_out(operation, asking, call, runtime.session_id)
            except SessionEnded as over:
                # Kaltura's answer may be wrong for this call alone: the reaper ends the session to
                # be sure.
                await self._registry.mark_ended(runtime, EndReason.GONE)
                raise runtime.ended_problem() from over

    def _require_trusted(self, runtime: SessionRuntime) -> None:
        runtime.require_held()
        self._lease.require_trusted()


def audit_details(request: CreateRequest) -> dict[str, str | None]:
    """The audit record's details of a request to open a session: its avatar and voice."""
    voice = request.voice_config
    return {"avatarId": request.visual_config.id, "voiceId": voice.id if voice else None}
