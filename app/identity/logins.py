"""Reads the JWTs with which an app's own login says who someone is."""

import json
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Final

from joserfc import jws, jwt
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import Key

from app.identity.keys import LoginKeys
from app.identity.visitor import Visitor, is_name

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
        claims = self._claims_of(token, await self._keys.candidates(kid))
        if claims is None:
            # The login may sign with a new key that its id does not tell from an old one.
            await self._keys.renew()
            claims = self._claims_of(token, await self._keys.candidates(kid))
        return None if claims is None else self._visitor(claims)

    def _claims_of(self, token: str, keys: Sequence[Key]) -> dict[str, Any] | None:
        """What a token says that one of these keys has signed."""
        for key in keys:
            try:
                with warnings.catch_warnings():
                    # RFC 9864 renames EdDSA; logins that have not heard of it yet are as safe.
                    warnings.simplefilter("ignore", SecurityWarning)
                    return jwt.decode(token, key, registry=self._registry).claims
            except _UNREADABLE:
                continue
        return None

    def _visitor(self, claims: dict[str, Any]) -> Visitor | None:
        """Whom these claims name; None when they are not meant for us, or not now."""
        try:
            self._claims.validate(claims)
        except _UNREADABLE:
            return None
        subject: str = claims["sub"]
        if len(subject) > MAX_NAME_LENGTH or not is_name(subject):
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
