"""Estimates how long it takes until places for sessions become free."""

import heapq
import math
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice, pairwise
from statistics import median_low
from typing import Final

from app.sessions.clock import SessionClock
from app.sessions.runtime import SessionRuntime
from app.sessions.store.model import WATCHED_SECONDS, AvatarSession
from app.sessions.store.session_index import SessionIndex

RECENT_SESSIONS: Final = 20
"""Number of the latest ended sessions whose lengths the estimates are based on."""

End = tuple[float, SessionRuntime]
"""The seconds until a session may be over, and the session."""


class WaitEstimate:
    """Estimates waits from the lengths of recent sessions and the limits of the open ones.

    A session is expected to last as long as half of the recent sessions that outlived its present
    age, and never longer than its limits. Where too little is known, it is expected to use its
    limit. Only as many sessions are looked at as are to end before the wait is over.
    """

    def __init__(
        self, index: SessionIndex, *, max_seconds: int, idle_seconds: int, clock: SessionClock
    ) -> None:
        self._index = index
        self._max_seconds = max_seconds
        self._idle_seconds = idle_seconds
        self._clock = clock
        self._recent_lengths: deque[float] = deque(maxlen=RECENT_SESSIONS)
        self._expected_lengths: list[tuple[float, float, float]] = []
        """Expected lengths of sessions by age: from an age, below an age, the length."""

    def learn(self, session: AvatarSession) -> None:
        """Remember the length of a session that has ended."""
        if session.ended_at is None:
            return
        self._recent_lengths.append(session.ended_at - session.opened_at)
        ages = {0.0, *(length for length in self._recent_lengths if length < self._max_seconds)}
        self._expected_lengths = [
            (age, next_age, self._median_length(longer_than=age))
            for age, next_age in pairwise((*sorted(ages), math.inf))
        ]

    def seconds(self, position: int, sessions: int) -> int:
        """Estimate the seconds until `position` of all `sessions` have ended; at least 1.

        Those of other replicas are expected to end as those of this one do.
        """
        if not sessions:
            return 1
        rounds, before = divmod(position - 1, sessions)
        before = before * self._index.places // sessions
        end = next(islice(self._ends(), before, None), 0.0)
        return max(1, round(end + rounds * self._median_length()))

    def _ends(self) -> Iterator[float]:
        """The estimated seconds until each place is free, in order.

        Each kind of end is in the order of its times already; the first of a session's ends counts.
        """
        now, running, index = self._clock(), self._clock.running(), self._index
        unwatched = index.seen.between(-math.inf, running - WATCHED_SECONDS)
        ends = heapq.merge(
            # When Kaltura is next asked to end a session that has ended here.
            _seconds_until(index.ending, now),
            _seconds_until(index.expiring, now),
            _seconds_until(index.leaving, running),
            _seconds_until(unwatched, running - self._idle_seconds),
            *(
                _seconds_until(index.opened.between(now - next_age, now - age), now - length)
                for age, next_age, length in self._expected_lengths
            ),
            key=_seconds_of,
        )
        found = set()
        for seconds, runtime in ends:
            if runtime not in found:
                found.add(runtime)
                yield max(0.0, seconds)

    def _median_length(self, longer_than: float = 0.0) -> float:
        """The median length in seconds of recent sessions above an age, the limit among them."""
        longer = (length for length in self._recent_lengths if length > longer_than)
        return min(median_low([*longer, self._max_seconds]), self._max_seconds)


def _seconds_until(times: Iterable[End], now: float) -> Iterator[End]:
    return ((at - now, runtime) for at, runtime in times)


def _seconds_of(end: End) -> float:
    return end[0]
