"""The security schemes of the OpenAPI document, and those of each path."""

from typing import Any, Final

from app.config.settings import Settings
from app.web.visitor.identification import VISITOR_HEADER, visitor_cookie

_NOBODY: Final = ""
"""Stands for callers without any credentials."""

_BY_PATH: Final = {
    "/api/create-avatar-session": ("cookie", "visitor", "service", _NOBODY),
    "/api/avatar-sessions/": ("token", "cookie", "visitor", "service"),
    "/api/avatar-sessions": ("cookie", "visitor", _NOBODY),
    "/v1/avatar-session/create": ("cookie", "visitor", "service", _NOBODY),
    "/v1/avatar-session/": ("token", "service"),
    "/operator/api/": ("operator",),
    "/metrics": ("operator",),
}
"""The schemes with which a caller may come, by how a path begins; the first that fits counts."""


def security_of(path: str) -> list[dict[str, list[str]]]:
    """The `security` of a path's operations; empty for those that are open to everyone."""
    names = next((names for start, names in _BY_PATH.items() if path.startswith(start)), ())
    return [{name: []} if name else {} for name in names]


def schemes(settings: Settings) -> dict[str, dict[str, Any]]:
    """The `securitySchemes` of a broker with these settings."""
    visitor = {"type": "apiKey", "in": "header", "name": VISITOR_HEADER}
    if settings.auth_mode == "jwt":
        visitor = _bearer("The login's token of the visitor")
    return {
        "token": _bearer("The token that create answered; it controls one session"),
        "cookie": {
            "type": "apiKey",
            "in": "cookie",
            "name": visitor_cookie(https=settings.is_https).name,
            "description": "The visitor's cookie, on pages of the broker's own origin",
        },
        "visitor": {"description": "Names a visitor that keeps no cookie", **visitor},
        "service": _bearer("A token of SERVICE_TOKENS, of a backend that opens sessions"),
        "operator": _bearer("OPERATOR_TOKEN; the console has a cookie in its place"),
    }


def _bearer(description: str) -> dict[str, Any]:
    return {"type": "http", "scheme": "bearer", "description": description}
