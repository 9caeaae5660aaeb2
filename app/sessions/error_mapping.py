"""One call upstream: carried out, and translated when it fails."""

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
Result = TypeVar("Result")


class UnwantedCall(Exception):  # noqa: N818 - nothing went wrong
    """The call was not made: when its turn came nobody wanted it any more."""


async def carry_out(
    operation: Operation, call: Awaitable[Result], asked: AuditedCall, session_id: str | None = None
) -> Result:
    """What `call` returns; what goes wrong is raised as a `Problem`, and `asked` is told of it.

    Whatever the log says meanwhile names the operation and the session.
    """
    with structlog.contextvars.bound_contextvars(operation=operation.value, session_id=session_id):
        reached_before, asked.reached_kaltura = asked.reached_kaltura, True
        try:
            result = await call
        except errors.KalturaError as error:
            asked.upstream_status = error.status
            asked.reached_kaltura = reached_before or not isinstance(error, NOT_CARRIED_OUT)
            raise problem_for(error) from error
    asked.upstream_status = HTTPStatus.OK.value
    return result


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
