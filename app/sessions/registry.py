"""Keeps the sessions of this process, and is the only place where they change."""

from collections import Counter, OrderedDict
from typing import Any, Final

import structlog

from app.sessions.auditing import SessionAuditor
from app.sessions.clock import SessionClock
from app.sessions.runtime import SessionRuntime
from app.sessions.store.model import AvatarSession, EndReason
from app.sessions.store.session_index import SessionIndex
from app.sessions.store.writer import SessionStore, SessionWriter

MAX_ENDED: Final = 10_000
"""Ended sessions that are remembered, so that requests for them get 410 instead of 404."""

MAX_ENDED_SPEECH: Final = 50
"""Ended sessions whose utterances can still be listed."""

FORGET_EVERY_SECONDS: Final = 24 * 3600
"""Seconds between two deletions of old sessions from the store."""

log = structlog.get_logger(__name__)


class SessionRegistry:
    """Finds sessions, and makes every change to them.

    Each change that a next process must know of is written to the store. The number of sessions in
    memory is bounded by the capacity and `MAX_ENDED`.
    """

    def __init__(self, store: SessionStore, auditor: SessionAuditor, clock: SessionClock) -> None:
        self._store = store
        self._writer = SessionWriter(store, self._lose_fenced)
        self._auditor = auditor
        self._clock = clock
        self.ended_count: Counter[EndReason] = Counter()
        """The number of sessions that this process has marked ended, by reason."""

        self.taken_over_count = 0
        """The number of open sessions taken over from dead processes."""

        self.fenced_count = 0
        """The number of sessions whose change was not written: another process has them."""

        self.handed_over_count = 0
        """The number of sessions that this process has left to other processes."""

        self.index = SessionIndex()
        """The open sessions, counted, grouped and in order of their times."""

        self._open: dict[str, SessionRuntime] = {}
        self._ended: OrderedDict[str, SessionRuntime] = OrderedDict()
        self._by_origin: dict[str, SessionRuntime] = {}
        self._with_ended_speech: OrderedDict[SessionRuntime, None] = OrderedDict()
        self._forget_at = 0.0

    # Finding

    async def find(self, session_id: str) -> SessionRuntime | None:
        """Find a session by its id, ended or not; mark it ended first when its time is over."""
        runtime = self._open.get(session_id) or self._ended.get(session_id)
        if runtime is not None:
            await self.expire(runtime)
        return runtime

    def has(self, session_id: str) -> bool:
        """Whether this process has a session, ended or not."""
        return session_id in self._open or session_id in self._ended

    async def opened_by(self, origin_key: str) -> SessionRuntime | None:
        """The session, ended or not, that a request with this `IdempotencyRecord.key` opened."""
        return self._by_origin.get(origin_key)

    async def opened_elsewhere(self, origin_key: str) -> AvatarSession | None:
        """The session that another process opened for the request with this key, if any."""
        return await self._store.opened_elsewhere(origin_key)

    async def owner_elsewhere(self, origin_key: str) -> str | None:
        """The owner for whom another process opens or opened a session for this request, if any."""
        return await self._store.owner_elsewhere(origin_key)

    def runtimes(self) -> list[SessionRuntime]:
        """Every session that Kaltura may still have open, oldest first.

        Only for what concerns each of them, such as an operator's list; `index` answers the rest.
        """
        return list(self._open.values())

    def lately_ended(self) -> list[SessionRuntime]:
        """The sessions marked ended last, whose utterances can still be listed."""
        return list(self._with_ended_speech)

    def sessions(self) -> list[AvatarSession]:
        """The current state of every session in `runtimes`."""
        return [runtime.session for runtime in self._open.values()]

    async def seconds_used(self, since: float, owner: str | None = None) -> float:
        """Seconds for which sessions were open since a time, of one owner or of all owners."""
        return await self._store.seconds_used(since, owner)

    # Changing

    def add(self, session: AvatarSession) -> SessionRuntime | None:
        """Add a new session; returns None when a session of its id is open already.

        The method does not await, so the session takes up capacity at once. `save` writes it to the
        store.
        """
        if session.session_id in self._open:
            return None
        runtime = SessionRuntime(session)
        self._forget(session.session_id)
        self._open[session.session_id] = runtime
        self.index.change(runtime, None, session)
        self._note_origin(runtime)
        return runtime

    async def save(self, runtime: SessionRuntime) -> None:
        """Write a new session to the store; `RecordUnavailable` leaves the session in memory.

        Raises `ReplicaUnavailable` when the session was lost; then its next owner ends it.
        """
        await self._writer.write(runtime)
        runtime.require_held()

    async def update(self, runtime: SessionRuntime, **changes: Any) -> AvatarSession:
        """Change fields of a session.

        A session that Kaltura has ended, or that another process has, does not change any more.
        """
        before = runtime.session
        if before.ended_upstream or runtime.is_lost:
            return before
        runtime.session = after = before._replace(**changes)
        self.index.change(runtime, before, None if after.ended_upstream else after)
        if after.ended_upstream:
            del self._open[runtime.session_id]
            self._keep_ended(runtime)
        await self._writer.changed(runtime, before)
        return runtime.session

    async def touch(self, runtime: SessionRuntime, **changes: Any) -> None:
        """Note a sign of life from a session's page, and change fields; raises `SessionEnded`."""
        runtime.require_open()
        await self.update(runtime, seen_at=self._clock.running(), **changes)

    async def expire(self, runtime: SessionRuntime) -> None:
        """Mark a session ended when its time is over, without waiting for the reaper."""
        session = runtime.session
        if session.ended is None and self._clock() >= session.expires_at:
            await self.mark_ended(runtime, session.last_moment)

    async def mark_opened(self, runtime: SessionRuntime, **detail: str | None) -> None:
        """Record that a session was opened for its visitor; raises `RecordUnavailable`."""
        await self._auditor.opened(runtime.session, **detail)

    async def mark_ended(self, runtime: SessionRuntime, reason: EndReason) -> None:
        """Mark a session ended for everyone, and record it; a session keeps its first reason."""
        if runtime.session.ended is not None or runtime.is_lost:
            return
        self.ended_count[reason] += 1
        await self.update(runtime, ended=reason, ended_at=self._clock())
        runtime.close_speech()
        self._note_ended_speech(runtime)
        self._auditor.ended(runtime.session)

    # Surviving a restart

    async def take_over(self) -> None:
        """Take over sessions of processes that no longer run; raises `RecordUnavailable`.

        The end of a session that is taken over is recorded again, since its process may have
        stopped before it could do so.
        """
        await self._writer.flush(self.runtimes)
        found = await self._store.take_over()
        for session in found:
            if session.ended_upstream:
                runtime = SessionRuntime(session)
                self._keep_ended(runtime)
                self._note_origin(runtime)
            else:
                self.add(session)
            if session.ended is not None:
                self._auditor.ended(session)
        # Reading may have shown that the database file was replaced, so that sessions are missing.
        await self._writer.flush_quietly(self.runtimes)
        left_open = sum(not session.ended_upstream for session in found)
        self.taken_over_count += left_open
        if left_open:
            log.warning("sessions taken over from a process that is no more", count=left_open)
        if self._clock() >= self._forget_at:
            await self._store.forget_old()
            self._forget_at = self._clock() + FORGET_EVERY_SECONDS

    async def has_peers(self) -> bool:
        """Whether another process takes sessions now; raises `RecordUnavailable`."""
        return await self._store.has_peers()

    async def give_up(self, runtime: SessionRuntime, utterances: bytes) -> None:
        """Leave a session to the other processes, with what was said in it (`Receipt`s as JSON).

        The session is forgotten here even when that can't be written: the others take over all
        sessions of a process that has ended. They read from the record what became of its calls,
        so that is on disk first. Raises `RecordUnavailable`.
        """
        self._lose(runtime)
        self.handed_over_count += 1
        await self._auditor.settle()
        await self._store.give_up(runtime.session._replace(utterances=utterances))

    def lose_all(self) -> None:
        """Forget every session: other processes have them, or will take them over."""
        runtimes = [*self._open.values(), *self._ended.values()]
        for runtime in runtimes:
            self._lose(runtime)
        log.warning("every session was given up to other processes", count=len(runtimes))

    def _lose_fenced(self, runtime: SessionRuntime) -> None:
        self.fenced_count += 1
        self._lose(runtime)

    def _lose(self, runtime: SessionRuntime) -> None:
        runtime.lose()
        if self._open.get(runtime.session_id) is runtime:
            del self._open[runtime.session_id]
            self.index.change(runtime, runtime.session, None)
        elif self._ended.get(runtime.session_id) is runtime:
            del self._ended[runtime.session_id]
        self._forget_traces(runtime)

    async def aclose(self) -> None:
        """Write every change that is not in the store yet, if that is possible."""
        await self._writer.aclose()

    # Ended sessions

    def _keep_ended(self, runtime: SessionRuntime) -> None:
        while len(self._ended) >= MAX_ENDED:
            self._forget(next(iter(self._ended)))
        self._ended[runtime.session_id] = runtime

    def _note_origin(self, runtime: SessionRuntime) -> None:
        origin = runtime.session.origin
        if origin is None:
            return
        # A session that is taken over may be older than the one that its key has opened here.
        other = self._by_origin.get(origin.key)
        if other is None or other.session.opened_at <= runtime.session.opened_at:
            self._by_origin[origin.key] = runtime

    def _note_ended_speech(self, runtime: SessionRuntime) -> None:
        self._with_ended_speech[runtime] = None
        if len(self._with_ended_speech) > MAX_ENDED_SPEECH:
            oldest, _ = self._with_ended_speech.popitem(last=False)
            oldest.speech = None

    def _forget(self, session_id: str) -> None:
        runtime = self._ended.pop(session_id, None)
        if runtime is None:
            return
        self._writer.forget(runtime)
        self._forget_traces(runtime)

    def _forget_traces(self, runtime: SessionRuntime) -> None:
        self._with_ended_speech.pop(runtime, None)
        origin = runtime.session.origin
        # The key may have opened another session since then.
        if origin and self._by_origin.get(origin.key) is runtime:
            del self._by_origin[origin.key]
