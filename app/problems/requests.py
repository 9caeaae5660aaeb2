"""Problems of a request: its form, its sender, its origin, its permission and its rate."""

from collections.abc import Mapping
from typing import Any

from app.problems.base import Problem


class InvalidRequest(Problem):
    """A request that can't be read, or has a value out of bounds."""

    name = "invalid-request"
    status = 422
    title = "The request is not valid"
    meaning = "A field is missing, has the wrong type or is out of bounds."
    remedy = (
        "The detail names the field. The status says more: 400 is a body that can't be read, or a "
        "Host that is not this broker's, 413 is a body that is too large, 415 is the wrong content "
        "type, 422 is a field to mend."
    )


class NothingToSay(InvalidRequest):
    """A speak without text, or with a text that contains nothing to pronounce."""


class Unauthenticated(Problem):
    """A request for a session without a valid credential."""

    name = "unauthenticated"
    status = 401
    title = "Not signed in to this session"
    meaning = "The token or the visitor cookie is missing, malformed or expired."
    remedy = (
        "Send the token that create answered as `Authorization: Bearer <token>` or as "
        "`Avatar-Token: <token>`, or call with the cookie of the visitor who opened the session. "
        "If the token has expired, open a session. With AUTH_MODE=jwt send the token of your "
        "login instead of the cookie; with AUTH_MODE=header come through the proxy that signs "
        "visitors in."
    )

    @property
    def headers(self) -> dict[str, str]:
        """The base headers and the authentication scheme, which RFC 9110 asks of every 401."""
        return super().headers | {"WWW-Authenticate": "Bearer"}


class SignInUnavailable(Problem):
    """A sign-in that can't be verified, because the login's keys can't be fetched."""

    name = "sign-in-unavailable"
    status = 503
    title = "Signing in does not work just now"
    meaning = "The keys that prove who a visitor is can't be fetched from the app's login."
    remedy = (
        "Try again; Retry-After says when. Operator: AUTH_JWKS_URL must answer a JWK Set; the log "
        "says what it answers."
    )


class CrossSiteRequest(Problem):
    """A call that a browser made for a page of another site, a link or a prefetch."""

    name = "cross-site-request"
    status = 403
    title = "Refused: the call came from another site"
    meaning = "A browser made this call for a page that may not make it."
    remedy = (
        "Call with fetch from a page of the broker's own origin, or add your page's origin to "
        "ALLOWED_ORIGINS. Opening the address in a browser's tab never opens a session."
    )


class ControlNotAllowed(Problem):
    """A control, avatar or voice that the operator does not allow visitors."""

    name = "control-not-allowed"
    status = 403
    title = "Not allowed here"
    meaning = "The operator does not allow visitors this control, avatar or voice."
    remedy = (
        "The operator lists controls in VISITOR_CONTROLS, avatars in AVATAR_ALLOWED_IDS and "
        "voices in AVATAR_ALLOWED_VOICE_IDS."
    )


class RateLimited(Problem):
    """A call beyond the rate limit of one visitor or one address.

    `quota` is the headers that state the limit.
    """

    name = "rate-limited"
    status = 429
    title = "Too many calls"
    meaning = "You, or others at your address, have called too often."
    remedy = (
        "Wait; Retry-After says how long. The operator sets the rates with CREATE_RATE_LIMIT, "
        "SPEAK_RATE_LIMIT and CONTROL_RATE_LIMIT. If everyone is refused at once behind a proxy, "
        "TRUSTED_PROXIES must name it: without that, all visitors have the proxy's address."
    )

    def __init__(
        self, detail: str | None = None, *, quota: Mapping[str, str] | None = None, **others: Any
    ) -> None:
        super().__init__(detail, **others)
        self._quota = dict(quota or {})

    @property
    def headers(self) -> dict[str, str]:
        """The base headers, with Retry-After, and those that state the limit."""
        return super().headers | self._quota


class SpeechRefused(Problem):
    """A text that the operator's speech hook refused, or did not decide on."""

    name = "speech-refused"
    status = 422
    title = "The avatar will not say that"
    meaning = "Whoever runs this broker does not let the avatar say this text."
    remedy = (
        "Say it differently; the detail may tell why. Operator: the service at SPEECH_HOOK_URL, or "
        "an installed package's hook, refused it or gave no answer; SPEECH_HOOK_FAILURE says what "
        "becomes of a text then."
    )
