"""Writes changes of sessions to the store as they happen."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Final, Protocol

from app.problems import RecordUnavailable
from app.sessions.runtime import SessionRuntime
from app.sessions.store.model import AvatarSession, SessionsLost

SYNCHRONOUS_FIELDS: Final = ("media", "ready", "ended_upstream")
"""Fields whose change is on disk before the caller continues."""

MAX_TOGETHER: Final = 100
"""Sessions that are written in one transaction."""


class SessionStore(Protocol):
    """Storage in which sessions outlive the process; implemented by `SessionRepository`."""

    @property
    def times_reopened(self) -> int:
        """The number of times the store was found replaced, so that sessions may be missing."""

    async def save(self, *sessions: AvatarSession) -> None:
        """Write sessions to disk in one transaction; raises `RecordUnavailable`.

        Raises `SessionsLost`, when it has written the others.
        """

    async def leave(self, session: AvatarSession) -> None:
        """Leave a lost session to its next owner, who ends it if it was never written.

        Raises `RecordUnavailable`.
        """

    async def has_peers(self) -> bool:
        """Whether another process takes sessions now; raises `RecordUnavailable`."""

    async def give_up(self, session: AvatarSession) -> None:
        """Leave a session to the other processes, who are told; raises `RecordUnavailable`."""

    async def opened_elsewhere(self, origin_key: str) -> AvatarSession | None:
        """The session that another process opened for the request with this key, if any."""

    async def owner_elsewhere(self, origin_key: str) -> str | None:
        """The owner for whom another process opens or opened a session for this request, if any."""

    async def take_over(self) -> list[AvatarSession]:
        """Take over the sessions of processes that no longer run, open or ended recently."""

    async def forget_old(self) -> None:
        """Delete sessions that are older than the history goes back."""

    async def seconds_used(self, since: float, owner: str | None = None) -> float:
        """Seconds for which sessions were open since a time, of one owner or of all owners."""


class SessionWriter:
    """Writes the changes that a next process must know; repeats a write that failed.

    A change has happened already when it is written, so a failed write does not undo it.
    `on_lost` is told of a session that another process has.
    """

    def __init__(self, store: SessionStore, on_lost: Callable[[SessionRuntime], None]) -> None:
        self._store = store
        self._on_lost = on_lost
        self._unwritten: set[SessionRuntime] = set()
        self._times_reopened = store.times_reopened
        self._flushing: asyncio.Task[None] | None = None

    async def write(self, *runtimes: SessionRuntime) -> None:
        """Write the current data of sessions; `RecordUnavailable` leaves it to be written later.

        Sessions that turn out to be lost are left to their next owners.
        """
        # Before the write: a change that is made meanwhile makes the session unwritten again.
        self._unwritten.difference_update(runtimes)
        try:
            held = [runtime for runtime in runtimes if not runtime.is_lost]
            if held:
                await self._save(held)
            for runtime in runtimes:
                if runtime.is_lost:
                    await self._store.leave(runtime.session)
        except BaseException:
            self._unwritten.update(runtimes)
            raise

    async def _save(self, runtimes: list[SessionRuntime]) -> None:
        try:
            await self._store.save(*(runtime.session for runtime in runtimes))
        except SessionsLost as lost:
            for runtime in runtimes:
                if runtime.session_id in lost.session_ids:
                    self._on_lost(runtime)

    async def changed(self, runtime: SessionRuntime, before: AvatarSession) -> None:
        """Write a session's changes since `before`, if a next process must know them.

        An end is written in the background, so that it does not wait for a slow disk. The first
        sign of life in direct mode is left to the next `flush`: it is of use only when the process
        is killed, and then shortens the session.
        """
        now = runtime.session
        if any(getattr(before, name) is not getattr(now, name) for name in SYNCHRONOUS_FIELDS):
            with contextlib.suppress(RecordUnavailable):
                await self.write(runtime)
        elif now.ended is not before.ended:
            self._unwritten.add(runtime)
            self._flush_soon()
        elif now.seen_at is not None and before.seen_at is None:
            self._unwritten.add(runtime)

    async def flush(self, every: Callable[[], Iterable[SessionRuntime]] = tuple) -> None:
        """Write the sessions that are not written yet; raises `RecordUnavailable` when one fails.

        `every` gives all sessions, which are written again when the store was replaced.
        """
        if self._times_reopened != self._store.times_reopened:
            self._times_reopened = self._store.times_reopened
            self._unwritten |= set(every())
        while self._unwritten:
            await self.write(*islice(self._unwritten, MAX_TOGETHER))

    async def flush_quietly(self, every: Callable[[], Iterable[SessionRuntime]] = tuple) -> None:
        """Write the sessions that are not written yet, as far as that is possible now."""
        with contextlib.suppress(RecordUnavailable):
            await self.flush(every)

    def forget(self, runtime: SessionRuntime) -> None:
        """Drop a session that is not written yet and that the registry has forgotten."""
        self._unwritten.discard(runtime)

    async def aclose(self) -> None:
        """Write the sessions that are not written yet, if that is possible, and stop."""
        if self._flushing is not None:
            await self._flushing
        await self.flush_quietly()

    def _flush_soon(self) -> None:
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self.flush_quietly())
