"""Who is the operator: whoever has OPERATOR_TOKEN, or a cookie that it was exchanged for."""

import hashlib
import hmac
from collections.abc import Sequence
from typing import Annotated, Final

from fastapi import Depends, Request, Response

from app.config.settings import Settings
from app.problems import CrossSiteRequest, Unauthenticated
from app.sessions.clock import Clock
from app.web.authorization import is_a_proxys, token_of
from app.web.cookies import HostCookie
from app.web.from_state import FromState
from app.web.middleware.origins import OriginPolicy
from app.web.rate_limiter import Rate, Rates, address_of

COOKIE: Final = "avatar_operator"
SIGNED_IN_SECONDS: Final = 12 * 3600


class Operators:
    """Lets in who has the token; without OPERATOR_TOKEN there is nothing to get into.

    The cookie says until when it is good, under a key of the broker's: the token is not in it,
    and another token makes it worthless.
    """

    def __init__(self, settings: Settings, keys: Sequence[bytes], clock: Clock) -> None:
        self._token = settings.operator_token
        self._keys = keys
        self._clock = clock
        self._cookie = HostCookie(COOKIE, settings.is_https, SIGNED_IN_SECONDS)
        # ALLOWED_ORIGINS are for visitors: no other page acts for the operator.
        self._policy = OriginPolicy(settings.public_url, frozenset(), ambient=True)

    @property
    def are_any(self) -> bool:
        """Whether there is anything to get into."""
        return self._token is not None

    def know(self, request: Request) -> bool:
        """Whether it is the operator's browser that asks for a page."""
        return self.are_any and self._is_signed_in(self._cookie.read(request))

    async def require(self, request: Request, rate: Rate) -> None:
        """Raises `Unauthenticated`, or `RateLimited`.

        An address that was wrong too often is not even listened to, or it could go on guessing.
        """
        token = token_of(request.headers)
        if token is not None and is_a_proxys(request.headers) and not self._is_right(token):
            token = None  # no guess either, or a proxy would lock the operator out
        if token is None and self.know(request):
            # Also of what only reads: an export is work, and writes a file on the operator's disk.
            self.require_own_page(request)
            return
        await self.require_token(token, request, rate)

    async def require_token(self, token: str | None, request: Request, rate: Rate) -> None:
        """Raises `Unauthenticated` or `RateLimited` unless this is the operator's token."""
        if self._token is None:
            raise Unauthenticated("It is closed: OPERATOR_TOKEN is not set.")
        caller = f"operator:{address_of(request.scope)}"
        await rate.require(caller)
        if token is not None and self._is_right(token):
            return
        if token is not None:
            await rate.take(caller)
        raise Unauthenticated("Send OPERATOR_TOKEN as `Authorization: Bearer <token>`.")

    def require_own_page(self, request: Request) -> None:
        """Raises `CrossSiteRequest` for any other page."""
        if self._policy.is_cross_site(request.headers):
            raise CrossSiteRequest

    def sign_in(self, response: Response) -> None:
        """Give this browser a cookie in place of the token."""
        until = str(int(self._clock()) + SIGNED_IN_SECONDS)
        self._cookie.set(response, f"{until}.{self._seal(until, self._keys[0])}")

    def sign_out(self, response: Response) -> None:
        """Take the cookie back."""
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


OperatorsDep = Annotated[Operators, Depends(FromState("operators"))]


async def _operator(
    request: Request,
    operators: OperatorsDep,
    rates: Annotated[Rates, Depends(FromState("rates"))],
) -> None:
    await operators.require(request, rates.sign_in)


OperatorDep = Annotated[None, Depends(_operator)]
"""The operator calls; raises `Unauthenticated` for everyone else."""
