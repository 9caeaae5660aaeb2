"""Writes calls and the opening and end of sessions to the audit record."""

import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, Protocol, Self

from app.audit.model import OK, PENDING, UNKNOWN, Entry, Event
from app.audit.redaction import TextRedaction
from app.audit.request_context import current_context
from app.audit.throttle import Throttle
from app.audit.writer import AuditWriter, PendingEntry
from app.kaltura.contract import Operation
from app.problems import Problem, RateLimited, RecordUnavailable, SpeechRefused, Unauthenticated
from app.sessions.clock import Clock
from app.sessions.lifecycle.options import SessionOptions
from app.sessions.store.model import AvatarSession

UNSENT_CALLS_A_MINUTE: Final = 60
"""Entries a minute of one session for calls that were not sent to Kaltura.

The number is bounded because such calls cost the caller nothing.
"""

REFUSED_A_MINUTE: Final = 10
"""Entries a minute for one visitor whose requests to open a session fail, per problem."""

UNIDENTIFIED_A_MINUTE: Final = 1
"""Entries a minute for one address of unidentified or rate-limited callers, per problem."""


NEVER_HELD_BACK: Final = {Event.KEEP_ALIVE, Event.INTERRUPT}
"""Calls that are sent while the record is in doubt, besides those that bypass its limits.

Without keep-alives Kaltura drops sessions that were paid for, and a Stop must silence the avatar.
Their callers are still answered only when the entry is on disk, or with the problem that it isn't.
"""


Conclude = Callable[["AuditedCall", BaseException | None], Awaitable[None]]
"""Records what became of a call, which raised this error or none."""


class AuditedCall:
    """One control call, from its arrival until its outcome is known; see `SessionAuditor.call`.

    `accepted` begins the call's entry in the audit record; a call that fails before that is
    recorded when it ends. `upstream_status` is the status that Kaltura answered, and `session_id`
    the session that a create call opened.
    """

    def __init__(
        self,
        record: AuditWriter,
        texts: TextRedaction,
        entry: Entry,
        conclude: Conclude,
        *,
        bypass_limits: bool,
    ) -> None:
        self._record = record
        self._texts = texts
        self._conclude = conclude
        self._bypass_limits = bypass_limits
        self._began = time.perf_counter()
        self._pending_entry: PendingEntry | None = None
        self.entry = entry
        self.session_id = entry.session_id
        self.upstream_status: int | None = None
        self.goes_on = False
        """Whether the call is answered before it is sent; `carried_out` then tells its outcome."""

        self.reached_kaltura = False
        """Whether the call was sent, and Kaltura did not say that it was not carried out."""

        self.is_settled = False
        """Whether `carried_out` has told the outcome."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> None:
        await self._conclude(self, error)

    @property
    def pending_entry(self) -> PendingEntry | None:
        """The call's entry in the audit record; None until the call is accepted."""
        return self._pending_entry

    @property
    def may_be_done(self) -> bool:
        """Whether Kaltura has or may have carried the call out, or may still do so."""
        return self.reached_kaltura or (self.goes_on and not self.is_settled)

    async def accepted(
        self,
        *,
        first: bool = False,
        text: str | None = None,
        instead_of: str | None = None,
        **detail: Any,
    ) -> None:
        """Begin the call's entry in the audit record, just before the call is carried out.

        Returns at once, so that the disk write and the request to Kaltura overlap. With `first`,
        and while the disk is in doubt, it returns when the entry is on disk, and raises
        `RecordUnavailable` when that fails; calls of `NEVER_HELD_BACK` do not wait. `text` is the
        text to be said, and `instead_of` the text that was asked for where a speech hook has
        changed it; both are stored as the text redaction allows.
        """
        kept, instead = (None, {}) if text is None else self._texts.kept(text)
        if instead_of is not None:
            original, hashed = self._texts.kept(instead_of)
            instead |= {"asked": hashed or original}
        details = self.entry.detail | _known(detail) | _known(instead)
        self.entry = self.entry._replace(outcome=PENDING, text=kept, detail=details)
        never_waits = self._bypass_limits or self.entry.event in NEVER_HELD_BACK
        waits = (first or self._record.is_doubtful) and not never_waits
        self._pending_entry = self._record.begin(
            self.entry, must_persist=not waits, bypass_limits=self._bypass_limits
        )
        if waits:
            await self._record.durable(self._pending_entry)
            self._pending_entry.must_persist = True

    def carried_out(self, outcome: str) -> None:
        """Record the outcome of a call that is answered before it is sent, or never sent."""
        self.is_settled = True
        if self._pending_entry is not None:
            self._record.note(self._pending_entry, **self.final_fields(outcome))

    def final_fields(self, outcome: str, **detail: Any) -> dict[str, Any]:
        """The entry's final fields, for `AuditWriter.note`; the duration is in milliseconds."""
        return {
            "outcome": outcome,
            "session_id": self.session_id,
            "upstream_status": self.upstream_status,
            "duration_ms": round((time.perf_counter() - self._began) * 1000, 1),
            "detail": self.entry.detail | _known(detail),
        }


class Granted(Protocol):
    """A session, and the service that calls: `SessionGrant`, which is built on this module."""

    @property
    def session(self) -> AvatarSession:
        """The session that the call is for."""

    @property
    def service(self) -> str | None:
        """The name of the service that calls; None for a visitor."""


