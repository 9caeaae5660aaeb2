"""The routes whose path names a session, and which of their calls may be repeated."""

import re
from collections.abc import Iterable
from typing import Final

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Scope

from app.kaltura.contract import SESSION_ID_PATTERN
from app.web.middleware.guards import SAFE_METHODS

PARAMETER: Final = "{sessionId}"

REPEATABLE: Final = frozenset({"end", "init-client", "interrupt", "keep-alive", "resume"})
"""The last segments of the paths of calls that do no harm when they are carried out twice.

Not a speak, which would be said twice; nor `leave`, which would end a session that was resumed
meanwhile; nor `heard`, which is told in order.
"""

_SESSION_ID: Final = re.compile(SESSION_ID_PATTERN)


class SessionRoutes:
    """Finds the session that a request is for, by the routes with a session's id in their path."""

    def __init__(self, routers: Iterable[APIRouter]) -> None:
        self.routes = [
            route
            for router in routers
            for route in router.routes
            if isinstance(route, APIRoute) and PARAMETER in route.path
        ]
        self._prefixes = sorted({route.path.partition(PARAMETER)[0] for route in self.routes})

    def session_id(self, path: str) -> str | None:
        """The part of a path where a session's id stands; None on other paths."""
        for prefix in self._prefixes:
            if path.startswith(prefix):
                return path[len(prefix) :].partition("/")[0]
        return None

    def route(self, scope: Scope) -> APIRoute | None:
        """The route that answers a request for a session; None for any other request."""
        for route in self.routes:
            match, found = route.matches(scope)
            if match is Match.FULL:
                is_id = _SESSION_ID.fullmatch(found["path_params"]["sessionId"])
                return route if is_id else None
        return None


def is_repeatable(scope: Scope) -> bool:
    """Whether a call may be sent again although it may have been carried out already."""
    path: str = scope["path"]
    return scope["method"] in SAFE_METHODS or path.rpartition("/")[2] in REPEATABLE
