"""A limit of entries a minute, for entries that cost their cause nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

MINUTE: Final = 60.0
MAX_KEYS: Final = 10_000


@dataclass
class _Minute:
    began: float
    let_through: int = 0
    left_out: int = 0


class Throttle:
    """Counts entries by key and minute; of more than `MAX_KEYS` keys the oldest is dropped."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._minutes: dict[str, _Minute] = {}

    def left_out(self, key: str, *, a_minute: int) -> int | None:
        """None if this entry is to be left out, else the number left out since the last one."""
        now = self._clock()
        minute = self._minutes.get(key)
        if minute is None or now - minute.began >= MINUTE:
            self._minutes.pop(key, None)
            while len(self._minutes) >= MAX_KEYS:
                del self._minutes[next(iter(self._minutes))]
            minute = _Minute(now, left_out=minute.left_out if minute else 0)
            self._minutes[key] = minute
        if minute.let_through >= a_minute:
            minute.left_out += 1
            return None
        minute.let_through += 1
        before, minute.left_out = minute.left_out, 0
        return before
