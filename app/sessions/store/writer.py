"""Writes changes of sessions to the store as they happen."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from app.problems import RecordUnavailable, ReplicaSuspended
from app.sessions.runtime import SessionRuntime
from app.sessions.store.model import AvatarSession

SYNCHRONOUS_FIELDS: Final = {"media", "ready", "ended_upstream"}
"""Fields whose change is on disk before the caller continues."""

BACKGROUND_FIELDS: Final = {"ended"}
"""Fields whose change is written in the background, so that no end waits for a slow disk."""


class SessionStore(Protocol):
    """Storage in which sessions outlive the process; implemented by `SessionRepository`."""

    @property
    def times_reopened(self) -> int:
        """The number of times the store was found replaced, so that sessions may be missing."""

    async def save(self, session: AvatarSession) -> None:
        """Write a session to disk; raises `RecordUnavailable`.

        Raises `ReplicaSuspended`, and writes nothing, when another process may have the session.
        """

    async def leave(self, session: AvatarSession) -> None:
        """Leave a lost session to its next owner, who ends it if it was never written.

        Raises `RecordUnavailable`.
        """

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

    async def write(self, runtime: SessionRuntime) -> None:
        """Write a session's current data; `RecordUnavailable` leaves it to be written later.

        A session that turns out to be lost is left to its next owner.
        """
        # Before the write: a change that is made meanwhile makes the session unwritten again.
        self._unwritten.discard(runtime)
        try:
            if not runtime.is_lost:
                await self._save(runtime)
            if runtime.is_lost:
                await self._store.leave(runtime.session)
        except BaseException:
            self._unwritten.add(runtime)
            raise

    async def _save(self, runtime: SessionRuntime) -> None:
        try:
            await self._store.save(runtime.session)
        except ReplicaSuspended:
            self._on_lost(runtime)

    async def changed(self, runtime: SessionRuntime, before: AvatarSession) -> None:
        """Write a session's changes since `before`, if a next process must know them."""
        now = runtime.session
        changes = {
            name
            for name in SYNCHRONOUS_FIELDS | BACKGROUND_FIELDS
            if getattr(before, name) != getattr(now, name)
        }
        if changes & SYNCHRONOUS_FIELDS:
            with contextlib.suppress(RecordUnavailable):
                await self.write(runtime)
        elif changes or (now.seen_at is not None and before.seen_at is None):
            # In the background: a call that waited for this write could be overtaken by the next
            # one.
            self._unwritten.add(runtime)
            self._flush_soon()

    async def flush(self, every: Iterable[SessionRuntime] = ()) -> None:
        """Write the sessions that are not written yet; raises `RecordUnavailable` when one fails.

        `every` gives all sessions, which are written again when the store was replaced.
        """
        if self._times_reopened != self._store.times_reopened:
            self._times_reopened = self._store.times_reopened
            self._unwritten |= set(every)
        while self._unwritten:
            await self.write(next(iter(self._unwritten)))

    async def flush_quietly(self, every: Iterable[SessionRuntime] = ()) -> None:
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
