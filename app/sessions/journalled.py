"""The sessions of this process, each written down in the journal as it changes."""

from typing import Any

from app.problems import RecordUnavailable
from app.sessions.journal import Journal
from app.sessions.live import AvatarSession, SessionsInProcess
from app.sessions.tokens import Clock


class JournalledSessions(SessionsInProcess):
    """Like `SessionsInProcess`, and a crash forgets none of them.

    What is not written down is not begun: `add` raises `RecordUnavailable`. A change is a fact
    already, so it is never refused: what could not be written is written later.
    """

    def __init__(self, clock: Clock, journal: Journal) -> None:
        super().__init__(clock)
        self._clock = clock
        self._journal = journal
        self._unwritten: set[str] = set()

    async def add(self, session: AvatarSession) -> bool:
        """See `LiveSessions`; the session is kept in memory even when the journal refuses it."""
        added = await super().add(session)
        if added:
            try:
                await self._journal.save(session)
            except RecordUnavailable:
                self._unwritten.add(session.session_id)
                raise
        return added

    async def update(self, session_id: str, **changes: Any) -> AvatarSession:
        """See `LiveSessions`; only what a next process must know costs a write."""
        before = await self.get(session_id)
        session = await super().update(session_id, **changes)
        if before is None or self._journal.row_of(before) != self._journal.row_of(session):
            await self._write(session_id)
        return session

    async def seconds_used(self, since: float, owner: str | None = None) -> float:
        """See `LiveSessions`; what earlier processes used counts too."""
        return await self._journal.seconds_used(since, self._clock(), owner)

    async def take_over(self) -> None:
        """See `LiveSessions`."""
        for session_id in list(self._unwritten):
            if not await self._save(session_id):
                return
        for session in await self._journal.take_over(self._clock()):
            if session.ended_upstream:
                self.remember(session)
            else:
                await super().add(session)

    async def _write(self, session_id: str) -> None:
        if self._unwritten:
            # The journal fails at present: nobody waits for it until `take_over` has caught up.
            self._unwritten.add(session_id)
        else:
            await self._save(session_id)

    async def _save(self, session_id: str) -> bool:
        """Whether it could be written; if not, it is kept in mind."""
        # The session as it is now: of two changes at once the later one must not be undone.
        session = await self.get(session_id)
        self._unwritten.discard(session_id)
        try:
            if session is not None:
                await self._journal.save(session)
        except RecordUnavailable:
            self._unwritten.add(session_id)
            return False
        return True
