"""Kaltura's answers in the last 15 minutes, for the console; `/metrics` counts all of them."""

from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from app.kaltura.observation import Exchange

WINDOW_SECONDS: Final = 15 * 60
MAX_CALLS: Final = 1000
"""The most calls of one operation that are remembered; older ones are dropped first."""

OK: Final = "ok"

QUANTILES: Final = 20
"""The equal parts into which the quantiles divide the calls."""


@dataclass(frozen=True)
class CallStats:
    """Statistics of the calls of one operation.

    `seconds` are the quantiles of their durations, from which statistics of several processes can
    be merged.
    """

    calls: int
    failed: int
    seconds: Sequence[float]

    @property
    def median(self) -> float:
        """The median duration in seconds."""
        return self.seconds[QUANTILES // 2 - 1]

    @property
    def p95(self) -> float:
        """The 95th percentile of the durations in seconds."""
        return self.seconds[QUANTILES * 95 // 100 - 1]


@dataclass(frozen=True)
class _Call:
    at: float
    seconds: float
    failed: bool


class RecentCalls:
    """Remembers the calls of the last `WINDOW_SECONDS`, by the clock `monotonic`."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._calls: defaultdict[str, deque[_Call]] = defaultdict(lambda: deque(maxlen=MAX_CALLS))

    def add(self, exchange: Exchange) -> None:
        """Remember a request to Kaltura that is over."""
        call = _Call(self._monotonic(), exchange.seconds, exchange.outcome != OK)
        self._calls[exchange.operation.value].append(call)

    def by_operation(self) -> Mapping[str, CallStats]:
        """The statistics of each operation that was called in the window."""
        since = self._monotonic() - WINDOW_SECONDS
        for calls in self._calls.values():
            while calls and calls[0].at < since:
                calls.popleft()
        return {operation: _stats(calls) for operation, calls in self._calls.items() if calls}


def merged(stats: Iterable[CallStats]) -> CallStats:
    """The statistics of all calls of one operation, from those of each process.

    Those of a single process stay as they are. Merged quantiles are off by a twentieth of the
    calls at most.
    """
    each = list(stats)
    weighted = sorted((seconds, one.calls) for one in each for seconds in one.seconds)
    return CallStats(
        calls=sum(one.calls for one in each),
        failed=sum(one.failed for one in each),
        seconds=_quantiles(weighted),
    )


def _stats(calls: Sequence[_Call]) -> CallStats:
    return CallStats(
        calls=len(calls),
        failed=sum(call.failed for call in calls),
        seconds=_quantiles(sorted((call.seconds, 1) for call in calls)),
    )


def _quantiles(in_order: Sequence[tuple[float, int]]) -> Sequence[float]:
    """The quantiles of sorted values with weights."""
    weights = list(accumulate(weight for _, weight in in_order))
    found = (
        bisect_left(weights, weights[-1] * part / QUANTILES) for part in range(1, QUANTILES + 1)
    )
    return tuple(in_order[index][0] for index in found)
