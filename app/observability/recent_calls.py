"""Kaltura's answers in the last 15 minutes, for the console; `/metrics` counts all of them."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from typing import Final

from app.kaltura.observation import Exchange

WINDOW_SECONDS: Final = 15 * 60
MAX_CALLS: Final = 1000
"""The most calls of one operation that are remembered; older ones are dropped first."""

OK: Final = "ok"


@dataclass(frozen=True)
class Answered:
    """Statistics of the calls of one operation; times are in seconds."""

    calls: int
    failed: int
    median: float
    p95: float


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

    @contextmanager
    def observe(self, exchange: Exchange) -> Iterator[None]:
        """Remember a request to Kaltura; an `Observer`."""
        try:
            yield
        finally:
            call = _Call(self._monotonic(), exchange.seconds, exchange.outcome != OK)
            self._calls[exchange.operation.value].append(call)

    def by_operation(self) -> Mapping[str, Answered]:
        """The statistics of each operation that was called in the window."""
        since = self._monotonic() - WINDOW_SECONDS
        for calls in self._calls.values():
            while calls and calls[0].at < since:
                calls.popleft()
        return {operation: _answered(calls) for operation, calls in self._calls.items() if calls}


def _answered(calls: Sequence[_Call]) -> Answered:
    seconds = sorted(call.seconds for call in calls)
    return Answered(
        calls=len(calls),
        failed=sum(call.failed for call in calls),
        median=_within(seconds, 0.5),
        p95=_within(seconds, 0.95),
    )


def _within(in_order: Sequence[float], share: float) -> float:
    """The value that a share of the sorted values does not exceed."""
    return in_order[max(ceil(share * len(in_order)), 1) - 1]
