"""The identity of visitors: a random name or cookie, a login's token, or a proxy's header."""

import hashlib
import hmac
import re
import secrets
from abc import ABC, abstractmethod
from base64 import urlsafe_b64encode
from typing import ClassVar, Final

from fastapi import Request, Response

from app.config.settings import Settings
from app.identity.token_verifier import TokenVerifier
from app.identity.visitor import Visitor
from app.problems import InvalidRequest, Unauthenticated
from app.sessions.access import Caller
from app.sessions.keyring import Keyring
from app.web.authorization import caller_of, credential_of
from app.web.cookies import HostCookie
from app.web.middleware.proxies import signed_in_by_proxy
from app.web.rate_limiter import address_of

VISITOR_HEADER: Final = "Avatar-Visitor"
"""The header in which a caller that keeps no cookie names itself."""

_COOKIE: Final = "avatar_visitor"
_WELL_FORMED: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_NAME: Final = re.compile(r"[A-Za-z0-9_+/=-]{43,128}")
"""256 bits in base64, in hexadecimal digits, or as two UUIDs."""

_SECRET_KEY_LENGTH: Final = 22
"""The fewest characters of an Idempotency-Key that can't be guessed: 128 bits in base64."""
_YEAR_SECONDS: Final = 365 * 24 * 3600


def visitor_cookie(*, https: bool) -> HostCookie:
    """The cookie of anonymous visitors."""
    return HostCookie(_COOKIE, https, _YEAR_SECONDS)


class VisitorAuthenticator(ABC):
    """Authenticates visitors in the way of one AUTH_MODE."""

    requires_sign_in: ClassVar[bool] = True
    """Whether every visitor has to sign in."""

    @abstractmethod
    async def caller(self, request: Request) -> Caller:
        """The caller of a request, by its credentials."""

    def greet(self, caller: Caller, request: Request, response: Response) -> None:  # noqa: B027 - most know their visitors already
        """Give a new visitor what identifies them, with the page they open first."""

    def known(self, caller: Caller, request: Request, key: str | None) -> Visitor | None:  # noqa: ARG002 - some need it
        """The visitor who asks for a session with this Idempotency-Key; None for a new one."""
        return caller.visitor

    def welcome(
        self,
        caller: Caller,
        request: Request,  # noqa: ARG002 - some need it
        response: Response,  # noqa: ARG002 - for other modes
        key: str | None = None,  # noqa: ARG002 - for other modes
    ) -> Visitor:
        """The caller as a visitor who may open a session; raises `Unauthenticated`."""
        if caller.visitor is None:
            raise Unauthenticated(
                "This broker belongs to an app that signs its visitors in: open the avatar there.",
                signIn=True,
            )
        return caller.visitor


class AnonymousAuthenticator(VisitorAuthenticator):
    """Identifies anyone by random bits: those of a cookie, or those that the caller sends itself.

    Browsers send no cookie of the broker with calls of another site's page. Such a page keeps
    random bits of its own and sends them as `Avatar-Visitor`. No browser sends that header unasked.
    """

    requires_sign_in = False

    def __init__(self, key: bytes, *, https: bool) -> None:
        self._key = key
        self._cookie = visitor_cookie(https=https)

    async def caller(self, request: Request) -> Caller:
        """The caller to whom header or cookie, and token belong; raises `InvalidRequest`."""
        name = _name_of(request)
        if name is None and _WELL_FORMED.fullmatch(cookie := self._cookie.read(request)):
            name = cookie
        return caller_of(request.headers, None if name is None else _visitor(name))

    def greet(self, caller: Caller, request: Request, response: Response) -> None:
        """Give a new visitor the cookie, so that a create whose answer is lost can be repeated.

        Not when a link of another site led here: a cookie of an earlier version (`SameSite=Strict`)
        is not sent then, and a new one would replace it. The page's own calls send it.
        """
        if request.headers.get("Sec-Fetch-Site") != "cross-site":
            self.welcome(caller, request, response)

    def known(self, caller: Caller, request: Request, key: str | None) -> Visitor | None:
        """The visitor; one without header and cookie is known by a secret key and the address.

        So calls that overlap, before any answer has brought a cookie, are of one visitor.
        """
        cookie = self._cookie_of_key(request, key)
        return caller.visitor or (None if cookie is None else _visitor(cookie))

    def welcome(
        self, caller: Caller, request: Request, response: Response, key: str | None = None
    ) -> Visitor:
        """The visitor; a new one gets a cookie of 256 bits first."""
        if caller.visitor is not None:
            return caller.visitor
        cookie = self._cookie_of_key(request, key) or secrets.token_urlsafe(32)
        self._cookie.set(response, cookie)
        return _visitor(cookie)

    def _cookie_of_key(self, request: Request, key: str | None) -> str | None:
        """The cookie for a key that is sent from this address; None for a key that is too short."""
        if key is None or len(key) < _SECRET_KEY_LENGTH:
            return None
        stands_for = f"{address_of(request.scope)}\0{key}".encode()
        digest = hmac.digest(self._key, stands_for, hashlib.sha256)
        return urlsafe_b64encode(digest).decode().rstrip("=")


class JwtAuthenticator(VisitorAuthenticator):
    """Identifies visitors by the token of the app's login; the broker sets no cookie."""

    def __init__(self, verifier: TokenVerifier) -> None:
        self._verifier = verifier

    async def caller(self, request: Request) -> Caller:
        """The caller whom a token of the login names; any other token is left to others to check.

        The scheme `KS` is what Kaltura's SDK writes before the token that its page gives it.
        """
        scheme, credential = credential_of(request.headers)
        if scheme in {"bearer", "ks"}:
            visitor = await self._verifier.verify(credential)
            if visitor is not None:
                return Caller(visitor=visitor)
        return caller_of(request.headers)


class HeaderAuthenticator(VisitorAuthenticator):
    """Identifies visitors by the header of a proxy that signs them in."""

    async def caller(self, request: Request) -> Caller:
        """The caller whom the proxy names, and the token."""
        return caller_of(request.headers, signed_in_by_proxy(request))


def visitor_authenticator(
    settings: Settings, verifier: TokenVerifier | None, keyring: Keyring
) -> VisitorAuthenticator:
    """The identification of an AUTH_MODE; with jwt there is a `verifier`."""
    if verifier is not None:
        return JwtAuthenticator(verifier)
    if settings.auth_mode == "header":
        return HeaderAuthenticator()
    return AnonymousAuthenticator(keyring.visitors(), https=settings.is_https)


def _name_of(request: Request) -> str | None:
    """The name that the caller gives itself; None without one."""
    names = request.headers.getlist(VISITOR_HEADER)
    if not names:
        return None
    if len(names) > 1 or not _NAME.fullmatch(names[0]):
        raise InvalidRequest(
            f"{VISITOR_HEADER}: not 256 random bits, such as 43 characters of base64url."
        )
    return names[0]


def _visitor(name: str) -> Visitor:
    """The visitor's id: a hash of the random bits, which are themselves stored nowhere."""
    return Visitor(hashlib.sha256(name.encode()).hexdigest()[:32])
