"""Session tokens: the JWTs that pages get in sealed mode instead of Kaltura's."""

import json
from base64 import urlsafe_b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from pydantic import SecretStr

from app.sessions.clock import SessionClock
from app.sessions.store.model import AvatarSession

A_CENTURY: Final = 100 * 365 * 24 * 3600
"""Seconds; an expiry further away than this is taken for a mistake."""

MAX_VERIFIED: Final = 10_000
"""Number of tokens remembered as verified, so that their signature is not checked again; 5 MB."""

_DOTS: Final = 2


class InvalidTokenError(Exception):
    """Raised for a string that is not a token of this broker."""


@dataclass(frozen=True)
class Claims:
    """Claims of a token: the session's owner, the session, and whether the token has expired."""

    subject: str
    session_id: str
    expired: bool = False


@dataclass(frozen=True)
class OpenedSession:
    """A session and the token for its page; `expires_at` is a time of the wall clock."""

    session: AvatarSession
    token: SecretStr
    expires_at: float


class SessionTokens:
    """Signs and reads tokens (HS256); the first key signs, every key is accepted.

    When `sealed` is false, pages get Kaltura's own token instead.
    """

    def __init__(self, keys: Sequence[bytes], clock: SessionClock, *, sealed: bool = True) -> None:
        self._keys = [OctKey.import_key(key) for key in keys]
        self._clock = clock
        self._sealed = sealed
        # A page sends its token with each call, and verifying it takes 16 us. Tokens that are
        # refused are not remembered.
        self._verified = lru_cache(MAX_VERIFIED)(self._verify)

    def issue(self, session: AvatarSession) -> OpenedSession:
        """The session with the token for its page; the same token on every call."""
        token = session.access.token
        if self._sealed:
            claims = Claims(session.owner, session.session_id)
            # Times of the session clock, by which tokens are read: setting the wall clock expires
            # none.
            token = SecretStr(
                self.sign(claims, issued_at=session.opened_at, expires_at=session.expires_at)
            )
        return OpenedSession(session, token, self._clock.to_wall(session.expires_at))

    def sign(self, claims: Claims, *, issued_at: float, expires_at: float) -> str:
        """Sign a token that is valid until `expires_at` (unix seconds, rounded down).

        Signing the same session again gives the same token, so tokens are not stored.
        """
        payload = {
            "sub": claims.subject,
            "sid": claims.session_id,
            "iat": int(issued_at),
            "exp": int(expires_at),
        }
        return jwt.encode({"alg": "HS256"}, payload, self._keys[0])

    def read(self, token: str) -> Claims:
        """The claims of a token of this broker; raises `InvalidTokenError` for any other string.

        An expired token is readable, because its holder may still be told why the session ended.
        """
        subject, session_id, expires_at = self._verified(token)
        return Claims(subject, session_id, expired=self._clock() >= expires_at)

    def _verify(self, token: str) -> tuple[str, str, int]:
        for key in self._keys:
            try:
                payload = jwt.decode(token, key, algorithms=["HS256"]).claims
            except (JoseError, ValueError, TypeError, KeyError, RecursionError):
                continue
            return _claimed(payload)
        raise InvalidTokenError


def _claimed(payload: dict[str, object]) -> tuple[str, str, int]:
    subject, session_id, expires_at = (payload.get(name) for name in ("sub", "sid", "exp"))
    if isinstance(subject, str) and isinstance(session_id, str) and isinstance(expires_at, int):
        return subject, session_id, expires_at
    raise InvalidTokenError


def expiry(token: str, now: float) -> float | None:
    """The expiry of a JWT that another issuer made (unix seconds); None without a usable one.

    The signature is not verified, so the result must only be used to shorten a lifetime.
    """
    try:
        expires_at = float(_unverified_claims(token)["exp"])
    except (ValueError, KeyError, TypeError, OverflowError):
        return None
    return expires_at if now < expires_at < now + A_CENTURY else None


def is_foreign(token: str) -> bool:
    """Whether a token is a JWT with an issuer (`iss`), which ID tokens have and the broker's lack.

    Any other string may be a mistyped token of the broker or of a service.
    """
    return token.count(".") == _DOTS and isinstance(_unverified_claims(token).get("iss"), str)


def _unverified_claims(token: str) -> dict[str, Any]:
    """The claims of a JWT without verification of its signature; empty when it can't be read."""
    try:
        claims = json.loads(urlsafe_b64decode(token.split(".")[1] + "=="))
    except (ValueError, IndexError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}
