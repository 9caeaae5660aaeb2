"""What happens to sessions, told to the record."""

import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, Final

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

HELD_A_MINUTE: Final = 60
"""Entries of one session for calls that went no further: they cost who makes them nothing."""

REFUSED_A_MINUTE: Final = 10
"""Entries for one who asks for sessions and gets none, for each problem."""

STRANGERS_A_MINUTE: Final = 1
"""The same for one address, where the problem is that nobody knows who it is or that it asks on."""


class AuditedCall:
    """One call of a control, from when it is asked for until it is over.

    Its entry is begun by `accepted`; a call that goes no further than here needs none so soon.
    `upstream_status` is what Kaltura answered, and `session_id` what it opened.
    """

    def __init__(
        self, record: AuditWriter, texts: TextRedaction, entry: Entry, *, bypass_limits: bool
    ) -> None:
        self._record = record
        self._texts = texts
        self._bypass_limits = bypass_limits
        self._began = time.perf_counter()
        self._line: PendingEntry | None = None
        self.entry = entry
        self.session_id = entry.session_id
        self.upstream_status: int | None = None
        self.goes_on = False
        """Whether it is answered before it is carried out; `carried_out` tells its outcome then."""

        self.reached_kaltura = False
        """Whether it was sent, and Kaltura did not say that it has done nothing."""

        self._is_settled = False

    @property
    def line(self) -> PendingEntry | None:
        """Its line on the record, once it is accepted."""
        return self._line

    @property
    def may_be_done(self) -> bool:
        """Whether Kaltura may have carried it out, or may yet."""
        return self.reached_kaltura or (self.goes_on and not self._is_settled)

    async def accepted(
        self,
        *,
        first: bool = False,
        text: str | None = None,
        instead_of: str | None = None,
        **detail: Any,
    ) -> None:
        """It is about to be carried out: from here on it is on record.

        Returns at once, so that the disk and Kaltura work at the same time. With `first`, and as
        long as the disk is in doubt, it returns when the entry is written, or raises
        `RecordUnavailable`. `instead_of` is what was asked for, where the house's hook has changed
        it; it is kept as the text is.
        """
        kept, instead = (None, {}) if text is None else self._texts.kept(text)
        if instead_of is not None:
            asked, hashed = self._texts.kept(instead_of)
            instead |= {"asked": hashed or asked}
        told = self.entry.detail | _known(detail) | _known(instead)
        self.entry = replace(self.entry, outcome=PENDING, text=kept, detail=told)
        waits = (first or self._record.is_doubtful) and not self._bypass_limits
        self._line = self._record.begin(
            self.entry, must_persist=not waits, bypass_limits=self._bypass_limits
        )
        if waits:
            await self._record.durable(self._line)
            self._line.must_persist = True

    def carried_out(self, outcome: str) -> None:
        """What became of it after it was answered."""
        self._is_settled = True
        if self._line is not None:
            self._record.note(self._line, **self.is_over(outcome))

    def is_over(self, outcome: str, **detail: Any) -> dict[str, Any]:
        """What is known of it in the end."""
        return {
            "outcome": outcome,
            "session_id": self.session_id,
            "upstream_status": self.upstream_status,
            "duration_ms": round((time.perf_counter() - self._began) * 1000, 1),
            "detail": self.entry.detail | _known(detail),
        }


