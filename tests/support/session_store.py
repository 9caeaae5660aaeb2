"""Where sessions are kept that need not outlive a test."""

from collections.abc import Sequence

from app.sessions.clock import SessionClock
from app.sessions.store.model import AvatarSession


class InMemorySessionStore:
    """Keeps sessions as `SessionRepository` does, for as long as the test lasts."""

    def __init__(self, clock: SessionClock) -> None:
        self._clock = clock
        self.times_reopened = 0
        self.saves: list[Sequence[AvatarSession]] = []
        """What each transaction wrote."""

        self.saved: dict[tuple[str, float], AvatarSession] = {}

    async def save(self, *sessions: AvatarSession) -> None:
        self.saves.append(sessions)
        for session in sessions:
            self.saved[session.session_id, session.opened_at] = session

    async def has_peers(self) -> bool:
        return False

    async def give_up(self, session: AvatarSession) -> None:
        pass

    async def opened_elsewhere(self, origin_key: str) -> AvatarSession | None:
        return None

    async def owner_elsewhere(self, origin_key: str) -> str | None:
        return None

    async def leave(self, session: AvatarSession) -> None:
        pass

    async def take_over(self) -> list[AvatarSession]:
        return []

    async def forget_old(self) -> None:
        pass

    async def seconds_used(self, since: float, owner: str | None = None) -> float:
        now = self._clock()
        own = (session for session in self.saved.values() if owner in {None, session.owner})
        return sum(_seconds_between(session, since, now) for session in own)


def _seconds_between(session: AvatarSession, since: float, now: float) -> float:
    ended_at = now if session.ended_at is None else session.ended_at
    return max(0.0, min(ended_at, session.expires_at, now) - max(session.opened_at, since))
