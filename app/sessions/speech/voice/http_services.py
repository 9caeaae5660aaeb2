"""One call of a service that the operator has named: bounded in time and in bytes."""

import asyncio
from collections.abc import Mapping
from typing import Final

import aiohttp
import httpx

from app.kaltura.transport import read_bounded


class ServiceFailed(Exception):  # noqa: N818 - the caller knows what it means
    """It gave no answer that can be used; the message says why, without a word of the answer."""


_IDENTITY: Final = {"Accept-Encoding": "identity"}
"""A compressed answer could be small on the wire and huge in memory."""


async def ask(
    transport: httpx.AsyncBaseTransport,
    url: str,
    *,
    headers: Mapping[str, str],
    content: bytes,
    seconds: float,
    at_most: int,
) -> bytes:
    """The body of a successful answer; follows no redirect. Raises `ServiceFailed`."""
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
