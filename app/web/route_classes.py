"""The classes of routes: one that answers HEAD too, and one for calls that have to be fast."""

from collections.abc import Callable
from typing import Any

from fastapi import Depends
from fastapi.routing import APIRoute
from starlette.routing import Match, request_response
from starlette.types import Receive, Scope, Send


class HeadRoute(APIRoute):
    """A route that answers HEAD as it does GET; the OpenAPI document leaves HEAD out.

    HEAD is GET without the body (RFC 9110, 9.3.2); monitors send it. The server drops the body.
    Not for a GET that opens a session, waits, or streams.
    """

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Starlette's hook: whether a request is for this route."""
        return super().matches(self._as_get(scope))

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Starlette's hook: answers a request."""
        await super().handle(self._as_get(scope), receive, send)

    def _as_get(self, scope: Scope) -> Scope:
        is_head = scope.get("method") == "HEAD" and "GET" in (self.methods or ())
        return {**scope, "method": "GET"} if is_head else scope


class PlainRoute(APIRoute):
    """A route of Starlette's kind in FastAPI's document: its endpoint takes the request alone.

    It is for the calls that pages make all the time. Going around FastAPI's dependencies saves
    0.15 ms, a seventh of a speak. What the endpoint reads is declared by `documented`.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        self.app = request_response(endpoint)


def documented(parameters: Callable[..., Any]) -> Any:
    """Name, for the OpenAPI document alone, the parameters that the endpoint itself reads."""
    return Depends(parameters)
