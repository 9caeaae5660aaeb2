"""A circuit breaker for calls to Kaltura: while Kaltura is down, calls fail at once.

No library is used, because adapting one took more code: text-to-speech failures must not count,
an end must pass an open circuit, and no exception may be kept (it refers to a request's token).
"""

import math
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog

from app.kaltura import errors
from app.kaltura.contract import Operation, WireModel

THRESHOLD: Final = 8
"""The number of consecutive failures that opens the circuit."""

OPEN_SECONDS: Final = 3
"""How long an open circuit refuses calls; then one call, the trial, is let through."""

CLOSED: Final = "closed"
OPEN: Final = "open"
HALF_OPEN: Final = "half_open"
STATES: Final = (CLOSED, OPEN, HALF_OPEN)
"""The states: closed passes all calls, open refuses them, half open is one trial under way."""

Answer = TypeVar("Answer", bound=WireModel)
log = structlog.get_logger(__name__)

_DOWN: Final = (
    errors.NotConnectedError,
    errors.LostAnswerError,
    errors.TimedOutError,
    errors.ServerFailedError,
)


class CircuitBreaker:
    """Passes calls while Kaltura answers, and one trial every `OPEN_SECONDS` while it is down.

    Any answer but a 5xx shows that Kaltura is up. `monotonic` gives seconds that never jump.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._failures = 0
        self._opened_at: float | None = None
        self._trial: object | None = None
        self._changes = 0
        """How often the circuit opened or closed; calls that began before a change do not count."""

    @property
    def state(self) -> str:
        """The circuit's state, one of `STATES`."""
        if self._opened_at is None:
            return CLOSED
        return OPEN if self._trial is None else HALF_OPEN

    @property
    def is_refusing(self) -> bool:
        """Whether the circuit is open and its pause not over, so that a call would be refused."""
        return self._seconds_left() > 0

    async def guard(self, operation: Operation, attempt: Callable[[], Awaitable[Answer]]) -> Answer:
        """Call `attempt` and count its outcome; raises `CircuitOpenError` instead while open.

        An end is always attempted: a session that goes on costs money.
        """
        call = object()
        self._admit(call, operation)
        began_at = self._changes
        try:
            answer = await attempt()
        except errors.SpeechFailedError:
            raise  # text-to-speech failed, which does not tell whether Kaltura is down
        except _DOWN:
            if began_at == self._changes:
                self._record_failure(call)
            raise
        except errors.KalturaError:
            if began_at == self._changes:
                self._record_success()
            raise
        finally:
            if self._trial is call:
                self._trial = None
        if began_at == self._changes:
            self._record_success()
        return answer

    def _admit(self, call: object, operation: Operation) -> None:
        if self._opened_at is None or operation is Operation.END:
            return
        if self._trial is not None or self.is_refusing:
            # While a trial is under way the pause is over already, and its end is unknown.
            raise errors.CircuitOpenError(operation, max(1, math.ceil(self._seconds_left())))
        self._trial = call

    def _seconds_left(self) -> float:
        if self._opened_at is None:
            return 0.0
        return self._opened_at + OPEN_SECONDS - self._monotonic()

    def _record_failure(self, call: object) -> None:
        if self._opened_at is None:
            self._failures += 1
            if self._failures < THRESHOLD:
                return
            log.warning("kaltura unavailable")
        elif self._trial is not call:
            return  # an end, which passes an open circuit
        self._opened_at = self._monotonic()
        self._changes += 1

    def _record_success(self) -> None:
        self._failures = 0
        if self._opened_at is not None:
            self._opened_at = None
            self._changes += 1
            log.info("kaltura is back")
