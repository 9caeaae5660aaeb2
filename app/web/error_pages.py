"""Error pages, for a browser that opens an address."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from app.web.middleware.csp import DOCUMENT_POLICY

VARY: Final = {"Vary": "Accept, Sec-Fetch-Mode"}
"""The request headers that decide between a page and problem+json."""

_WORDS: Final = {
    HTTPStatus.NOT_FOUND: (
        "There is no page here",
        "The address may be mistyped, or the page it led to is gone.",
    ),
    HTTPStatus.METHOD_NOT_ALLOWED: (
        "This address is not a page",
        "It belongs to the API, and answers other calls than a browser's.",
    ),
    HTTPStatus.INTERNAL_SERVER_ERROR: (
        "Something went wrong here",
        "It is a fault of the broker, not yours. Try again; if it stays, tell the operator.",
    ),
    HTTPStatus.SERVICE_UNAVAILABLE: (
        "The broker is busy",
        "It is starting anew, or has too much to do. Try again in a few seconds.",
    ),
}


def wants_page(scope: Scope) -> bool:
    """Whether a browser navigates to an address, rather than a script or a program calling it.

    Browsers say so in `Sec-Fetch-Mode`; older ones at least accept HTML before JSON.
    """
    headers = Headers(scope=scope)
    if headers.get("Sec-Fetch-Mode", "navigate") != "navigate":
        return False
    accepted = _qualities(",".join(headers.getlist("Accept")))
    json = max(accepted.get("application/json", 0), accepted.get("application/problem+json", 0))
    html = accepted.get("text/html", 0)
    return html > 0 and html >= json


def error_page(
    scope: Scope, document: Mapping[str, Any], headers: Mapping[str, str]
) -> Response | None:
    """A problem+json `document` as a page; None before the application has started."""
    state = scope["state"]
    if "templates" not in state:
        return None
    status = HTTPStatus(document["status"])
    is_typed = document["type"] != "about:blank"
    words = (document["title"], document["detail"])
    title, detail = words if is_typed else _WORDS.get(status, words)
    response: Response = state["templates"].TemplateResponse(
        Request(scope),
        "error.html",
        {
            "home": f"{state['settings'].public_url or ''}/",
            "status": status.value,
            "title": title,
            "detail": detail,
            "meaning": document["type"] if is_typed else None,
            "request_id": document["requestId"],
        },
        status_code=status,
        headers={**headers, **VARY, "Content-Security-Policy": DOCUMENT_POLICY},
    )
    return response


def _qualities(accept: str) -> dict[str, float]:
    """The media types of an `Accept` header with how much each is wanted, from 0 to 1."""
    qualities = {}
    for part in accept.lower().split(","):
        media_type, *parameters = (piece.strip() for piece in part.split(";"))
        weight = next((one[2:] for one in parameters if one.startswith("q=")), "1")
        try:
            qualities[media_type] = float(weight)
        except ValueError:
            qualities[media_type] = 0.0
    return qualities
