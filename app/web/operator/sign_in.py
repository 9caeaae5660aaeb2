"""The operator's authentication: OPERATOR_TOKEN, or a cookie that was given for it."""

import hashlib
import hmac
from collections.abc import Sequence
from typing import Annotated, Final

from fastapi import Depends, Request, Response

from app.config.settings import Settings
from app.problems import CrossSiteRequest, Unauthenticated
from app.sessions.clock import Clock
from app.web.authorization import is_from_proxy, token_of
from app.web.cookies import HostCookie
from app.web.from_state import FromState
from app.web.middleware.origins import OriginPolicy
from app.web.rate_limiter import RateLimiter, RateLimiters, address_of

COOKIE: Final = "avatar_operator"
SIGNED_IN_SECONDS: Final = 12 * 3600


class OperatorAuthenticator:
    """Authenticates the operator; without OPERATOR_TOKEN every request is refused.

    The cookie holds the time until which it is valid, signed with a key of the broker and bound to
    the token, which is not in it: another token makes it invalid.
    """

    def __init__(self, settings: Settings, keys: Sequence[bytes], clock: Clock) -> None:
        self._token = settings.operator_token
        self._keys = keys
        self._clock = clock
        self._cookie = HostCookie(COOKIE, settings.is_https, SIGNED_IN_SECONDS)
        # ALLOWED_ORIGINS are for visitors: no page of theirs acts for the operator.
        self._policy = OriginPolicy(settings.public_url, frozenset(), ambient=True)

    @property
    def is_configured(self) -> bool:
        """Whether OPERATOR_TOKEN is set."""
        return self._token is not None

    def has_signed_in(self, request: Request) -> bool:
        """Whether a request for a page has the cookie of an operator who has signed in."""
        return self.is_configured and self._is_signed_in(self._cookie.read(request))

    async def require(self, request: Request, limiter: RateLimiter) -> None:
        """Raises `Unauthenticated`, or `RateLimited`, for a request that is not the operator's.

        An address that has sent too many wrong tokens is refused a right one too, so that it can't
        go on guessing.
        """
        token = token_of(request.headers)
        if token is not None and is_from_proxy(request.headers) and not self._is_right(token):
            token = None  # not counted as a guess, or a proxy would lock the operator out
        if token is None and self.has_signed_in(request):
            # Of reads too: an export is work, and writes a file on the operator's disk.
            self.require_own_page(request)
            return
        await self.require_token(token, request, limiter)

    async def require_token(
        self, token: str | None, request: Request, limiter: RateLimiter
    ) -> None:
        """Raises `Unauthenticated` or `RateLimited` unless this is the operator's token."""
        if self._token is None:
            raise Unauthenticated("It is closed: OPERATOR_TOKEN is not set.")
        caller = f"operator:{address_of(request.scope)}"
        await limiter.require(caller)
        if token is not None and self._is_right(token):
            return
        if token is not None:
            await limiter.take(caller)
        raise Unauthenticated("Send OPERATOR_TOKEN as `Authorization: Bearer <token>`.")

    def require_own_page(self, request: Request) -> None:
        """Raises `CrossSiteRequest` for a request that another site's page made."""
        if self._policy.is_cross_site(request.headers):
            raise CrossSiteRequest

    def sign_in(self, response: Response) -> None:
        """Give this browser a cookie in place of the token."""
        until = str(int(self._clock()) + SIGNED_IN_SECONDS)
        self._cookie.set(response, f"{until}.{self._seal(until, self._keys[0])}")

    def sign_out(self, response: Response) -> None:
        """Delete the cookie."""
        self._cookie.delete(response)

    def _is_right(self, token: str) -> bool:
        if self._token is None:
            return False
        return hmac.compare_digest(
            token.encode(errors="surrogatepass"), self._token.get_secret_value().encode()
        )

    def _is_signed_in(self, cookie: str) -> bool:
        until, _, seal = cookie.partition(".")
        if not (until.isascii() and until.isdecimal() and len(until) <= _DIGITS):
            return False
        if self._token is None:
            return False
        seals = [self._seal(until, key) for key in self._keys]
        good = [hmac.compare_digest(seal.encode(), other.encode()) for other in seals]
        return any(good) and self._clock() < int(until)

    def _seal(self, until: str, key: bytes) -> str:
        token = self._token.get_secret_value() if self._token else ""
        return hmac.digest(key, f"{until}\0{token}".encode(), hashlib.sha256).hex()


_DIGITS: Final = 12


OperatorAuthenticatorDep = Annotated[
    OperatorAuthenticator, Depends(FromState("operator_authenticator"))
]


async def _operator(
    request: Request,
    authenticator: OperatorAuthenticatorDep,
    limiters: Annotated[RateLimiters, Depends(FromState("rate_limiters"))],
) -> None:
    await authenticator.require(request, limiters.sign_in)


OperatorDep = Annotated[None, Depends(_operator)]
"""Requires the operator; raises `Unauthenticated` or `RateLimited`."""
