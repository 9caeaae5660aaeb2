"""Time as sessions need it: how long something lasts does not depend on the wall clock."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

Clock = Callable[[], float]
"""Tells seconds."""

Sleep = Callable[[float], Awaitable[None]]
"""Waits for so many seconds of a clock that never jumps."""

PAUSE_SECONDS: Final = 2
"""A clock that nobody read for longer was paused with its process; the reaper reads it every
second.
"""

JUMP_SECONDS: Final = 1
"""A wall clock that is off by more was set; one that is off by less is taken to be right."""


def seconds_since_boot() -> float:
    """Seconds that never jump, and pass while the machine sleeps, where the system tells."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


@dataclass(frozen=True)
class Clocks:
    """The time that the process lives by, which tests bring of their own.

    `wall` gives unix seconds, `monotonic` seconds that never jump, and `sleep` waits for such.
    """

    wall: Clock = time.time
    monotonic: Clock = seconds_since_boot
    sleep: Sleep = asyncio.sleep


class SessionClock:
    """Unix seconds that never jump: the wall clock's at the start, and then by `monotonic`.

    Sessions keep their times so. What is shown or stored is a wall clock's: `to_wall`
    translates. `stopwatch` tells real seconds, by which a pause of the process is noticed.
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
        """The time now."""
        return self._wall_at_start + (self._monotonic() - self._began)

    def running(self) -> float:
        """The time now without the pauses, in which no sign of life could be noticed.

        Whatever ends because nobody was heard of is measured by this.
        """
        now, read = self(), self._stopwatch()
        pause = min(read - self._last_read, now - self._last)
        if pause > PAUSE_SECONDS:
            self._paused += pause
        self._last, self._last_read = now, read
        return now - self._paused

    @property
    def offset(self) -> int:
        """How far the wall clock was set ahead since the start, in whole seconds."""
        off = self.wall() - self()
        if abs(off - self._offset) > JUMP_SECONDS:
            self._offset = round(off)
        return self._offset

    def to_wall(self, at: float) -> float:
        """What the wall clock shows at a time of this clock."""
        return at + self.offset

    def from_wall(self, at: float) -> float:
        """The time of this clock when the wall clock shows `at`."""
        return at - self.offset
