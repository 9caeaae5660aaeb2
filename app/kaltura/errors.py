"""The errors of calls to Kaltura.

None of them keeps text that Kaltura sent, so that none can leak it.
"""

from enum import StrEnum


class KalturaError(Exception):
    """A call that Kaltura did not carry out, or whose outcome is unknown."""

    def __init__(self, operation: StrEnum, status: int | None = None) -> None:
        super().__init__(f"{operation}: {type(self).__name__} (status {status})")
        self.operation = operation
        self.status = status


class NotConnectedError(KalturaError):
    """No connection could be made, so nothing was sent."""


class LostAnswerError(KalturaError):
    """The connection broke after the call was sent; Kaltura may have carried it out."""


class TimedOutError(KalturaError):
    """The whole answer did not come in time; Kaltura may have carried the call out."""


class BrokenAnswerError(KalturaError):
    """An answer that is not as documented: not JSON, too large, or lacking a field (D11)."""


class RejectedError(KalturaError):
    """Kaltura refused: a redirect, an unexpected 4xx, `success: false` or an exception object."""


class ServerFailedError(KalturaError):
    """Kaltura answered 5xx."""


class SpeechFailedError(ServerFailedError):
    """Kaltura's text-to-speech failed: 503 to say-text or say-audio; the rest may work (1.4)."""


class CredentialsRejectedError(KalturaError):
    """Kaltura refused the KS, or the credentials for one: 401, 403 or an exception (2.6)."""


class SessionGoneError(KalturaError):
    """The session is over at Kaltura: 401, 404 or 410 to any operation but create (D7)."""


class CircuitOpenError(KalturaError):
    """The circuit breaker is open, so the call was not made.

    `retry_after` is in whole seconds, at least 1.
    """

    def __init__(self, operation: StrEnum, retry_after: int) -> None:
        super().__init__(operation)
        self.retry_after = retry_after


class BusyError(KalturaError):
    """Kaltura answered 429; `retry_after` is in seconds, None where Kaltura named no time."""

    def __init__(self, operation: StrEnum, retry_after: int | None = None) -> None:
        super().__init__(operation, 429)
        self.retry_after = retry_after
