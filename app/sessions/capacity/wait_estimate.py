"""Estimates how long it takes until places for sessions become free."""

from collections import deque
from collections.abc import Iterable
from statistics import median_low
from typing import Final

from app.sessions.clock import SessionClock
from app.sessions.store.model import WATCHED_SECONDS, AvatarSession

RECENT_SESSIONS: Final = 20
"""Number of the latest ended sessions whose lengths the estimates are based on."""


class WaitEstimate:
    """Estimates waits from the lengths of recent sessions and the limits of the open ones.

    A session is expected to last as long as half of the recent sessions that outlived its present
    age, and never longer than its limits. Where too little is known, it is expected to use its
    limit.
    """

    def __init__(self, *, max_seconds: int, idle_seconds: int, clock: SessionClock) -> None:
        self._max_seconds = max_seconds
        self._idle_seconds = idle_seconds
        self._clock = clock
        self._recent_lengths: deque[float] = deque(maxlen=RECENT_SESSIONS)

    def learn(self, session: AvatarSession) -> None:
        """Remember the length of a session that has ended."""
        if session.ended_at is not None:
            self._recent_lengths.append(session.ended_at - session.opened_at)

    def seconds(self, position: int, sessions: Iterable[AvatarSession]) -> int:
        """Estimate the seconds until `position` places are free, a whole number of at least 1."""
        ends = sorted(self._seconds_left(session) for session in sessions)
        if not ends:
            return 1
        rounds, place = divmod(position - 1, len(ends))
        return max(1, round(ends[place] + rounds * self._median_length(self._max_seconds)))

    def _seconds_left(self, session: AvatarSession) -> float:
        """Estimate the seconds until a session's place is free.

        For a session that has ended here but not at Kaltura, that is when Kaltura is next asked to
        end it.
        """
        now, running = self._clock(), self._clock.running()
        if session.ended is not None:
            return max(0.0, session.end_again_at - now)
        age = now - session.opened_at
        limit = session.expires_at - session.opened_at
        left = [self._median_length(limit, longer_than=age) - age]
        if session.leaves_at is not None:
            left.append(session.leaves_at - running)
        if session.seen_at is not None and running - session.seen_at >= WATCHED_SECONDS:
            left.append(session.seen_at + self._idle_seconds - running)
        return max(0.0, min(left))

    def _median_length(self, limit: float, longer_than: float = 0) -> float:
        """The median length in seconds of recent sessions above an age, `limit` counted as one."""
        longer = (length for length in self._recent_lengths if longer_than < length < limit)
        return median_low([*longer, limit])
