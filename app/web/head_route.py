"""HEAD requests, which are GET without the body (RFC 9110, 9.3.2); monitors send them."""

from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Receive, Scope, Send


class HeadRoute(APIRoute):
    """A route that answers HEAD as it does GET; the OpenAPI document leaves HEAD out.

    The server drops the body. Not for a GET that opens a session, waits, or streams.
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
