"""Awaits a call of Kaltura, and translates its errors into problems."""

from collections.abc import Awaitable
from http import HTTPStatus
from typing import Final, TypeVar

import structlog

from app.kaltura import errors
from app.kaltura.client import NOT_CARRIED_OUT
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
from app.sessions.auditing import AuditedCall

BUSY_SECONDS: Final = 5
"""Seconds after which a busy Kaltura may be asked again, where it names no time itself."""
Result = TypeVar("Result")


class UnwantedCall(Exception):  # noqa: N818 - not an error
    """Raised in place of a call that nobody wanted any more when its turn came."""


async def carry_out(
    operation: Operation,
    call: Awaitable[Result],
    audited: AuditedCall,
    session_id: str | None = None,
) -> Result:
    """Await a call of Kaltura; raise its errors as a `Problem`, and note the outcome on `audited`.

    Log lines that are written meanwhile name the operation and the session.
    """
    with structlog.contextvars.bound_contextvars(operation=operation.value, session_id=session_id):
        reached_before, audited.reached_kaltura = audited.reached_kaltura, True
        try:
            result = await call
        except errors.KalturaError as error:
            audited.upstream_status = error.status
            audited.reached_kaltura = reached_before or not isinstance(error, NOT_CARRIED_OUT)
            raise problem_for(error) from error
    audited.upstream_status = HTTPStatus.OK.value
    return result


def problem_for(error: errors.KalturaError) -> Problem:  # noqa: PLR0911 - a table
    """The documented problem for an error of Kaltura's Control API."""
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
