"""Which replica has a session: looked up in the database, and remembered for a moment."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Final, NoReturn

from app.problems import RecordUnavailable

FRESH_SECONDS: Final = 2.0
"""How long an owner is remembered; one that has lost the session refuses its calls."""

UNKNOWN_SECONDS: Final = 0.5
"""How long it is remembered that nobody has a session."""

MAX_REMEMBERED: Final = 10_000
"""Sessions whose owner is remembered, about 3 MB; the oldest are forgotten first."""


@dataclass(frozen=True)
class SessionOwner:
    """The replica that has a session, and where it is reached.

    `url` is None while no living replica has the session. `is_open` tells that the session is not
    over at Kaltura.
    """

    holder: str
    url: str | None
    is_open: bool = True


LookUp = Callable[[str], Awaitable[SessionOwner | None]]
"""Finds the owner of a session in the database; None when nobody has such a session."""


@dataclass(frozen=True, eq=False)
class _Watch:
    """A call that waits for the answer of a session's owner."""

    session_id: str
    owner: SessionOwner
    on_moved: Callable[[], None]


class SessionOwners:
    """Finds the owners of sessions; remembers each for `FRESH_SECONDS`.

    While the database can't be read, the last known owner counts: one that has lost a session
    refuses its calls.
    """

    def __init__(self, look_up: LookUp, monotonic: Callable[[], float]) -> None:
        self._look_up = look_up
        self._monotonic = monotonic
        self._found: dict[str, tuple[float, SessionOwner | None]] = {}
        self._times_forgotten = 0
        self._watches: set[_Watch] = set()
        self._may_have_moved = asyncio.Event()

    async def find(self, session_id: str) -> SessionOwner | None:
        """The owner of a session; raises `RecordUnavailable`."""
        fresh_until, owner = self._found.get(session_id, (0.0, None))
        if self._monotonic() < fresh_until:
            return owner
        return await self.find_anew(session_id)

    async def find_anew(self, session_id: str) -> SessionOwner | None:
        """The owner of a session as the database has it now; raises `RecordUnavailable`."""
        times_forgotten = self._times_forgotten
        try:
            owner = await self._look_up(session_id)
        except RecordUnavailable:
            _, owner = self._found.get(session_id, (0.0, None))
            if owner is None:
                raise
            return owner
        if times_forgotten == self._times_forgotten:
            self._remember(session_id, owner)
        return owner

    def forget(self, session_id: str) -> None:
        """Look the owner of a session up at its next call."""
        self._times_forgotten += 1
        self._found.pop(session_id, None)

    def forget_all(self) -> None:
        """Look the owner of every session up at its next call."""
        self._times_forgotten += 1
        self._found.clear()
        self._may_have_moved.set()

    @contextlib.contextmanager
    def watched(
        self, session_id: str, owner: SessionOwner, on_moved: Callable[[], None]
    ) -> Iterator[None]:
        """Call `on_moved` when a session turns out not to be this owner's any more.

        It is called during the block, while `run` runs.
        """
        watch = _Watch(session_id, owner, on_moved)
        self._watches.add(watch)
        if self._found.get(session_id, (0.0, None))[1] != owner:
            self._may_have_moved.set()  # it was forgotten since the owner was found
        try:
            yield
        finally:
            self._watches.remove(watch)

    async def run(self) -> NoReturn:
        """Call `on_moved` of each watch whose session has moved, until cancelled."""
        while True:
            await self._may_have_moved.wait()
            self._may_have_moved.clear()
            for watch in list(self._watches):
                # When the database is back, sessions are forgotten anew.
                with contextlib.suppress(RecordUnavailable):
                    owner = await self.find(watch.session_id)
                    if owner is None or owner.holder != watch.owner.holder:
                        watch.on_moved()

    def _remember(self, session_id: str, owner: SessionOwner | None) -> None:
        self._found.pop(session_id, None)
        while len(self._found) >= MAX_REMEMBERED:
            del self._found[next(iter(self._found))]
        seconds = UNKNOWN_SECONDS if owner is None else FRESH_SECONDS
        self._found[session_id] = (self._monotonic() + seconds, owner)
