"""Which replica has a session: looked up in the database, and remembered for a moment."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from app.problems import RecordUnavailable

FRESH_SECONDS: Final = 2.0
"""How long an owner is remembered; an owner that is no more says so itself."""

UNKNOWN_SECONDS: Final = 0.5
"""How long it is remembered that nobody has a session."""

MAX_REMEMBERED: Final = 10_000
"""Sessions whose owner is remembered, about 3 MB; the one asked for first makes room."""


@dataclass(frozen=True)
class SessionOwner:
    """The replica that has a session, where it is reached; None while no living one has it."""

    holder: str
    url: str | None


LookUp = Callable[[str], Awaitable[SessionOwner | None]]
"""Finds the owner of a session in the database; None when nobody has such a session."""


class SessionOwners:
    """Finds the owners of sessions; remembers each for `FRESH_SECONDS`.

    While the database can't be read, what was found last counts: an owner that has lost a session
    refuses its calls.
    """

    def __init__(self, look_up: LookUp, monotonic: Callable[[], float]) -> None:
        self._look_up = look_up
        self._monotonic = monotonic
        self._found: dict[str, tuple[float, SessionOwner | None]] = {}
        self._times_forgotten = 0

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

    def _remember(self, session_id: str, owner: SessionOwner | None) -> None:
        self._found.pop(session_id, None)
        while len(self._found) >= MAX_REMEMBERED:
            del self._found[next(iter(self._found))]
        seconds = UNKNOWN_SECONDS if owner is None else FRESH_SECONDS
        self._found[session_id] = (self._monotonic() + seconds, owner)