class SessionAuditor:
    """Tells the record of calls, and of the turns in a session's life."""

    def __init__(
        self, record: AuditWriter, texts: TextRedaction, clock: Clock, monotonic: Clock
    ) -> None:
        self._record = record
        self._texts = texts
        self._clock = clock
        self._throttle = Throttle(monotonic)

    # Calls

    @contextlib.asynccontextmanager
    async def call(
        self,
        operation: Operation,
        session: AvatarSession | None = None,
        *,
        visitor: str | None = None,
        bypass_limits: bool = False,
        **detail: Any,
    ) -> AsyncIterator[AuditedCall]:
        """Record a call that is made during the block; its entry is on disk when the block is left.

        Raises `RecordUnavailable` when the call was carried out and can't be written down, unless
        it bypasses limits, as every end does. A problem that is raised inside of the block is the
        call's outcome, and goes on. `detail` names the `service` that calls, where one does.
        """
        bypass_limits = bypass_limits or operation is Operation.END
        entry = self._entry(Event(operation.value), session, visitor=visitor, **detail)
        call = AuditedCall(self._record, self._texts, entry, bypass_limits=bypass_limits)
        try:
            yield call
        except Problem as problem:
            await self._went_wrong(call, problem)
            raise
        except BaseException:
            if call.line is not None:
                self._record.note(call.line, **call.is_over(UNKNOWN))
            raise
        if call.line is None:
            await self._spare(call, call.is_over(OK))
            return
        if not call.goes_on:
            self._record.note(call.line, **call.is_over(OK))
        await self._record.durable(call.line)

    @contextlib.asynccontextmanager
    async def call_in_parts(
        self, operation: Operation, session: AvatarSession, service: str | None
    ) -> AsyncIterator[None]:
        """Record a problem of a call whose parts are calls of their own on the record."""
        try:
            yield
        except SpeechRefused:
            raise  # it is the outcome of a part
        except Problem as problem:
            await self.refused_call(operation, session, service, problem)
            raise

    async def refused_call(
        self, operation: Operation, session: AvatarSession, service: str | None, problem: Problem
    ) -> None:
        """Record a call that was refused before anything was done for it."""
        with contextlib.suppress(type(problem)):
            async with self.call(operation, session, service=service):
                raise problem

    async def _went_wrong(self, call: AuditedCall, problem: Problem) -> None:
        if call.line is None:
            await self._spare(call, call.is_over(problem.name, why=problem.detail))
        else:
            why = problem.detail if isinstance(problem, SpeechRefused) else None
            self._record.note(call.line, **call.is_over(problem.name, why=why))
            await self._written_if_it_can_be(call.line)

    async def _spare(self, call: AuditedCall, changes: dict[str, Any]) -> None:
        """On record too, if there are not too many of it: it went no further than here."""
        key = f"session:{call.session_id}"
        await self._sparingly(replace(call.entry, **changes), key, HELD_A_MINUTE)

    # Turns in a session's life

    async def opened(self, session: AvatarSession, **detail: Any) -> None:
        """It is its visitor's from here on; raises `RecordUnavailable`."""
        line = self._record.begin(self._entry(Event.OPENED, session, **detail))
        await self._record.durable(line)

    def ended(self, session: AvatarSession) -> None:
        """It is over for everyone; told again it is told once."""
        over = session.ended_at or self._clock()
        reason = session.ended and session.ended.value
        entry = self._entry(
            Event.ENDED, session, reason=reason, seconds=round(over - session.opened_at, 1)
        )
        once = f"{Event.ENDED}:{session.session_id}:{session.opened_at!r}"
        self._record.begin(replace(entry, once=once), must_persist=True, bypass_limits=True)

    async def refused(
        self,
        visitor: str | None,
        address: str,
        options: SessionOptions,
        problem: Problem,
        **detail: Any,
    ) -> None:
        """Someone asked for a session and got none."""
        stranger = visitor is None or isinstance(problem, RateLimited | Unauthenticated)
        entry = self._entry(
            Event.REFUSED,
            visitor=visitor,
            reason=problem.name,
            why=problem.detail,
            avatarId=options.avatar_id,
            voiceId=options.voice_id,
            **detail,
        )
        await self._sparingly(
            replace(entry, outcome=problem.name),
            f"{address if stranger else visitor}:{problem.name}",
            STRANGERS_A_MINUTE if stranger else REFUSED_A_MINUTE,
        )

    async def _sparingly(self, entry: Entry, key: str, a_minute: int) -> None:
        left_out = self._throttle.left_out(key, a_minute=a_minute)
        if left_out is None or self._record.is_doubtful:
            return
        detail = entry.detail | ({"leftOut": left_out} if left_out else {})
        await self._written_if_it_can_be(self._record.begin(replace(entry, detail=detail)))

    async def _written_if_it_can_be(self, line: PendingEntry) -> None:
        """What is answered is a problem already; another would not help."""
        with contextlib.suppress(RecordUnavailable):
            await self._record.durable(line)

    def _entry(
        self,
        event: Event,
        session: AvatarSession | None = None,
        *,
        visitor: str | None = None,
        **detail: Any,
    ) -> Entry:
        asking = current_context()
        return Entry(
            at=self._clock(),
            event=event,
            request_id=asking.request_id,
            session_id=session.session_id if session else None,
            visitor=session.owner if session else visitor,
            detail={"surface": asking.surface, **_known(detail)},
        )


def _known(detail: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in detail.items() if value is not None}
