"""Verification of the JWTs with which an app's own login identifies a visitor."""

import json
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Final

from joserfc import jws, jwt
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import Key

from app.identity.jwks import JwksCache
from app.identity.visitor import Visitor, is_name

ALGORITHMS: Final = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA", "Ed25519"),
)
"""The accepted signature algorithms, all with a public key.

With HS256 an attacker could sign with the public key; `none` has no signature.
"""

LEEWAY_SECONDS: Final = 60
"""The tolerated difference between the clocks of the login and of the broker."""

MAX_TOKEN_LENGTH: Final = 8 * 1024
MAX_NAME_LENGTH: Final = 255
"""The longest `sub` that OpenID Connect allows."""

_UNREADABLE: Final = (JoseError, ValueError, TypeError, KeyError, RecursionError)


class TokenVerifier:
    """Verifies the tokens of one issuer for one audience; `clock` gives unix seconds."""

    def __init__(
        self, keys: JwksCache, *, issuer: str, audience: str, clock: Callable[[], float]
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._clock = clock
        self._claims = jwt.JWTClaimsRegistry(
            now=lambda: int(clock()),
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
            sub={"essential": True},
        )
        # Logins add headers of their own, such as Clerk's `cat`; `crit` is still enforced.
        self._registry = jws.JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)

    async def verify(self, token: str) -> Visitor | None:
        """The visitor whom a token identifies; None when it is not valid, for any reason.

        Raises `SignInUnavailable` while the login's keys can't be fetched.
        """
        try:
            kid = self._kid(token)
        except _UNREADABLE:
            return None
        claims = self._claims_of(token, await self._keys.candidates(kid))
        if claims is None:
            # The login may have a new key under the id of an old one.
            await self._keys.renew()
            claims = self._claims_of(token, await self._keys.candidates(kid))
        return None if claims is None else self._visitor(claims)

    def _claims_of(self, token: str, keys: Sequence[Key]) -> dict[str, Any] | None:
        """The claims of a token that one of these keys has signed; None for other tokens."""
        for key in keys:
            try:
                with warnings.catch_warnings():
                    # joserfc warns of the name EdDSA, which RFC 9864 deprecates; it is as secure.
                    warnings.simplefilter("ignore", SecurityWarning)
                    return jwt.decode(token, key, registry=self._registry).claims
            except _UNREADABLE:
                continue
        return None

    def _visitor(self, claims: dict[str, Any]) -> Visitor | None:
        """The visitor whom these claims name; None for another audience, or at a wrong time."""
        try:
            self._claims.validate(claims)
        except _UNREADABLE:
            return None
        subject: str = claims["sub"]
        if len(subject) > MAX_NAME_LENGTH or not is_name(subject):
            return None
        return Visitor.signed_in(self._issuer, subject)

    def _kid(self, token: str) -> str | None:
        """The id of the key that a token names; raises one of `_UNREADABLE`.

        Raises for tokens of another issuer or algorithm too, so that tokens of the broker or of
        Kaltura never cause a fetch of the keys.
        """
        if len(token) > MAX_TOKEN_LENGTH:
            raise ValueError
        unverified = jws.extract_compact(token.encode(), registry=self._registry)
        header = unverified.headers()
        if header["alg"] not in ALGORITHMS or json.loads(unverified.payload)["iss"] != self._issuer:
            raise ValueError
        kid = header.get("kid")
        return kid if kid is None else str(kid)
