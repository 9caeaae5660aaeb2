"""The policies of origin and host: which pages may call, and under which name (OWASP)."""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from app.config.settings import Settings
from app.sessions.access import ServiceTokens
from app.web.authorization import is_from_proxy, token_of

_PREFETCH_HEADERS: Final = ("Sec-Purpose", "Purpose", "X-Moz", "X-Purpose")
_BROWSER_HEADERS: Final = ("Origin", "Referer", "Upgrade-Insecure-Requests")
_FETCH_HEADERS: Final = ("Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest")
_BROWSER: Final = "Mozilla/"
"""How the User-Agent of every browser begins, and that of no HTTP client."""

_OPERATORS_OWN: Final = ("/metrics", "/operator/api/")
"""Paths that answer nothing without the operator's token or cookie."""

_HOST: Final = re.compile(r"(\[[0-9a-f:.]+\]|[\w.-]+)(:\d*)?", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True)
class OriginPolicy:
    """The broker's own origin, where it is known, and the others whose pages may call.

    `ambient` is whether requests may be authenticated by other means than a token or a cookie,
    such as a header that a proxy adds.
    """

    own: str | None
    allowed: frozenset[str]
    ambient: bool

    @classmethod
    def of(cls, settings: Settings) -> "OriginPolicy":
        """The policy of these settings."""
        ambient = settings.auth_mode == "header"
        return cls(settings.public_url, frozenset(settings.allowed_origins), ambient)

    def is_cross_site(self, headers: Headers) -> bool:
        """Whether a page that may not call made the browser send this request.

        `Sec-Fetch-Site` decides where a browser sends it; older browsers at least send `Origin`.
        Without either the caller is not a browser, and sends no cookie unknowingly.
        """
        origin, site = headers.get("Origin"), headers.get("Sec-Fetch-Site")
        if (origin is None and site is None) or origin in self.allowed:
            return False
        if "Cookie" not in headers and not self.ambient and _has_token(headers):
            return False  # a page must hold the token to send it: nothing here is ambient
        if site is not None:
            return site not in {"same-origin", "none"}
        return origin is not None and not self._is_own(origin, headers)

    def is_guest(self, headers: Headers) -> bool:
        """Whether an allowed page of another origin calls; its cookies do not count."""
        origin = headers.get("Origin")
        if origin is None or origin not in self.allowed:
            return False
        return not self._is_own(origin, headers)

    def _is_own(self, origin: str, headers: Headers) -> bool:
        if self.own is not None:
            return origin == self.own
        try:
            return urlsplit(origin).netloc == headers.get("Host")
        except ValueError:
            return False


@dataclass(frozen=True)
class HostPolicy:
    """The host name under which the broker may be called; None allows any.

    The port does not matter: a proxy may have another.
    """

    own: str | None
    services: ServiceTokens

    @classmethod
    def of(cls, settings: Settings) -> "HostPolicy":
        """The policy of these settings."""
        own = urlsplit(settings.public_url).hostname if settings.public_url else None
        return cls(own, ServiceTokens(settings.service_tokens))

    def allows(self, hosts: Sequence[str]) -> bool:
        """Whether these `Host` headers name the broker or this machine."""
        if self.own is None:
            return True
        if len(hosts) != 1 or not _HOST.fullmatch(hosts[0]):
            return False
        try:
            name = urlsplit(f"//{hosts[0]}").hostname or ""
        except ValueError:
            return False
        return name in {self.own, "localhost"} or _is_loopback(name)

    def is_proven(self, path: str, headers: Headers) -> bool:
        """Whether a call is trusted under any name: it has a token, and no cookie of a browser.

        A page behind DNS rebinding has no such token. On the operator's paths the route itself
        checks the token, and counts wrong ones.
        """
        token = token_of(headers)
        if token is None or "Cookie" in headers or len(headers.getlist("Host")) != 1:
            return False
        return path.startswith(_OPERATORS_OWN) or self.services.owner(token) is not None


def is_of_own_page(headers: Headers) -> bool:
    """Whether a browser says that a page of the broker's own origin sends this request."""
    return headers.get("Sec-Fetch-Site") == "same-origin"


def is_fetch_of_own_page(headers: Headers) -> bool:
    """Whether a GET that opens a session comes from a same-origin `fetch`, or from no browser.

    Never from a navigation, a link, an image, a prefetch or another site.
    """
    if any(name in headers for name in _PREFETCH_HEADERS):
        return False
    site, mode, dest = (headers.get(name) for name in _FETCH_HEADERS)
    if (site, dest) == (None, None) and mode in {None, "cors"}:  # Node's fetch says "cors" alone
        return not _is_of_browser(headers)
    return site == "same-origin" and mode in {"cors", "same-origin"} and dest in {"empty", None}


def _is_of_browser(headers: Headers) -> bool:
    """Whether a browser sends the request, one too old for `Sec-Fetch-Site`."""
    named = headers.get("User-Agent", "").startswith(_BROWSER)
    return named or any(name in headers for name in _BROWSER_HEADERS)


def _has_token(headers: Headers) -> bool:
    return token_of(headers) is not None and not is_from_proxy(headers)


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
