"""The JWT of a session, which authorises its control calls (reference 2.1)."""

from typing import Final

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from app.emulator.settings import EmulatorSettings

_ALGORITHM: Final = "HS256"


class TokenSigner:
    """Signs and verifies session tokens with the key and the clock of the settings."""

    def __init__(self, settings: EmulatorSettings) -> None:
        self._key = OctKey.import_key(settings.jwt_secret)
        self._lifetime = settings.token_seconds
        self._clock = settings.clock

    def issue(self, session_id: str) -> str:
        """Sign a token for one session."""
        now = int(self._clock())
        claims = {"sid": session_id, "iat": now, "exp": now + self._lifetime}
        return jwt.encode({"alg": _ALGORITHM}, claims, self._key)

    def session_id(self, token: str) -> str | None:
        """The id of the session that a token is for; None unless it is valid and not expired."""
        now = int(self._clock())
        registry = jwt.JWTClaimsRegistry(now=now, sid={"essential": True}, exp={"essential": True})
        try:
            claims = jwt.decode(token, self._key, algorithms=[_ALGORITHM]).claims
            registry.validate(claims)
        except (JoseError, ValueError):
            return None
        return str(claims["sid"])
