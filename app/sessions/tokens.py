"""The broker's own JWTs: what a page gets in sealed mode instead of Kaltura's."""

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
from app.sessions.runtime import SessionRuntime
from app.sessions.store.model import AvatarSession

A_CENTURY: Final = 100 * 365 * 24 * 3600
"""Seconds; a time later than that is a mistake."""

MAX_VERIFIED: Final = 4096
"""Tokens whose signature is remembered to be good; about 2 MB."""

_DOTS: Final = 2


class InvalidTokenError(Exception):
    """Not a token of this broker."""


@dataclass(frozen=True)
class Claims:
    """What a token says: whose it is, which session it controls, and whether its time is over."""

    subject: str
    session_id: str
    expired: bool = False


@dataclass(frozen=True)
class OpenedSession:
    """A session and the token that its page gets; `expires_at` is by the wall clock."""

    runtime: SessionRuntime
    token: SecretStr
    expires_at: float

    @property
    def session(self) -> AvatarSession:
        """The session as it is now."""
        return self.runtime.session


class SessionTokens:
    """Signs and reads tokens (HS256); the first key signs, every key is accepted.

    Where sessions are not `sealed`, pages get Kaltura's own token instead.
    """

    def __init__(self, keys: Sequence[bytes], clock: SessionClock, *, sealed: bool = True) -> None:
        self._keys = [OctKey.import_key(key) for key in keys]
        self._clock = clock
        self._sealed = sealed
        # A page sends its token with each call, and checking it takes 16 us. What is refused is
        # not remembered.
        self._verified = lru_cache(MAX_VERIFIED)(self._verify)

    def issue(self, runtime: SessionRuntime) -> OpenedSession:
        """What the page of a session gets: the same whenever it is asked for."""
        session = runtime.session
        token = session.access.token
        if self._sealed:
            claims = Claims(session.owner, session.session_id)
            # By the sessions' clock, as they are read: setting the wall clock expires none.
            token = SecretStr(
                self.sign(claims, issued_at=session.opened_at, expires_at=session.expires_at)
            )
        return OpenedSession(runtime, token, self._clock.to_wall(session.expires_at))

    def sign(self, claims: Claims, *, issued_at: float, expires_at: float) -> str:
        """A token that is good until `expires_at` (unix seconds, rounded down).

        The same session gives the same token again, so that none need be kept.
        """
        payload = {
            "sub": claims.subject,
            "sid": claims.session_id,
            "iat": int(issued_at),
            "exp": int(expires_at),
        }
        return jwt.encode({"alg": "HS256"}, payload, self._keys[0])

    def read(self, token: str) -> Claims:
        """The claims of a token of ours; raises `InvalidTokenError` for every other string.

        An expired one is told apart, because its session's end may be all there is to tell.
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
    """When someone else's JWT says it expires (unix seconds); None when it says nothing of use.

    Its signature is Kaltura's to check; here it only shortens what we allow.
    """
    try:
        expires_at = float(_unproved_claims(token)["exp"])
    except (ValueError, KeyError, TypeError, OverflowError):
        return None
    return expires_at if now < expires_at < now + A_CENTURY else None


def is_foreign(token: str) -> bool:
    """Whether a JWT names an issuer (`iss`), as every ID token does and none of ours.

    Whatever is no JWT, or one without an issuer, may be a mistyped token of ours or of a service.
    """
    return token.count(".") == _DOTS and isinstance(_unproved_claims(token).get("iss"), str)


def _unproved_claims(token: str) -> dict[str, Any]:
    """What a JWT claims, whoever signed it; empty when it can't be read."""
    try:
        claims = json.loads(urlsafe_b64decode(token.split(".")[1] + "=="))
    except (ValueError, IndexError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}
