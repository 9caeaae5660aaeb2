"""The HTTP transport for answers of any length: httpx's types over aiohttp's connections.

It carries pictures, speech, hooks and keys; calls of Kaltura's API have `ControlTransport`.
"""

import socket
import ssl
from typing import Final

import aiohttp
import httpx
from aiohttp.abc import ResolveResult
from aiohttp.resolver import ThreadedResolver
from httpx_aiohttp import AiohttpTransport

from app.kaltura.control_transport import KEEP_WARM_SECONDS
from app.kaltura.url_safety import is_public_host

MAX_ANSWER_BYTES: Final = 64 * 1024
"""The longest answer that is read. Kaltura's largest known one is about 2 KiB."""

_CLOSING: Final = "Cannot write to closing transport"
"""The text of aiohttp's error before it wrote a request; after others it may be written."""


def open_transport(*, is_public_only: bool = False) -> httpx.AsyncBaseTransport:
    """A transport with a connection pool; it follows no redirects and keeps no cookies.

    With `is_public_only` it connects to no host name that resolves to a private address.
    """
    # aiohttp checks certificates, with the context that it made. Without one the adapter would load
    # every authority again, for nothing; this one trusts nobody.
    unused = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return _Transport(client=lambda: _open_session(is_public_only=is_public_only), verify=unused)


class _Transport(AiohttpTransport):
    """Takes another connection when an idle one is just being closed by the other side.

    Nothing or only a part of the request was sent then, so it was not carried out.
    """

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, and return its answer."""
        try:
            return await super().handle_async_request(request)
        except httpx.HTTPError as error:
            if not _was_closing(error):
                raise
        return await super().handle_async_request(request)


def _was_closing(error: BaseException) -> bool:
    cause = error.__cause__
    if cause is None:
        return isinstance(error, aiohttp.ClientConnectionResetError) and str(error) == _CLOSING
    return _was_closing(cause)


class _PublicResolver(ThreadedResolver):
    """Resolves host names to public addresses only."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Resolve a host name; aiohttp calls this before it connects."""
        found = await super().resolve(host, port, family)
        public = [result for result in found if is_public_host(result["host"])]
        if not public:
            raise OSError(None, "the name leads to no public address")
        return public


def _open_session(*, is_public_only: bool) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        # No limit: an end must not wait for connections on which Kaltura is silent. The number of
        # sessions bounds them, as each session has one call under way at a time.
        connector=aiohttp.TCPConnector(
            limit=0,
            keepalive_timeout=KEEP_WARM_SECONDS,
            resolver=_PublicResolver() if is_public_only else None,
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        # HttpClient sets one deadline around the whole call, the body included.
        timeout=aiohttp.ClientTimeout(total=None),
    )


def was_never_sent(error: Exception) -> bool:
    """Whether `error` means that no connection could be made, and so nothing was sent.

    The adapter raises one type for most connection errors, but keeps aiohttp's own as the cause.
    """
    return isinstance(error, httpx.ConnectError) or isinstance(
        error.__cause__, aiohttp.ClientConnectorError
    )


async def read_bounded(response: httpx.Response, at_most: int = MAX_ANSWER_BYTES) -> bytes | None:
    """Read a response's body and close it; None for a body longer than `at_most` bytes."""
    body = bytearray()
    assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101 - the transport is asynchronous
    try:
        async for chunk in response.stream:
            body += chunk
            if len(body) > at_most:
                return None
        return bytes(body)
    finally:
        await response.aclose()
