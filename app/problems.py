"""Everything that can go wrong for a caller: one base, each problem its own class.

Each class is documentation too: `/problems/{name}` and the OpenAPI document are made from it.
"""

from typing import Any, ClassVar


class Problem(Exception):  # noqa: N818 - RFC 9457 calls it a problem, and so do we
    """An answer other than success, sent as `application/problem+json` (RFC 9457)."""

    name: ClassVar[str]
    status: int
    title: ClassVar[str]
    meaning: ClassVar[str]
    remedy: ClassVar[str]

    def __init__(
        self,
        detail: str | None = None,
        *,
        status: int | None = None,
        retry_after: int | None = None,
        **extensions: Any,
    ) -> None:
        self.detail = detail or self.meaning
        super().__init__(self.detail)
        self.status = status or type(self).status
        self.retry_after = retry_after
        self.extensions = extensions

    @property
    def headers(self) -> dict[str, str]:
        """The headers that go with it."""
        return {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}

    def as_dict(self, request_id: str) -> dict[str, Any]:
        """The problem+json document."""
        return {
            "type": f"/problems/{self.name}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "requestId": request_id,
            **self.extensions,
        }


class InvalidRequest(Problem):
    """A request that can't be understood or is out of bounds."""

    name = "invalid-request"
    status = 422
    title = "The request is not valid"
    meaning = "A field is missing, has the wrong type or is out of bounds."
    remedy = (
        "The detail names the field. The status says more: 400 is JSON that can't be read, 413 is "
        "a body that is too large, 415 is the wrong content type, 422 is a field to mend."
    )


class NothingToSay(InvalidRequest):
    """No text, or one without anything that could be said."""


class Unauthenticated(Problem):
    """No credential for a session, or one that is not valid."""

    name = "unauthenticated"
    status = 401
    title = "Not signed in to this session"
    meaning = "The token or the visitor cookie is missing, malformed or expired."
    remedy = (
        "Send the token that create answered as `Authorization: Bearer <token>`, or call with the "
        "cookie of the visitor who opened the session. If the token has expired, open a session."
    )

    @property
    def headers(self) -> dict[str, str]:
        """Names the scheme, as RFC 9110 asks of every 401."""
        return super().headers | {"WWW-Authenticate": "Bearer"}


class CrossSiteRequest(Problem):
    """A call that a page of another site, a link or a prefetch made."""

    name = "cross-site-request"
    status = 403
    title = "Refused: the call came from another site"
    meaning = "A browser made this call for a page that may not make it."
    remedy = (
        "Call with fetch from a page of the broker's own origin, or add your page's origin to "
        "ALLOWED_ORIGINS. Opening the address in a browser's tab never opens a session."
    )


class ControlNotAllowed(Problem):
    """Something that visitors may not do here."""

    name = "control-not-allowed"
    status = 403
    title = "Not allowed here"
    meaning = "The operator does not allow visitors this control, avatar or voice."
    remedy = (
        "The operator lists controls in VISITOR_CONTROLS, avatars in AVATAR_ALLOWED_IDS and "
        "voices in AVATAR_ALLOWED_VOICE_IDS."
    )


class SessionNotFound(Problem):
    """A session that does not exist, or that is someone else's: nobody can tell which."""

    name = "session-not-found"
    status = 404
    title = "No such session"
    meaning = "There is no such session, or it is not yours."
    remedy = "Check the session id, or open a session."


class SessionEnded(Problem):
    """A session that is over."""

    name = "session-ended"
    status = 410
    title = "The session has ended"
    meaning = "The session has ended and can't be continued."
    remedy = "Open another session."


class TooManySessions(Problem):
    """One visitor has as many sessions as one visitor may have."""

    name = "too-many-sessions"
    status = 429
    title = "You already have a session"
    meaning = "You have as many open sessions as one visitor may have."
    remedy = (
        "End a session first; `GET /api/avatar-sessions` lists yours. The operator sets the "
        "number with MAX_SESSIONS_PER_VISITOR."
    )


class QueueFull(Problem):
    """More calls of one session wait than may wait."""

    name = "queue-full"
    status = 429
    title = "Too much at once"
    meaning = "Too many calls of this session are waiting for their turn."
    remedy = "Wait for answers before sending more; Retry-After says how long."


class AtCapacity(Problem):
    """As many sessions are open as may be open."""

    name = "at-capacity"
    status = 503
    title = "All avatars are busy"
    meaning = "As many sessions are open as may be open at the same time."
    remedy = (
        "Try again when a session has ended; Retry-After says when. The operator sets the "
        "number with MAX_CONCURRENT_SESSIONS."
    )


class KalturaCredentialsRejected(Problem):
    """Kaltura refused the KS, or what the broker makes one from."""

    name = "kaltura-credentials-rejected"
    status = 502
    title = "Kaltura refused the broker's credentials"
    meaning = "Kaltura did not accept the Kaltura Session of this broker, or did not give it one."
    remedy = (
        "Operator: AVATAR_KS has expired, is of another partner, or is not an admin KS; set a new "
        "one. Or KALTURA_PARTNER_ID, the app token or KALTURA_ADMIN_SECRET is wrong, or the app "
        "token is revoked or not of session type 2 (admin). `avatar-broker doctor` tells which. "
        "Visitors can only wait."
    )


class KalturaBusy(Problem):
    """Kaltura answered 429."""

    name = "kaltura-busy"
    status = 503
    title = "Kaltura is busy"
    meaning = "Kaltura is receiving too many requests or has too many sessions open."
    remedy = "Try again; Retry-After says when. If it lasts, ask Kaltura for a higher limit."


class KalturaTimeout(Problem):
    """Kaltura did not answer in time."""

    name = "kaltura-timeout"
    status = 504
    title = "Kaltura did not answer in time"
    meaning = "Kaltura gave no whole answer in the time allowed."
    remedy = "Try again. The operator sets the time with UPSTREAM_TIMEOUT_SECONDS."


class KalturaFailed(Problem):
    """Kaltura could not be reached, answered 5xx, or gave an answer that can't be used."""

    name = "kaltura-error"
    status = 502
    title = "Kaltura could not do it"
    meaning = "Kaltura could not be reached, failed, or gave an answer that can't be used."
    remedy = (
        "Try again. Operator: check AVATAR_BASE_URL, AVATAR_ID and AVATAR_VOICE_ID, and "
        "KALTURA_API_URL if the broker makes its own KS; "
        "`avatar-broker doctor` tries each step and names the one that fails."
    )


class SpeechUnavailable(Problem):
    """Kaltura's text-to-speech refused."""

    name = "speech-unavailable"
    status = 503
    title = "The avatar can't speak this text now"
    meaning = "Kaltura's text-to-speech is not available. The session goes on."
    remedy = (
        "Try again. Operator: set AVATAR_VOICE_ID; without a voice Kaltura has been seen to "
        "refuse every text."
    )


PROBLEMS: tuple[type[Problem], ...] = (
    InvalidRequest,
    Unauthenticated,
    CrossSiteRequest,
    ControlNotAllowed,
    SessionNotFound,
    SessionEnded,
    TooManySessions,
    QueueFull,
    AtCapacity,
    KalturaCredentialsRejected,
    KalturaBusy,
    KalturaTimeout,
    KalturaFailed,
    SpeechUnavailable,
)
"""Every problem that a caller can meet."""
