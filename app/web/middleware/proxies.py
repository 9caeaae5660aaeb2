"""The headers that proxies add: which are trusted, and the visitor that one names."""

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any, Final

import structlog
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from app.identity.visitor import Visitor, is_name

_MAX_NAME_LENGTH: Final = 256
_SIGNED_IN: Final = "signed_in_by_proxy"

log = structlog.get_logger(__name__)


class SignedInByProxy:
    """Stores the visitor whom an authenticating proxy names, in the state of the request.

    Only the address of the connection counts, so this stands outside of the middleware that reads
    `X-Forwarded-For`, which a visitor may write.
    """

    def __init__(self, app: ASGIApp, *, header: str, proxies: Sequence[str]) -> None:
        self._app = app
        self._header = header.lower().encode()
        self._networks = [ipaddress.ip_network(proxy) for proxy in proxies]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with the visitor in its state if the proxy names one.

        A visitor whom the replica that was asked has found there already stays.
        """
        if scope["type"] == "http" and _SIGNED_IN not in scope.get("state", {}):
            visitor = self._visitor(scope) if self._is_trusted(scope) else None
            scope["state"] = {**scope.get("state", {}), _SIGNED_IN: visitor}
        await self._app(scope, receive, send)

    def _is_trusted(self, scope: Scope) -> bool:
        host, _ = scope.get("client") or ("", 0)
        try:
            peer = ipaddress.ip_address(host)
        except ValueError:
            return False
        return any(peer in network for network in self._networks)

    def _visitor(self, scope: Scope) -> Visitor | None:
        """The visitor whom the header names; None when it is sent twice, as one may be forged."""
        values = [value for header, value in scope["headers"] if header == self._header]
        if len(values) != 1:
            return None
        name = _text_of(values[0])
        if len(name) > _MAX_NAME_LENGTH or not is_name(name):
            return None
        return Visitor.signed_in("", name)


def _text_of(value: bytes) -> str:
    """A header's value as text: proxies write UTF-8, or else Latin-1."""
    value = value.strip(b" \t")
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


class UntrustedProxyWarning:
    """Warns once when a proxy seems to be in front of the broker without TRUSTED_PROXIES.

    All visitors have the proxy's address then, and share the limits of one address.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._told = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if not self._told and scope["type"] == "http" and _is_of_near_proxy(scope):
            self._told = True
            log.warning(
                "X-Forwarded-For comes from a private address and does not count: if a proxy of "
                "yours sends it, set TRUSTED_PROXIES to the address, or all visitors share one "
                "address's limits",
                peer=scope["client"][0],
            )
        await self._app(scope, receive, send)


def _is_of_near_proxy(scope: Scope) -> bool:
    if "X-Forwarded-For" not in Headers(scope=scope):
        return False
    try:
        peer = ipaddress.ip_address((scope.get("client") or ("",))[0])
    except ValueError:
        return False
    return not peer.is_global


def signed_in_by_proxy(request: Request) -> Visitor | None:
    """The visitor whom a proxy has named; None also without `SignedInByProxy`."""
    return visitor_in(request.scope)


def visitor_in(scope: Scope) -> Visitor | None:
    """The visitor in the state of a request, whom a proxy has named."""
    visitor: Visitor | None = scope["state"].get(_SIGNED_IN)
    return visitor


def with_visitor(state: Mapping[str, Any], visitor: Visitor | None) -> dict[str, Any]:
    """The state of a request whose visitor another replica has found out."""
    return {**state, _SIGNED_IN: visitor}
