"""What can go wrong between the broker and Kaltura, as types.

No text that Kaltura sent is kept in any of them: what is not kept can't leak.
"""

from enum import StrEnum


class KalturaError(Exception):
    """A call that Kaltura did not carry out, or whose fate is unknown."""

    def __init__(self, operation: StrEnum, status: int | None = None) -> None:
        super().__init__(f"{operation}: {type(self).__name__} (status {status})")
        self.operation = operation
        self.status = status


class NotConnectedError(KalturaError):
    """No connection could be made, so nothing was sent."""


class LostAnswerError(KalturaError):
    """The connection broke after the call was sent; it may have been carried out."""


class TimedOutError(KalturaError):
    """No whole answer within the time allowed; the call may have been carried out."""


class BrokenAnswerError(KalturaError):
    """Not an answer as documented: not JSON, too large, or a required field is missing (D11)."""


class RejectedError(KalturaError):
    """Kaltura said no: a redirect, an unexpected 4xx, `success: false`, an exception object."""


class ServerFailedError(KalturaError):
    """Kaltura answered 5xx."""


class SpeechFailedError(ServerFailedError):
    """Text-to-speech is out: 503 to say-text or say-audio, which says nothing of the rest (1.4)."""


class CredentialsRejectedError(KalturaError):
    """Kaltura refused the KS, or what a KS is made from: 401, 403 or an exception object (2.6)."""


class SessionGoneError(KalturaError):
    """The session is over: 401, 404 or 410 on anything but create (D7)."""


class CircuitOpenError(KalturaError):
    """Kaltura is down, so the call was not made; `retry_after` is in whole seconds, at least 1."""

    def __init__(self, operation: StrEnum, retry_after: int) -> None:
        super().__init__(operation)
        self.retry_after = retry_after


class BusyError(KalturaError):
    """Kaltura answered 429; `retry_after` is in seconds where it said so."""

    def __init__(self, operation: StrEnum, retry_after: int | None = None) -> None:
        super().__init__(operation, 429)
        self.retry_after = retry_after
