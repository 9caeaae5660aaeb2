"""What goes wrong at Kaltura, and when the broker is killed."""

from random import Random
from typing import Any, Final

from app.kaltura.contract import Operation

TICK_SECONDS: Final = 0.5
"""So long a forecast is good for."""

STORM: Final = 0.04
"""How often Kaltura is down altogether, of all forecasts."""

MOST_FAULTS: Final = 5
MOST_TIMES: Final = 3
"""How often one fault is played, at the most."""

LATEST_SECONDS: Final = 1.0
"""The latest answer that still comes in time."""

CALM_SECONDS: Final = (3.0, 20.0)
"""Between two kills."""

Fault = dict[str, Any]

_OPERATIONS: Final = (*Operation, Operation.CREATE, Operation.END)
"""Those that matter most twice."""

_STATUSES: Final = (429, 500, 502, 503, 504)
_GONE: Final = (401, 404, 410)
_KINDS: Final = (
    *("status",) * 6,
    *("reset", "lost-answer", "delay") * 3,
    *("hang", "success-false", "exception", "not-json", "empty", "truncated", "redirect"),
)
"""The likelier ones several times. All are failures, or the truth: of an end that was not carried
out nobody may say that it was.
"""

_SPEECH: Final = frozenset({Operation.SAY_TEXT, Operation.SAY_AUDIO, Operation.INTERRUPT})
"""To these Kaltura may also say that the session is gone when it is not."""


class Weather:
    """The same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = Random(f"weather {seed}")
        self._kills = Random(f"kills {seed}")

    def forecast(self) -> list[Fault]:
        """The faults of the next `TICK_SECONDS`."""
        if self._random.random() < STORM:
            return [{"kind": "status", "status": 503}]
        return [self._fault() for _ in range(self._random.randint(0, MOST_FAULTS))]

    def until_the_next_kill(self) -> float:
        """Seconds."""
        return self._kills.uniform(*CALM_SECONDS)

    def _fault(self) -> Fault:
        operation = self._random.choice(_OPERATIONS)
        fault: Fault = {
            "operation": operation.value,
            "kind": self._random.choice(_KINDS),
            "times": self._random.randint(1, MOST_TIMES),
        }
        if fault["kind"] == "status":
            fault["status"] = self._random.choice(
                _STATUSES + _GONE if operation in _SPEECH else _STATUSES
            )
        if fault["kind"] == "delay":
            fault["seconds"] = self._random.uniform(0, LATEST_SECONDS)
        return fault
