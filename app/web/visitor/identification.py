"""The identity of visitors: a random cookie, a token of the app's login, or a proxy's header."""

import hashlib
import re
import secrets
from abc import ABC, abstractmethod
from typing import ClassVar, Final

from fastapi import Request, Response

from app.config.settings import Settings
from app.identity.logins import LoginTokens
from app.identity.visitor import Visitor
from app.problems import Unauthenticated
from app.sessions.access import Caller
from app.web.authorization import credential_of, is_a_proxys, token_of
from app.web.cookies import HostCookie
from app.web.middleware.proxies import signed_in_by_proxy

_COOKIE: Final = "avatar_visitor"
_WELL_FORMED: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_YEAR_SECONDS: Final = 365 * 24 * 3600


class Visitors(ABC):
    """Identifies visitors in the way of one AUTH_MODE."""

    are_signed_in: ClassVar[bool] = True
    """Whether every visitor has to sign in."""

    @abstractmethod
    async def caller(self, request: Request) -> Caller:
        """The caller of a request, by its credentials."""

    def greet(self, caller: Caller, request: Request, response: Response) -> None:  # noqa: B027 - most know their visitors already
        """Give a new visitor what identifies them, with the page they open first."""

    def welcome(self, caller: Caller, response: Response) -> Visitor:  # noqa: ARG002 - some need it
        """The caller as a visitor who may open a session; raises `Unauthenticated`."""
        if caller.visitor is None:
            raise Unauthenticated(
                "This broker belongs to an app that signs its visitors in: open the avatar there.",
                signIn=True,
            )
        return caller.visitor


class ByCookie(Visitors):
    """Identifies anyone by a random cookie, and by nothing else."""

    are_signed_in = False

    def __init__(self, *, https: bool) -> None:
        self._cookie = HostCookie(_COOKIE, https, _YEAR_SECONDS)

    async def caller(self, request: Request) -> Caller:
        """The caller to whom cookie and token belong."""
        cookie = self._cookie.read(request)
        known = _of_cookie(cookie) if _WELL_FORMED.fullmatch(cookie) else None
        return _caller(request, known)

    def greet(self, caller: Caller, request: Request, response: Response) -> None:
        """Give a new visitor the cookie, so that a create whose answer is lost can be repeated.

        Not when a link of another site led here: a cookie of an earlier version (`SameSite=Strict`)
        is not sent then, and a new one would replace it. The page's own calls send it.
        """
        if request.headers.get("Sec-Fetch-Site") != "cross-site":
            self.welcome(caller, response)

    def welcome(self, caller: Caller, response: Response) -> Visitor:
        """The visitor; a new one gets the cookie of 256 random bits first."""
        if caller.visitor is not None:
            return caller.visitor
        cookie = secrets.token_urlsafe(32)
        self._cookie.set(response, cookie)
        return _of_cookie(cookie)


class ByLogin(Visitors):
    """Identifies visitors by the token of the app's login; the broker sets no cookie."""

    def __init__(self, login: LoginTokens) -> None:
        self._login = login

    async def caller(self, request: Request) -> Caller:
        """The caller whom a token of the login names; any other token is left to others to check.

        The scheme `KS` is what Kaltura's SDK writes before the token that its page gives it.
        """
        scheme, credential = credential_of(request.headers)
        if scheme in {"bearer", "ks"}:
            visitor = await self._login.read(credential)
            if visitor is not None:
                return Caller(visitor=visitor)
        return _caller(request, None)


class ByProxy(Visitors):
    """Identifies visitors by the header of a proxy that signs them in."""

    async def caller(self, request: Request) -> Caller:
        """The caller whom the proxy names, and the token."""
        return _caller(request, signed_in_by_proxy(request))


def visitors_of(settings: Settings, login: LoginTokens | None) -> Visitors:
    """The identification of an AUTH_MODE; with jwt there is a `login`."""
    if login is not None:
        return ByLogin(login)
    return ByProxy() if settings.auth_mode == "header" else ByCookie(https=settings.is_https)


def _caller(request: Request, visitor: Visitor | None) -> Caller:
    headers = request.headers
    return Caller(visitor, token_of(headers), token_is_a_proxys=is_a_proxys(headers))


def _of_cookie(cookie: str) -> Visitor:
    """The visitor's id: a hash of the cookie, which is itself stored nowhere."""
    return Visitor(hashlib.sha256(cookie.encode()).hexdigest()[:32])
