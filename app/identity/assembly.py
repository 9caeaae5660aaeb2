"""The wiring of the login's keys and tokens from the settings."""

import contextlib
from collections.abc import AsyncIterator, Callable

import httpx

from app.config.settings import Settings
from app.identity.keys import LoginKeys
from app.identity.logins import LoginTokens
from app.kaltura.transport import open_transport


@contextlib.asynccontextmanager
async def login_of(
    settings: Settings,
    *,
    transport: httpx.AsyncBaseTransport | None,
    clock: Callable[[], float],
    monotonic: Callable[[], float],
) -> AsyncIterator[LoginTokens | None]:
    """The reader of the login's tokens, for the block; None unless AUTH_MODE is jwt.

    `transport` fetches the login's keys, `clock` gives unix seconds, and `monotonic` gives seconds
    that never jump.
    """
    url, issuer, audience = settings.auth_jwks_url, settings.auth_issuer, settings.auth_audience
    if url is None or issuer is None or audience is None:
        yield None
        return
    async with contextlib.aclosing(
        LoginKeys(url, transport or open_transport(), monotonic)
    ) as keys:
        yield LoginTokens(keys, issuer=issuer, audience=audience, clock=clock)
