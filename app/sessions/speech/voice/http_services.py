"""Calls of HTTP services that the operator configures, bounded in time and in bytes."""

import asyncio
from collections.abc import Mapping
from typing import Final

import aiohttp
import httpx

from app.kaltura.transport import read_bounded


class ServiceFailed(Exception):  # noqa: N818 - each caller decides what a failure means
    """Raised when a service gave no usable answer; the message does not quote the answer."""


_IDENTITY: Final = {"Accept-Encoding": "identity"}
"""Headers that forbid compression: a small compressed answer can be huge in memory."""


async def post_bounded(
    transport: httpx.AsyncBaseTransport,
    url: str,
    *,
    headers: Mapping[str, str],
    content: bytes,
    seconds: float,
    at_most: int,
) -> bytes:
    """Send a POST request and return the body of a successful answer; redirects are not followed.

    Raises `ServiceFailed` without a whole answer of at most `at_most` bytes within `seconds`.
    """
    request = httpx.Request("POST", url, headers={**_IDENTITY, **headers}, content=content)
    try:
        async with asyncio.timeout(seconds):
            response = await transport.handle_async_request(request)
            body = await read_bounded(response, at_most)
    except TimeoutError:
        raise ServiceFailed(f"no whole answer within {seconds:g} s") from None
    except (httpx.HTTPError, aiohttp.ClientError, OSError) as error:
        raise ServiceFailed(f"no answer ({type(error).__name__})") from None
    if not response.is_success:
        raise ServiceFailed(f"status {response.status_code}")
    if not body:
        raise ServiceFailed("an empty answer" if body == b"" else "a longer answer than is read")
    return body
