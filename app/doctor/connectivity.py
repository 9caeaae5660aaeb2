"""Checks of a server's DNS name, port, TLS certificate and clock."""

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

import httpx

from app.doctor.checks import CheckFailed, Verdict

CONNECT_SECONDS: Final = 5
MAX_SKEW_SECONDS: Final = 30
"""The tolerated clock difference: a KS and a JWT are valid only between two times."""

CERTIFICATE_DAYS: Final = 14
"""The remaining days of a certificate below which it should have been renewed."""

_DAY_SECONDS: Final = 24 * 3600
_PROXIES: Final = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY")
_EXPIRED, _OTHER_NAME = 10, 62
"""OpenSSL's verification errors for an expired certificate and for one of another host."""


async def check_connection(url: str, named_by: str, clock: Callable[[], float]) -> str:
    """Connect to the server of `url`, with TLS for https.

    Raises `CheckFailed`, whose fix names `named_by`, the setting that `url` comes from. `clock`
    gives unix seconds.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    await _resolve(host, port, named_by)
    certificate = await _connect(host, port, named_by, tls=parts.scheme == "https")
    if certificate is None:
        return f"{host}:{port}, without TLS"
    ends = ssl.cert_time_to_seconds(str(certificate["notAfter"]))
    days = int((ends - clock()) / _DAY_SECONDS)
    if days < CERTIFICATE_DAYS:
        raise CheckFailed(
            f"{host}:{port}: its certificate ends in {days} days",
            "Whoever runs it must renew it, or nothing will be reached then.",
            verdict=Verdict.WARNING,
        )
    return f"{host}:{port}, TLS certificate good for {days} days"


async def _resolve(host: str, port: int, named_by: str) -> None:
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # a timeout is an OSError too
        raise CheckFailed(
            f"{host} has no address (DNS)",
            f"Look for a slip in {named_by}; if there is none, this machine's DNS does not work.",
        ) from error


async def _connect(host: str, port: int, named_by: str, *, tls: bool) -> dict[str, object] | None:
    """Connect and disconnect; returns the server's certificate, or None without TLS."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            context = ssl.create_default_context() if tls else None
            _, writer = await asyncio.open_connection(host, port, ssl=context)
    except ssl.SSLCertVerificationError as error:
        raise CheckFailed(
            f"{host}:{port}: its certificate is not trusted ({error.verify_message})",
            _certificate_fix(error.verify_code, named_by),
        ) from error
    except ssl.SSLError as error:
        raise CheckFailed(
            f"{host}:{port} does not speak TLS ({error.reason or 'broken handshake'})",
            f"Look for a slip in {named_by}, such as https:// for http:// or the wrong port.",
        ) from error
    except TimeoutError as error:
        raise CheckFailed(
            f"{host}:{port} does not answer", f"A firewall may be in between. {_direct(named_by)}"
        ) from error
    except OSError as error:
        why = os.strerror(error.errno).lower() if error.errno else "no route"
        raise CheckFailed(
            f"{host}:{port} can't be connected to ({why})",
            f"Look for a slip in {named_by}, or for a firewall in between. {_direct(named_by)}",
        ) from error
    certificate = writer.get_extra_info("peercert")
    writer.transport.abort()
    return certificate if tls else None


def _certificate_fix(code: int, named_by: str) -> str:
    if code == _EXPIRED:
        return "It has expired, or this machine's clock is wrong."
    if code == _OTHER_NAME:
        return f"It is another server's: {named_by} must have the name that is in it."
    return (
        "A proxy that opens TLS stands in between, or it is not who it should be. If you trust it, "
        "name the file of its CA in SSL_CERT_FILE."
    )


def _direct(named_by: str) -> str:
    proxy = next((name for name in _PROXIES if os.environ.get(name)), None)
    if proxy is None:
        return f"{named_by} is where the broker connects to, directly."
    return f"{proxy} is set, but the broker does not use it: it connects directly."


async def compare_clocks(
    url: str, transport: httpx.AsyncBaseTransport, clock: Callable[[], float], seconds: float
) -> str:
    """Compare this machine's clock with that of the server at `url`, from its Date header.

    Raises `CheckFailed` for a difference above `MAX_SKEW_SECONDS`; `seconds` bounds the answer.
    """
    before = clock()
    try:
        async with asyncio.timeout(seconds):
            answer = await transport.handle_async_request(httpx.Request("GET", url))
            await answer.aclose()
        theirs = parsedate_to_datetime(answer.headers["Date"]).timestamp()
    except (TimeoutError, httpx.HTTPError, OSError, KeyError, ValueError) as error:
        raise CheckFailed(
            "no answer of Kaltura's says what time it is",
            "Make sure of this machine's clock yourself: a KS and a token end by it.",
            verdict=Verdict.WARNING,
        ) from error
    # Date has whole seconds, and was written between the request and the answer.
    ours = (before + clock()) / 2
    skew = ours - (theirs + 0.5)
    if abs(skew) > MAX_SKEW_SECONDS:
        raise CheckFailed(
            f"this machine is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} Kaltura",
            "Set its clock (NTP, such as `timedatectl set-ntp true`): a KS and a token begin and "
            "end by it.",
        )
    return f"within {max(abs(skew), 1):.0f} s of Kaltura's"
