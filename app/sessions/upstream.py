"""One call upstream: carried out, recorded, and translated when it fails."""

import time
from collections.abc import Awaitable
from http import HTTPStatus
from typing import Final, TypeVar

import structlog

from app.kaltura import errors
from app.kaltura.contract import Operation
from app.problems import (
    KalturaBusy,
    KalturaCredentialsRejected,
    KalturaFailed,
    KalturaTimeout,
    KalturaUnavailable,
    Problem,
    SessionEnded,
    SpeechUnavailable,
)
from app.sessions.chronicle import Call

BUSY_SECONDS: Final = 5
Result = TypeVar("Result")
log = structlog.get_logger(__name__)


async def carry_out(
    operation: Operation, call: Awaitable[Result], asked: Call, session_id: str | None = None
) -> Result:
    """What `call` returns; what goes wrong is raised as a `Problem`, and `asked` is told of it."""
    started = time.perf_counter()
    outcome: str = "unknown"
    status: int | None = None
    try:
        result = await call
        outcome, status = "ok", HTTPStatus.OK.value
    except errors.KalturaError as error:
        outcome, status = type(error).__name__, error.status
        raise problem_for(error) from error
    else:
        return result
    finally:
        asked.upstream_status = status
        log.info(
            "kaltura",
            operation=operation.value,
            session_id=session_id,
            outcome=outcome,
            upstream_status=status,
            duration_ms=round((time.perf_counter() - started) * 1000, 1),
        )


def problem_for(error: errors.KalturaError) -> Problem:  # noqa: PLR0911 - a table
    """The documented problem for an error of the Control API."""
    match error:
        case errors.CredentialsRejectedError():
            return KalturaCredentialsRejected()
        case errors.SessionGoneError():
            return SessionEnded("Kaltura has ended the session.")
        case errors.BusyError():
            return KalturaBusy(retry_after=error.retry_after or BUSY_SECONDS)
        case errors.CircuitOpenError():
            return KalturaUnavailable(retry_after=error.retry_after)
        case errors.TimedOutError():
            return KalturaTimeout()
        case errors.SpeechFailedError():
            return SpeechUnavailable(retry_after=BUSY_SECONDS)
        case _:
            return KalturaFailed()
