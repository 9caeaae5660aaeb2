"""The random schedule of the emulator's faults and of the broker's kills."""

from random import Random
from typing import Any, Final

from app.kaltura.contract import Operation

TICK_SECONDS: Final = 0.5
"""How long each set of faults stays in place."""

OUTAGE_CHANCE: Final = 0.04
"""The chance that Kaltura is down completely during one tick."""

MAX_FAULTS: Final = 5
MAX_TIMES: Final = 3
"""The most times that one fault is played."""

LATEST_SECONDS: Final = 1.0
"""The longest delay of an answer, which is below the broker's timeout."""

KILL_INTERVAL_SECONDS: Final = (3.0, 20.0)
"""The shortest and longest time between two kills."""

Fault = dict[str, Any]

_OPERATIONS: Final = (*Operation, Operation.CREATE, Operation.END)
"""The operations that get faults; the two that matter most are listed twice."""

_STATUSES: Final = (429, 500, 502, 503, 504)
_GONE: Final = (401, 404, 410)
_KINDS: Final = (
    *("status",) * 6,
    *("reset", "lost-answer", "delay") * 3,
    *("hang", "success-false", "exception", "not-json", "empty", "truncated", "redirect"),
)
"""The kinds of faults, the likelier ones listed several times.

None of them answers success to an end that was not carried out.
"""

_SPEECH: Final = frozenset({Operation.SAY_TEXT, Operation.SAY_AUDIO, Operation.INTERRUPT})
"""The operations to which the emulator may also answer that the session is gone, when it is not."""


class FaultSchedule:
    """A random schedule, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = Random(f"faults {seed}")
        self._kills = Random(f"kills {seed}")

    def next_faults(self) -> list[Fault]:
        """The faults of the next `TICK_SECONDS`."""
        if self._random.random() < OUTAGE_CHANCE:
            return [{"kind": "status", "status": 503}]
        return [self._fault() for _ in range(self._random.randint(0, MAX_FAULTS))]

    def seconds_until_kill(self) -> float:
        """The seconds until the next kill of the broker."""
        return self._kills.uniform(*KILL_INTERVAL_SECONDS)

    def _fault(self) -> Fault:
        operation = self._random.choice(_OPERATIONS)
        fault: Fault = {
            "operation": operation.value,
            "kind": self._random.choice(_KINDS),
            "times": self._random.randint(1, MAX_TIMES),
        }
        if fault["kind"] == "status":
            fault["status"] = self._random.choice(
                _STATUSES + _GONE if operation in _SPEECH else _STATUSES
            )
        if fault["kind"] == "delay":
            fault["seconds"] = self._random.uniform(0, LATEST_SECONDS)
        return fault
