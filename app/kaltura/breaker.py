"""A circuit breaker: spares a Kaltura that is down the calls, and their callers the wait."""

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import interlock
import structlog
from interlock import CoreEventListener, State

from app.kaltura import errors
from app.kaltura.contract import Operation, WireModel

THRESHOLD: Final = 8
"""So many failures in a row, and Kaltura is taken to be down."""

OPEN_SECONDS: Final = 3
"""Then nothing is sent for so long; after it one call is let through to see."""

STATES: Final = tuple(state.value for state in (State.CLOSED, State.OPEN, State.HALF_OPEN))
"""Closed lets everything through, open nothing, half open one call to see."""

Answer = TypeVar("Answer", bound=WireModel)
log = structlog.get_logger(__name__)

_DOWN: Final = (
    errors.NotConnectedError,
    errors.LostAnswerError,
    errors.TimedOutError,
    errors.ServerFailedError,
)


class Breaker:
    """Lets calls of Kaltura through while it answers, and one every few seconds while it is down.

    Any answer but a 5xx shows that Kaltura is up. `monotonic` gives seconds that never jump.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._listener = _Listener(monotonic)
        self._circuit = interlock.CircuitBreaker(
            name="kaltura",
            config=interlock.Config(
                failure_rate_threshold=1.0,
                window_size=THRESHOLD,
                minimum_number_of_calls=THRESHOLD,
                slow_call_duration_threshold=math.inf,  # the client's deadline sees to slow calls
                wait_duration_in_open=OPEN_SECONDS,
                permitted_calls_in_half_open=1,
            ),
            clock=_Clock(monotonic),
            classifier=_Classifier(),
            listener=self._listener,
        )

    @property
    def state(self) -> str:
        """One of `STATES`."""
        return self._circuit.state.value

    @property
    def is_refusing(self) -> bool:
        """Whether a call would not be made just now; the next one after that is the trial."""
        is_open = self._circuit.state is State.OPEN
        return is_open and self._monotonic() < self._listener.opened_at + OPEN_SECONDS

    async def guard(self, operation: Operation, attempt: Callable[[], Awaitable[Answer]]) -> Answer:
        """What `attempt` returns or raises; `CircuitOpenError` when it was not even made.

        An end is always attempted: a session that goes on costs money.
        """
        try:
            outcome = await self._ask(operation, attempt)
        except _NoVerdict as unclear:
            outcome = unclear.error
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def _ask(
        self, operation: Operation, attempt: Callable[[], Awaitable[Answer]]
    ) -> Answer | Exception:
        try:
            return await self._circuit.call_async(_outcome, attempt)
        except interlock.CircuitOpenError as refusal:
            if operation is not Operation.END:
                # While a trial is under way nobody knows how long it takes.
                seconds = math.ceil(refusal.retry_after or 1)
                raise errors.CircuitOpenError(operation, seconds) from None
        outcome = await _outcome(attempt)
        if not _is_down(outcome):
            self._circuit.reset()
        return outcome


async def _outcome(attempt: Callable[[], Awaitable[Answer]]) -> Answer | Exception:
    """What was returned or raised, as a value.

    The library keeps the last exception that it saw, and with it the request and its secrets.
    """
    try:
        return await attempt()
    except Exception as error:
        if _says_nothing(error):
            raise _NoVerdict(error) from error
        return error


def _is_down(outcome: object) -> bool:
    return isinstance(outcome, _DOWN)


def _says_nothing(error: Exception) -> bool:
    """Whether it does not tell if Kaltura is up: text-to-speech's trouble, or a fault of ours."""
    return isinstance(error, errors.SpeechFailedError) or not isinstance(error, errors.KalturaError)


class _NoVerdict(BaseException):
    """Takes an error past the library uncounted.

    What is no `Exception` is to it a call that was broken off, and so is a trial's cancellation:
    nothing is learned, and the next call is the trial.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


@dataclass(frozen=True)
class _Clock:
    """Seconds as the library wants them."""

    monotonic: Callable[[], float]


class _Classifier:
    """Judges what `_outcome` made of a call."""

    def is_failure(self, *, result: object, exception: Exception | None) -> bool:  # noqa: ARG002 - always None
        return _is_down(result)


class _Listener(CoreEventListener):
    """Logs each outage once, however many trials it lasts, and notes when the last one failed."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self.opened_at = 0.0

    def on_state_change(self, *, name: str, old: State, new: State) -> None:  # noqa: ARG002 - there is one
        if new is State.OPEN:
            self.opened_at = self._monotonic()
        if new is State.CLOSED:
            log.info("kaltura is back")
        elif old is State.CLOSED:
            log.warning("kaltura unavailable")
