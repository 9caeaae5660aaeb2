"""A circuit breaker: spares a Kaltura that is down the calls, and their callers the wait.

Written here, because it is shorter than what adapted a library to it: a failure of speech is no
verdict, an end passes an open circuit, and no failure may be kept (it holds a request's token).
"""

import math
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog

from app.kaltura import errors
from app.kaltura.contract import Operation, WireModel

THRESHOLD: Final = 8
"""So many failures in a row, and Kaltura is taken to be down."""

OPEN_SECONDS: Final = 3
"""Then nothing is sent for so long; after it one call, the trial, is let through to see."""

CLOSED: Final = "closed"
OPEN: Final = "open"
HALF_OPEN: Final = "half_open"
STATES: Final = (CLOSED, OPEN, HALF_OPEN)
"""Closed lets everything through, open nothing; half open while the trial is under way."""

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
        self._failures = 0
        self._opened_at: float | None = None
        self._trial: object | None = None
        self._changes = 0
        """How often it opened or closed: a call that began before says nothing of now."""

    @property
    def state(self) -> str:
        """One of `STATES`."""
        if self._opened_at is None:
            return CLOSED
        return OPEN if self._trial is None else HALF_OPEN

    @property
    def is_refusing(self) -> bool:
        """Whether a call would not be made just now; the next one after that is the trial."""
        return self._seconds_left() > 0

    async def guard(self, operation: Operation, attempt: Callable[[], Awaitable[Answer]]) -> Answer:
        """What `attempt` returns or raises; `CircuitOpenError` when it was not even made.

        An end is always attempted: a session that goes on costs money.
        """
        call = object()
        self._admit(call, operation)
        began_at = self._changes
        try:
            answer = await attempt()
        except errors.SpeechFailedError:
            raise  # text-to-speech is out, which does not tell whether Kaltura is
        except _DOWN:
            if began_at == self._changes:
                self._failed(call)
            raise
        except errors.KalturaError:
            if began_at == self._changes:
                self._answered()
            raise
        finally:
            if self._trial is call:
                self._trial = None
        if began_at == self._changes:
            self._answered()
        return answer

    def _admit(self, call: object, operation: Operation) -> None:
        if self._opened_at is None or operation is Operation.END:
            return
        if self._trial is not None or self.is_refusing:
            # While a trial is under way nobody knows how long it takes.
            raise errors.CircuitOpenError(operation, max(1, math.ceil(self._seconds_left())))
        self._trial = call

    def _seconds_left(self) -> float:
        if self._opened_at is None:
            return 0.0
        return self._opened_at + OPEN_SECONDS - self._monotonic()

    def _failed(self, call: object) -> None:
        if self._opened_at is None:
            self._failures += 1
            if self._failures < THRESHOLD:
                return
            log.warning("kaltura unavailable")
        elif self._trial is not call:
            return  # an end that was let through
        self._opened_at = self._monotonic()
        self._changes += 1

    def _answered(self) -> None:
        self._failures = 0
        if self._opened_at is not None:
            self._opened_at = None
            self._changes += 1
            log.info("kaltura is back")
