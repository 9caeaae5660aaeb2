"""Reads the JWTs with which an app's own login says who someone is."""

import json
import warnings
from collections.abc import Callable
from typing import Final

from joserfc import jws, jwt
from joserfc.errors import JoseError, SecurityWarning

from app.identity.keys import LoginKeys
from app.identity.visitor import Visitor

ALGORITHMS: Final = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA", "Ed25519"),
)
"""Those with a public key: with HS256 that very key would sign, and `none` signs nothing."""

LEEWAY_SECONDS: Final = 60
"""How far the clocks of the login and of the broker may be apart."""

MAX_TOKEN_LENGTH: Final = 8 * 1024
MAX_NAME_LENGTH: Final = 255
"""What OpenID Connect allows a `sub`."""

_UNREADABLE: Final = (JoseError, ValueError, TypeError, KeyError, RecursionError)


class LoginTokens:
    """Tokens of one issuer for one audience; `clock` gives unix seconds."""

    def __init__(
        self, keys: LoginKeys, *, issuer: str, audience: str, clock: Callable[[], float]
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
        # Logins write headers of their own, such as Clerk's `cat`; `crit` is heeded all the same.
        self._registry = jws.JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)

    async def read(self, token: str) -> Visitor | None:
        """Whom the login calls so; None for every other string, whatever is wrong with it.

        Raises `SignInUnavailable` while the login's keys can't be had.
        """
        try:
            kid = self._kid(token)
        except _UNREADABLE:
            return None
        key = await self._keys.key(kid)
        if key is None:
            return None
        try:
            with warnings.catch_warnings():
                # RFC 9864 renames EdDSA; logins that have not heard of it yet are as safe.
                warnings.simplefilter("ignore", SecurityWarning)
                claims = jwt.decode(token, key, registry=self._registry).claims
            self._claims.validate(claims)
        except _UNREADABLE:
            return None
        subject: str = claims["sub"]
        if len(subject) > MAX_NAME_LENGTH:
            return None
        return Visitor.signed_in(self._issuer, subject)

    def _kid(self, token: str) -> str | None:
        """The id of the key that a token names; raises what is in `_UNREADABLE`.

        Looks at nothing but what tells other tokens apart, so that the broker's own and Kaltura's
        never make the keys be fetched.
        """
        if len(token) > MAX_TOKEN_LENGTH:
            raise ValueError
        unproved = jws.extract_compact(token.encode(), registry=self._registry)
        header = unproved.headers()
        if header["alg"] not in ALGORITHMS or json.loads(unproved.payload)["iss"] != self._issuer:
            raise ValueError
        kid = header.get("kid")
        return kid if kid is None else str(kid)
