"""Builds the verifier of the login's tokens from the settings."""

import contextlib
from collections.abc import AsyncIterator, Callable

import httpx

from app.config.settings import Settings
from app.identity.jwks import JwksCache
from app.identity.token_verifier import TokenVerifier
from app.kaltura.transport import open_transport


@contextlib.asynccontextmanager
async def token_verifier(
    settings: Settings,
    *,
    transport: httpx.AsyncBaseTransport | None,
    clock: Callable[[], float],
    monotonic: Callable[[], float],
) -> AsyncIterator[TokenVerifier | None]:
    """The verifier of the login's tokens, for the block; None unless AUTH_MODE is jwt.

    `transport` fetches the login's keys, `clock` gives unix seconds, and `monotonic` gives seconds
    that never jump.
    """
    url, issuer, audience = settings.auth_jwks_url, settings.auth_issuer, settings.auth_audience
    if url is None or issuer is None or audience is None:
        yield None
        return
    async with contextlib.aclosing(
        JwksCache(url, transport or open_transport(), monotonic)
    ) as keys:
        yield TokenVerifier(keys, issuer=issuer, audience=audience, clock=clock)
