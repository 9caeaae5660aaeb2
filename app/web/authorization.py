"""The token of a request, and the header that carries it."""

from typing import Final

from starlette.datastructures import Headers

from app.identity.visitor import Visitor
from app.sessions.access import Caller

TOKEN_HEADER: Final = "Avatar-Token"  # noqa: S105 - a name, and no token
"""The broker's own header for a token: `Authorization` may be taken by a proxy's sign-in."""


def credential_of(headers: Headers) -> tuple[str, str]:
    """The scheme, in lower case, and what follows it; both empty when nothing was sent.

    `Avatar-Token: <token>` means `Authorization: Bearer <token>`, which is ignored beside it. A
    header that is sent twice counts as an invalid token: a proxy may have checked the other one.
    """
    own = headers.getlist(TOKEN_HEADER)
    if own:
        return "bearer", own[0].strip() if len(own) == 1 else ""
    sent = headers.getlist("Authorization")
    if len(sent) > 1:
        return "bearer", ""
    scheme, _, credential = (sent or [""])[0].partition(" ")
    return scheme.lower(), credential.strip()


def token_of(headers: Headers) -> str | None:
    """The bearer token of any kind; None when there is none, such as with HTTP Basic."""
    scheme, credential = credential_of(headers)
    return credential if scheme == "bearer" else None


def is_from_proxy(headers: Headers) -> bool:
    """Whether the token is one that a proxy may add to every request, such as its ID token.

    Such a token names its issuer and comes in `Authorization`. It proves nothing here: the proxy
    adds it to requests of other sites' pages too.
    """
    return caller_of(headers).token_is_from_proxy


def caller_of(headers: Headers, visitor: Visitor | None = None) -> Caller:
    """The caller who sends these headers: the visitor, where one is known, and the token."""
    return Caller(visitor, token_of(headers), in_authorization=TOKEN_HEADER not in headers)