class SessionAuditor:
    """Writes calls, refusals, and the opening and end of sessions to the audit record."""

    def __init__(
        self, record: AuditWriter, texts: TextRedaction, clock: Clock, monotonic: Clock
    ) -> None:
        self._record = record
        self._texts = texts
        self._clock = clock
        self._throttle = Throttle(monotonic)

    # Calls

    def call(
        self,
        operation: Operation,
        session: AvatarSession | None = None,
        *,
        visitor: str | None = None,
        bypass_limits: bool = False,
        **detail: Any,
    ) -> AuditedCall:
        """Record a call that is made during the block; its entry is on disk when the block is left.

        Raises `RecordUnavailable` when the call was carried out and can't be written down, unless
        it bypasses limits, as every call to end a session does. A `Problem` that is raised inside
        the block is recorded as the call's outcome, and raised on. `detail` names the `service`
        that calls, where one does.
        """
        bypass_limits = bypass_limits or operation is Operation.END
        entry = self._entry(Event(operation.value), session, visitor=visitor, **detail)
        return AuditedCall(
            self._record, self._texts, entry, self._conclude, bypass_limits=bypass_limits
        )

    async def _conclude(self, call: AuditedCall, error: BaseException | None) -> None:
        """Record what became of a call whose block is left."""
        if isinstance(error, Problem):
            await self._record_problem(call, error)
        elif call.pending_entry is None:
            if error is None:
                await self._record_unsent(call, call.final_fields(OK))
        elif error is not None:
            self._record.note(call.pending_entry, **call.final_fields(UNKNOWN))
        else:
            if not call.goes_on and not call.is_settled:
                self._record.note(call.pending_entry, **call.final_fields(OK))
            await self._record.durable(call.pending_entry)

    def granted_call(self, operation: Operation, grant: Granted) -> AuditedCall:
        """Record a call that a caller makes of its session; see `call`."""
        return self.call(operation, grant.session, service=grant.service)

    @contextlib.asynccontextmanager
    async def call_in_parts(self, operation: Operation, grant: Granted) -> AsyncIterator[None]:
        """Record a problem of a call whose parts are recorded as calls of their own."""
        try:
            yield
        except SpeechRefused:
            raise  # recorded already, as the outcome of a part
        except Problem as problem:
            await self.refused_call(operation, grant, problem)
            raise

    async def refused_call(self, operation: Operation, grant: Granted, problem: Problem) -> None:
        """Record a call that was refused before any part of it was carried out."""
        with contextlib.suppress(type(problem)):
            async with self.granted_call(operation, grant):
                raise problem

    async def _record_problem(self, call: AuditedCall, problem: Problem) -> None:
        if call.pending_entry is None:
            await self._record_unsent(call, call.final_fields(problem.name, why=problem.detail))
        else:
            why = problem.detail if isinstance(problem, SpeechRefused) else None
            self._record.note(call.pending_entry, **call.final_fields(problem.name, why=why))
            await self._wait_until_written(call.pending_entry)

    async def _record_unsent(self, call: AuditedCall, changes: dict[str, Any]) -> None:
        """Record a call that was not sent to Kaltura, throttled to `UNSENT_CALLS_A_MINUTE`."""
        key = f"session:{call.session_id}"
        await self._record_throttled(call.entry._replace(**changes), key, UNSENT_CALLS_A_MINUTE)

    async def settle(self) -> None:
        """Wait until every outcome known by now is on disk, or can't be written."""
        await self._record.flush()

    # The opening and end of sessions

    async def opened(self, session: AvatarSession, **detail: Any) -> None:
        """Record that a session was opened for its visitor; raises `RecordUnavailable`."""
        pending_entry = self._record.begin(self._entry(Event.OPENED, session, **detail))
        await self._record.durable(pending_entry)

    def ended(self, session: AvatarSession) -> None:
        """Record that a session has ended; repeated calls for one session leave one entry."""
        ended_at = session.ended_at or self._clock()
        reason = session.ended and session.ended.value
        entry = self._entry(
            Event.ENDED, session, reason=reason, seconds=round(ended_at - session.opened_at, 1)
        )
        dedup_key = f"{Event.ENDED}:{session.session_id}:{session.opened_at!r}"
        self._record.begin(
            entry._replace(dedup_key=dedup_key), must_persist=True, bypass_limits=True
        )

    async def refused(
        self,
        visitor: str | None,
        address: str,
        options: SessionOptions,
        problem: Problem,
        **detail: Any,
    ) -> None:
        """Record that a request to open a session was refused, throttled per visitor or address."""
        is_unidentified = visitor is None or isinstance(problem, RateLimited | Unauthenticated)
        entry = self._entry(
            Event.REFUSED,
            visitor=visitor,
            reason=problem.name,
            why=problem.detail,
            avatarId=options.avatar_id,
            voiceId=options.voice_id,
            **detail,
        )
        await self._record_throttled(
            entry._replace(outcome=problem.name),
            f"{address if is_unidentified else visitor}:{problem.name}",
            UNIDENTIFIED_A_MINUTE if is_unidentified else REFUSED_A_MINUTE,
        )

    async def _record_throttled(self, entry: Entry, key: str, a_minute: int) -> None:
        left_out = self._throttle.left_out(key, a_minute=a_minute)
        if left_out is None or self._record.is_doubtful:
            return
        detail = entry.detail | ({"leftOut": left_out} if left_out else {})
        await self._wait_until_written(self._record.begin(entry._replace(detail=detail)))

    async def _wait_until_written(self, pending_entry: PendingEntry) -> None:
        """Wait for an entry without raising: the caller is answered with a problem already."""
        with contextlib.suppress(RecordUnavailable):
            await self._record.durable(pending_entry)

    def _entry(
        self,
        event: Event,
        session: AvatarSession | None = None,
        *,
        visitor: str | None = None,
        **detail: Any,
    ) -> Entry:
        context = current_context()
        return Entry(
            at=self._clock(),
            event=event,
            request_id=context.request_id,
            session_id=session.session_id if session else None,
            visitor=session.owner if session else visitor,
            detail={"surface": context.surface, **_known(detail)},
        )


def _known(detail: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in detail.items() if value is not None}
