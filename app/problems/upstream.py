"""Problems between the broker and Kaltura."""

from app.problems.base import Problem


class KalturaCredentialsRejected(Problem):
    """Kaltura refused the KS, or the credentials that the broker makes one from."""

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
    """Kaltura answered 429: too many requests, or too many open sessions."""

    name = "kaltura-busy"
    status = 503
    title = "Kaltura is busy"
    meaning = "Kaltura is receiving too many requests or has too many sessions open."
    remedy = "Try again; Retry-After says when. If it lasts, ask Kaltura for a higher limit."


class KalturaTimeout(Problem):
    """Kaltura's answer did not come within UPSTREAM_TIMEOUT_SECONDS."""

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


class KalturaUnavailable(Problem):
    """The circuit breaker is open: Kaltura is down, so the call was not sent."""

    name = "kaltura-unavailable"
    status = 503
    title = "Kaltura is not available"
    meaning = "Kaltura has failed several times in a row and is not asked for a few seconds."
    remedy = (
        "Try again; Retry-After says when. Every few seconds one call is let through to see "
        "whether Kaltura is back. Operator: if it lasts, `avatar-broker doctor` names what fails."
    )


class SpeechUnavailable(Problem):
    """Kaltura's text-to-speech failed, and no other voice said the text."""

    name = "speech-unavailable"
    status = 503
    title = "The avatar can't speak this text now"
    meaning = "Kaltura's text-to-speech is not available. The session goes on."
    remedy = (
        "Try again. Operator: set AVATAR_VOICE_ID; without a voice Kaltura has been seen to "
        "refuse every text. Or set TTS_BASE_URL to a text-to-speech service, whose voice then "
        "says what Kaltura's does not; if it is set, the log says why that failed."
    )


UPSTREAM: tuple[type[Problem], ...] = (
    KalturaBusy,
    KalturaTimeout,
    KalturaFailed,
    KalturaUnavailable,
)
"""The problems that any call to Kaltura may end in."""
