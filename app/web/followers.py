"""How many follow each session's events: each of them costs a connection."""

from collections import Counter
from typing import Final

from app.problems import RateLimited

MAX_FOLLOWERS: Final = 500
"""Of all sessions; half of the connections that the process takes."""

MAX_FOLLOWERS_PER_SESSION: Final = 4


class Followers:
    """How many follow each session."""

    def __init__(self) -> None:
        self._of: Counter[str] = Counter()

    def add(self, session_id: str) -> None:
        """One more; raises `RateLimited`."""
        if self._of[session_id] >= MAX_FOLLOWERS_PER_SESSION or self._of.total() >= MAX_FOLLOWERS:
            self._of += Counter()
            raise RateLimited("Too many follow this session's events already.", retry_after=5)
        self._of[session_id] += 1

    def remove(self, session_id: str) -> None:
        """One less."""
        self._of[session_id] -= 1
        self._of += Counter()  # which forgets those that nobody follows
