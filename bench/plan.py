"""The two plans: quick for a first look, full for figures to decide by."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Plan:
    """The counts that bound how long a benchmark takes."""

    rounds: int
    """The rounds in which each server is measured; the median of them counts."""

    sessions: int
    calls: int
    """The speaks in one round, spread over the sessions."""

    connections: tuple[int, ...] = (1, 32, 200)
    grown_to: tuple[int, ...] = (100, 1000, 2000)
    """The numbers of live sessions at which the cost of a speak is measured again."""

    @property
    def calls_alone(self) -> int:
        """The speaks in a round with one connection, which waits for Kaltura each time."""
        return max(1, self.calls // 20)


QUICK: Final = Plan(rounds=3, sessions=200, calls=600)
FULL: Final = Plan(rounds=9, sessions=200, calls=1200, grown_to=(100, 1000, 2000, 10_000))
