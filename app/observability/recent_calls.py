"""Kaltura's answers in the last 15 minutes, for the console; `/metrics` counts all of them."""

from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from app.kaltura.observation import Exchange

WINDOW_SECONDS: Final = 15 * 60
MAX_CALLS: Final = 1000
"""The most calls of one operation that are remembered; older ones are dropped first."""

OK: Final = "ok"


PARTS: Final = 20
"""The equal parts into which calls are divided in the order of their seconds."""


@dataclass(frozen=True)
class Answered:
    """Statistics of the calls of one operation.

    `seconds` has what each twentieth of the calls did not exceed, so that statistics of several
    processes can be put together.
    """

    calls: int
    failed: int
    seconds: Sequence[float]

    @property
    def median(self) -> float:
        """The seconds that half of the calls did not exceed."""
        return self.seconds[PARTS // 2 - 1]

    @property
    def p95(self) -> float:
        """The seconds that 95 of 100 calls did not exceed."""
        return self.seconds[PARTS * 95 // 100 - 1]


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


def together(answered: Iterable[Answered]) -> Answered:
    """The statistics of calls of one operation that several processes made.

    Those of one process stay as they are. For several, a twentieth of the calls at most lies
    between what is told and what is right.
    """
    parts = list(answered)
    weighted = sorted((seconds, each.calls) for each in parts for seconds in each.seconds)
    return Answered(
        calls=sum(each.calls for each in parts),
        failed=sum(each.failed for each in parts),
        seconds=_parts(weighted),
    )


def _answered(calls: Sequence[_Call]) -> Answered:
    return Answered(
        calls=len(calls),
        failed=sum(call.failed for call in calls),
        seconds=_parts(sorted((call.seconds, 1) for call in calls)),
    )


def _parts(in_order: Sequence[tuple[float, int]]) -> Sequence[float]:
    """The value that each of `PARTS` parts does not exceed, of sorted values with weights."""
    weights = list(accumulate(weight for _, weight in in_order))
    found = (bisect_left(weights, weights[-1] * part / PARTS) for part in range(1, PARTS + 1))
    return tuple(in_order[index][0] for index in found)
