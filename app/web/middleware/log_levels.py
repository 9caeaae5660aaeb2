"""The log level of each request."""

import logging
from http import HTTPStatus
from typing import Final

from starlette.types import Scope

from app.kaltura.contract import MIRROR_PATH, Operation

SLOW_SECONDS: Final = 1.0
"""A slower answer is logged at `INFO`, whatever the route."""

ROUTINE: Final = frozenset(
    {
        *("/static", "/healthz", "/servez", "/readyz", "/metrics"),
        *("/api/avatar-sessions", "/api/avatar-sessions/{sessionId}"),
        *(f"/api/avatar-sessions/{{sessionId}}/{one}" for one in ("media", "utterances")),
        "/api/avatar-sessions/{sessionId}/utterances/{turnId}/heard",
        f"/api/avatar-sessions/{{sessionId}}/{Operation.KEEP_ALIVE}",
        f"{MIRROR_PATH}/{{sessionId}}/{Operation.KEEP_ALIVE}",
        *("/operator/api/health", "/operator/api/sessions"),
    }
)
"""Routes that pages and monitors call again and again, and that change nothing."""

LASTING: Final = frozenset(
    {
        "/api/avatar-sessions/{sessionId}/events",
        "/api/waiting-room/{ticket}",
        *("/operator/api/events", "/operator/api/audit/events"),
    }
)
"""Routine routes whose answers last by design, so that none of them is slow."""


def route_of(scope: Scope) -> str | None:
    """The template of a request's path, or the mount of the files; None without a route."""
    template: str | None = getattr(scope.get("route"), "path_format", None)
    return template or scope.get("root_path")


def level_of(scope: Scope, status: int, seconds: float) -> int:
    """The level of a request's line: `WARNING` for a failure here, `DEBUG` for routine.

    A status of 0 means that the client left before it was answered.
    """
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return logging.WARNING
    if status >= HTTPStatus.BAD_REQUEST or status == 0:
        return logging.INFO
    route = route_of(scope)
    is_preflight = scope["method"] == "OPTIONS"
    is_routine = route in LASTING or ((route in ROUTINE or is_preflight) and seconds < SLOW_SECONDS)
    return logging.DEBUG if is_routine else logging.INFO
