"""Which token a request carries, and in which header."""

from typing import Final

from starlette.datastructures import Headers

from app.sessions.tokens import is_foreign

TOKEN_HEADER: Final = "Avatar-Token"  # noqa: S105 - a name, and no token
"""The broker's own header for a token: `Authorization` may be taken by a proxy's sign-in."""


def credential_of(headers: Headers) -> tuple[str, str]:
    """The scheme, in lower case, and what follows it; both empty when nothing was sent.

    `Avatar-Token: <token>` is the same as `Authorization: Bearer <token>`, and where it is sent
    `Authorization` is not looked at. A header that is sent twice is a token, and no good: a proxy
    may have judged another of them.
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
    """The token, whosever it is; None when there is none, such as with HTTP Basic."""
    scheme, credential = credential_of(headers)
    return credential if scheme == "bearer" else None


def is_a_proxys(headers: Headers) -> bool:
    """Whether the token is one that a proxy may add to every request, such as its ID token.

    Such a token names its issuer and comes in `Authorization`. It proves nothing here, and comes
    along with what other sites' pages send too.
    """
    token = token_of(headers)
    return token is not None and TOKEN_HEADER not in headers and is_foreign(token)
