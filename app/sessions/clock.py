"""Clocks for sessions, whose durations do not depend on the wall clock."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol

Clock = Callable[[], float]
"""Function that returns the time in seconds."""

Sleep = Callable[[float], Awaitable[None]]
"""Coroutine function that waits for a number of seconds of a monotonic clock."""


class Timer(Protocol):
    """A call that will be made, unless it is cancelled."""

    def cancel(self) -> object:
        """Cancel the call."""


def _call_later(seconds: float, callback: Callable[[], None]) -> Timer:
    return asyncio.get_running_loop().call_later(seconds, callback)


CallLater = Callable[[float, Callable[[], None]], Timer]
"""Function that makes a call after a number of seconds of a monotonic clock."""

PAUSE_SECONDS: Final = 2
"""Seconds between two readings of a clock that tell that the process was paused in between; the
reaper reads the clock every second.
"""

JUMP_SECONDS: Final = 1
"""Seconds by which the wall clock must be off to count as set; less is taken for inaccuracy."""


def seconds_since_boot() -> float:
    """Monotonic seconds, which go on while the machine sleeps where the system supports that."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


@dataclass(frozen=True)
class Clocks:
    """The clocks that the process uses; tests replace them.

    `wall` gives unix seconds, `monotonic` seconds that never jump. `sleep` waits for a number of
    monotonic seconds, and `call_later` makes a call after as many.
    """

    wall: Clock = time.time
    monotonic: Clock = seconds_since_boot
    sleep: Sleep = asyncio.sleep
    call_later: CallLater = _call_later


class SessionClock:
    """Unix seconds that never jump: the wall clock at the start, then advanced by `monotonic`.

    Sessions keep their times in seconds of this clock. Times that are shown or stored are times of
    the wall clock: `to_wall` converts. `stopwatch` gives real seconds, by which a pause of the
    process is noticed.
    """

    def __init__(
        self, wall: Clock, monotonic: Clock, stopwatch: Clock = seconds_since_boot
    ) -> None:
        self.wall = wall
        self._monotonic = monotonic
        self._stopwatch = stopwatch
        self._wall_at_start, self._began = wall(), monotonic()
        self._offset = 0
        self._paused = 0.0
        self._last, self._last_read = self(), stopwatch()

    def __call__(self) -> float:
        """The current time in seconds of this clock."""
        return self._wall_at_start + (self._monotonic() - self._began)

    def running(self) -> float:
        """The current time less the pauses of the process, in which no sign of life could arrive.

        Timeouts for pages that have not been heard of are measured by this time.
        """
        now, read = self(), self._stopwatch()
        pause = min(read - self._last_read, now - self._last)
        if pause > PAUSE_SECONDS:
            self._paused += pause
        self._last, self._last_read = now, read
        return now - self._paused

    @property
    def offset(self) -> int:
        """Seconds by which the wall clock was set ahead since the start, as a whole number."""
        offset = self.wall() - self()
        if abs(offset - self._offset) > JUMP_SECONDS:
            self._offset = round(offset)
        return self._offset

    def to_wall(self, at: float) -> float:
        """Convert a time of this clock to a time of the wall clock."""
        return at + self.offset

    def from_wall(self, at: float) -> float:
        """Convert a time of the wall clock to a time of this clock."""
        return at - self.offset
