"""HEAD, which is GET without the body (RFC 9110, 9.3.2): what watches a page asks for no more."""

from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Receive, Scope, Send


class HeadRoute(APIRoute):
    """A route whose GET may be asked for its head alone; the API's document does not name it.

    The server leaves the body out. Not for a GET that opens a session, waits, or goes on for as
    long as it is read.
    """

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Starlette's hook: whether this route is asked for."""
        return super().matches(self._as_get(scope))

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Starlette's hook: the answer."""
        await super().handle(self._as_get(scope), receive, send)

    def _as_get(self, scope: Scope) -> Scope:
        is_head = scope.get("method") == "HEAD" and "GET" in (self.methods or ())
        return {**scope, "method": "GET"} if is_head else scope
