"""Who a visitor is: a random cookie, a token of the app's own login, or a proxy's word."""

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
    """How visitors are told apart, which is what AUTH_MODE says."""

    are_signed_in: ClassVar[bool] = True
    """Whether nobody is a visitor who has not signed in."""

    @abstractmethod
    async def caller(self, request: Request) -> Caller:
        """Who calls, by what they send."""

    def greet(self, caller: Caller, request: Request, response: Response) -> None:  # noqa: B027 - most know their visitors already
        """Let a new visitor be known before they ask for anything."""

    def welcome(self, caller: Caller, response: Response) -> Visitor:  # noqa: ARG002 - some need it
        """The caller as a visitor who may open a session; raises `Unauthenticated`."""
        if caller.visitor is None:
            raise Unauthenticated(
                "This broker belongs to an app that signs its visitors in: open the avatar there.",
                signIn=True,
            )
        return caller.visitor


class ByCookie(Visitors):
    """Anyone is a visitor, known by a random cookie and nothing else of them."""

    are_signed_in = False

    def __init__(self, *, https: bool) -> None:
        self._cookie = HostCookie(_COOKIE, https, _YEAR_SECONDS)

    async def caller(self, request: Request) -> Caller:
        """Whose cookie and token these are."""
        cookie = self._cookie.read(request)
        known = _of_cookie(cookie) if _WELL_FORMED.fullmatch(cookie) else None
        return _caller(request, known)

    def greet(self, caller: Caller, request: Request, response: Response) -> None:
        """Give a new visitor the cookie, so that a create whose answer is lost can be repeated.

        Not when another site led here: a cookie of an earlier version (`SameSite=Strict`) is not
        sent then, and a new one would take its place. The page's own calls bring it.
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
    """A visitor sends the token of the app's own login, and nothing of ours is in their browser."""

    def __init__(self, login: LoginTokens) -> None:
        self._login = login

    async def caller(self, request: Request) -> Caller:
        """Whose token this is: the login's is who they are, any other is for others to judge.

        `KS` is what Kaltura's SDK writes before whatever its page gave it as Kaltura Session.
        """
        scheme, credential = credential_of(request.headers)
        if scheme in {"bearer", "ks"}:
            visitor = await self._login.read(credential)
            if visitor is not None:
                return Caller(visitor=visitor)
        return _caller(request, None)


class ByProxy(Visitors):
    """A proxy before the broker signs visitors in, and says in a header who they are."""

    async def caller(self, request: Request) -> Caller:
        """Whom the proxy names, and whose token this is."""
        return _caller(request, signed_in_by_proxy(request))


def visitors_of(settings: Settings, login: LoginTokens | None) -> Visitors:
    """What AUTH_MODE asks for; there is a `login` when it is jwt."""
    if login is not None:
        return ByLogin(login)
    return ByProxy() if settings.auth_mode == "header" else ByCookie(https=settings.is_https)


def _caller(request: Request, visitor: Visitor | None) -> Caller:
    headers = request.headers
    return Caller(visitor, token_of(headers), token_is_a_proxys=is_a_proxys(headers))


def _of_cookie(cookie: str) -> Visitor:
    """A hash of the cookie, so that the cookie itself is kept nowhere."""
    return Visitor(hashlib.sha256(cookie.encode()).hexdigest()[:32])
