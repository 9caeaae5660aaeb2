"""Who a visitor is: a random cookie, and nothing else of them."""

import hashlib
import re
import secrets
from typing import Final

from fastapi import Request, Response

from app.settings import Settings

_COOKIE: Final = "avatar_visitor"
_WELL_FORMED: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_YEAR_SECONDS: Final = 365 * 24 * 3600


def known_visitor(request: Request, settings: Settings) -> str | None:
    """The visitor's id: a hash of the cookie, so that the cookie itself is kept nowhere."""
    cookie = request.cookies.get(_cookie_name(settings), "")
    return _identity(cookie) if _WELL_FORMED.fullmatch(cookie) else None


def welcome(request: Request, response: Response, settings: Settings) -> str:
    """The visitor's id; a new visitor gets the cookie of 256 random bits first."""
    visitor = known_visitor(request, settings)
    if visitor is not None:
        return visitor
    cookie = secrets.token_urlsafe(32)
    response.set_cookie(
        _cookie_name(settings),
        cookie,
        max_age=_YEAR_SECONDS,
        httponly=True,
        secure=settings.is_https,
        samesite="strict",
    )
    return _identity(cookie)


def _identity(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()[:32]


def _cookie_name(settings: Settings) -> str:
    """`__Host-` binds the cookie to this very host; browsers take it over https alone."""
    return f"__Host-{_COOKIE}" if settings.is_https else _COOKIE
