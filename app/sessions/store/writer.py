"""Writes sessions down as they change."""

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Final, Protocol

from app.problems import RecordUnavailable
from app.sessions.runtime import SessionRuntime
from app.sessions.store.model import AvatarSession

AT_ONCE: Final = {"media", "ready", "ended_upstream"}
"""Fields whose change is on disk before anyone goes on."""

SOON: Final = {"ended"}
"""Fields whose change is written in the background: no end may wait for a slow disk."""


class SessionStore(Protocol):
    """Where sessions outlive the process; see `SessionRepository`."""

    @property
    def times_reopened(self) -> int:
        """How often the store was found to be another one, in which sessions may be missing."""

    async def save(self, session: AvatarSession) -> None:
        """Write a session down; it is on disk on return. Raises `RecordUnavailable`."""

    async def take_over(self) -> list[AvatarSession]:
        """The sessions of processes that are no more: those left open, and those ended lately."""

    async def forget_old(self) -> None:
        """Delete what is too old to matter."""

    async def seconds_used(self, since: float, owner: str | None = None) -> float:
        """How long sessions were open since then, of one owner or of all."""


class SessionWriter:
    """Writes down what a next process must know; what could not be written is written later.

    A change is a fact already, so no change is refused.
    """

    def __init__(self, store: SessionStore) -> None:
        self._store = store
        self._unwritten: set[SessionRuntime] = set()
        self._times_reopened = store.times_reopened
        self._flushing: asyncio.Task[None] | None = None

    async def write(self, runtime: SessionRuntime) -> None:
        """Write a session as it is now; raises `RecordUnavailable`, and tries again later."""
        try:
            await self._store.save(runtime.session)
        except BaseException:
            self._unwritten.add(runtime)
            raise
        self._unwritten.discard(runtime)

    async def changed(self, runtime: SessionRuntime, before: AvatarSession) -> None:
        """Write what has changed since `before`, if a next process must know of it."""
        now = runtime.session
        changes = {name for name in AT_ONCE | SOON if getattr(before, name) != getattr(now, name)}
        if changes & AT_ONCE:
            with contextlib.suppress(RecordUnavailable):
                await self.write(runtime)
        elif changes or (now.seen_at is not None and before.seen_at is None):
            # In the background: a sign of life that waited would be overtaken by what follows it.
            self._unwritten.add(runtime)
            self._flush_soon()

    async def flush(self, every: Iterable[SessionRuntime] = ()) -> None:
        """Write what has not been written; raises `RecordUnavailable` at the first refusal.

        `every` are the sessions to be written anew when the store is another one.
        """
        if self._times_reopened != self._store.times_reopened:
            self._times_reopened = self._store.times_reopened
            self._unwritten |= set(every)
        for runtime in list(self._unwritten):
            await self.write(runtime)

    async def flush_quietly(self, every: Iterable[SessionRuntime] = ()) -> None:
        """Write what has not been written, as far as that is possible now."""
        with contextlib.suppress(RecordUnavailable):
            await self.flush(every)

    def forget(self, runtime: SessionRuntime) -> None:
        """Write a session no more: nobody remembers it."""
        self._unwritten.discard(runtime)

    async def aclose(self) -> None:
        """Write what has not been written, if that is possible, and stop."""
        await self.flush_quietly()
        if self._flushing is not None:
            await self._flushing

    def _flush_soon(self) -> None:
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self.flush_quietly())
