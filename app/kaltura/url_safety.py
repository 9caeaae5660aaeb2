"""Checks of URLs that Kaltura names, before a browser or the broker requests them."""

import ipaddress
import re
import socket
from typing import Final
from urllib.parse import urlsplit

_PUBLIC_NAME: Final = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")
"""A plain host name: without anything that a browser decodes, as `%31` or full-width digits."""

_PRIVATE_ZONES: Final = (
    *(".local", ".localhost", ".localdomain", ".internal", ".intranet", ".lan", ".home.arpa"),
)
_PUBLIC_IPV6: Final = ipaddress.IPv6Network("2000::/3")


def is_loopback_url(url: str) -> bool:
    """Whether `url` names this machine's loopback interface, as the emulator's address does."""
    host = urlsplit(url).hostname or ""
    address = _address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def is_safe_media_url(url: str, *, allow_private: bool) -> bool:
    """Whether a browser or the broker may go to `url`: https on a public host (reference 3).

    With `allow_private`, when the Control API itself is on loopback, any http or https address is
    safe.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port  # parsed, and so validated, only when it is read
    except ValueError:
        return False
    if not parts.hostname or parts.username is not None or any(c <= " " or c == "\\" for c in url):
        return False
    if allow_private:
        return parts.scheme in {"http", "https"}
    return parts.scheme == "https" and is_public_host(parts.hostname)


def is_public_host(host: str) -> bool:
    """Whether a host name or an IP address is not known to be of a private network."""
    host = host.rstrip(".")
    address = _address(host)
    if isinstance(address, ipaddress.IPv6Address):
        return address in _PUBLIC_IPV6 and not address.sixtofour and address.is_global
    if address is not None:
        return address.is_global and not address.is_multicast
    return bool(_PUBLIC_NAME.fullmatch(host)) and not host.endswith(_PRIVATE_ZONES)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The IP address that a browser reads `host` as, decimal and hexadecimal forms included."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        try:
            return ipaddress.IPv4Address(socket.inet_aton(host))
        except OSError:
            return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address
