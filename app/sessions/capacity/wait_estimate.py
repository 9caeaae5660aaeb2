"""How long the next place may take to become free."""

from collections import deque
from collections.abc import Iterable
from statistics import median_low
from typing import Final

from app.sessions.clock import SessionClock
from app.sessions.store.model import WATCHED_SECONDS, AvatarSession

LATELY: Final = 20
"""Sessions whose length tells how long the next ones may last."""


class WaitEstimate:
    """Estimates waits from how long sessions lately lasted and how long those that are open may.

    A session is expected to last as half of those did that lasted longer than it has by now, and
    never longer than its limits let it. Where too little is known, it is expected to use its limit.
    """

    def __init__(self, *, max_seconds: int, idle_seconds: int, clock: SessionClock) -> None:
        self._max_seconds = max_seconds
        self._idle_seconds = idle_seconds
        self._clock = clock
        self._lengths: deque[float] = deque(maxlen=LATELY)

    def learn(self, session: AvatarSession) -> None:
        """Remember how long a session lasted that is over."""
        if session.ended_at is not None:
            self._lengths.append(session.ended_at - session.opened_at)

    def seconds(self, position: int, sessions: Iterable[AvatarSession]) -> int:
        """Whole seconds, at least 1, until so many places of `sessions` have become free."""
        ends = sorted(self._seconds_left(session) for session in sessions)
        if not ends:
            return 1
        rounds, place = divmod(position - 1, len(ends))
        return max(1, round(ends[place] + rounds * self._usual_length(self._max_seconds)))

    def _seconds_left(self, session: AvatarSession) -> float:
        """Until its place may be free; Kaltura may have refused to end it, and is asked again."""
        now, running = self._clock(), self._clock.running()
        if session.ended is not None:
            return max(0.0, session.end_again_at - now)
        age = now - session.opened_at
        limit = session.expires_at - session.opened_at
        left = [self._usual_length(limit, longer_than=age) - age]
        if session.leaves_at is not None:
            left.append(session.leaves_at - running)
        if session.seen_at is not None and running - session.seen_at >= WATCHED_SECONDS:
            left.append(session.seen_at + self._idle_seconds - running)
        return max(0.0, min(left))

    def _usual_length(self, limit: float, longer_than: float = 0) -> float:
        """What half of the sessions last that outlive an age; `limit` stands for one unknown."""
        longer = (length for length in self._lengths if longer_than < length < limit)
        return median_low([*longer, limit])
