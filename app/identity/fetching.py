"""Fetching a document of the login, with bounded redirects and bounded decompression."""

import zlib
from typing import Final

import httpx

from app.kaltura.transport import MAX_ANSWER_BYTES, read_bounded

MAX_REDIRECTS: Final = 3

_ENCODINGS: Final = frozenset({"identity", "gzip", "x-gzip", "deflate"})
_GZIP_OR_ZLIB: Final = zlib.MAX_WBITS | 32
_RAW: Final = -zlib.MAX_WBITS

_HEADERS: Final = {"Accept": "application/json", "Accept-Encoding": "gzip, deflate"}


async def fetch(transport: httpx.AsyncBaseTransport, url: str) -> bytes:
    """Fetch the document at `url`; raises `ValueError` for an unusable answer, and httpx's errors.

    The operator may name an http address. A redirect is followed to https only, so that nobody on
    the network can replace the document. No secret is sent.
    """
    address = httpx.URL(url)
    for _ in range(1 + MAX_REDIRECTS):
        request = httpx.Request("GET", address, headers=_HEADERS)
        response = await transport.handle_async_request(request)
        body = await read_bounded(response)
        if not response.has_redirect_location:
            return _document(response, body)
        address = _redirect_target(address, response.headers["Location"])
    raise ValueError("too many redirects")


def _redirect_target(address: httpx.URL, location: str) -> httpx.URL:
    try:
        target = address.join(location)
    except httpx.InvalidURL:
        raise ValueError("a redirect to no address") from None
    if target.scheme != "https" or not target.host or target.userinfo:
        raise ValueError("a redirect to what is no https address")
    return target


def _document(response: httpx.Response, body: bytes | None) -> bytes:
    if response.status_code != httpx.codes.OK:
        raise ValueError(f"status {response.status_code}")
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in _ENCODINGS:
        raise ValueError("the answer is compressed in a way that was not asked for")
    whole = _decompressed(body) if body and encoding != "identity" else body
    if whole is None:
        raise ValueError("the answer is too long")
    return whole


def _decompressed(body: bytes) -> bytes | None:
    """Decompress a body; None for a result longer than `MAX_ANSWER_BYTES`."""
    for format_ in (_GZIP_OR_ZLIB, _RAW):  # some servers send raw DEFLATE as "deflate"
        decompressor = zlib.decompressobj(format_)
        try:
            whole = decompressor.decompress(body, MAX_ANSWER_BYTES + 1)
        except zlib.error:
            continue
        if len(whole) > MAX_ANSWER_BYTES:
            return None
        if decompressor.eof:
            return whole
    raise ValueError("the answer is compressed, and broken")
