"""ASGI middleware that passes the calls of a session on to the replica that has it.

One hop only: a replica that is passed a call of a session that it does not have answers 421
(Misdirected Request) before any work. With SQLite none of this is in the list of middleware.
"""

import asyncio
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any, Final

import structlog
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.audit.throttle import Throttle
from app.identity.visitor import Visitor
from app.problems import OutcomeUnknown, Problem
from app.replicas.forwarded_call import HEADER, ForwardedCall, MisdirectedError
from app.web.error_responses import answer_problem
from app.web.middleware.forwarder import END, Forwarder, Forwarding, NoOtherOwner, request_line
from app.web.middleware.guards import SAFE_METHODS
from app.web.middleware.proxies import with_visitor
from app.web.middleware.repeatable_body import RepeatableBody
from app.web.middleware.session_routes import SessionRoutes, is_repeatable
from app.web.visitor.text_stream import hand_over, handed_over

_IS_FORWARDED: Final = "is_forwarded"

log = structlog.get_logger(__name__)


class ForwardedCalls:
    """Takes calls that other replicas pass on, as if their clients had sent them here.

    The outermost middleware: the address, the scheme and the signed-in visitor that the signed
    header names stand for what the others would find out. Without a good signature the header is
    taken away, and counts for nothing.
    """

    def __init__(
        self, app: ASGIApp, *, routes: SessionRoutes, monotonic: Callable[[], float]
    ) -> None:
        self._app = app
        self._routes = routes
        self._throttle = Throttle(monotonic)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = []
        if scope["type"] == "http":
            given = [value for name, value in scope["headers"] if name == HEADER]
        if not given:
            await self._app(scope, receive, send)
            return
        forwarder: Forwarder = scope["state"]["forwarder"]
        own_name = forwarder.own_name()
        request = request_line(scope)
        scope = {**scope, "headers": [one for one in scope["headers"] if one[0] != HEADER]}

        async def signed(message: Message) -> None:
            if message["type"] == "http.response.start":
                name = (HEADER, own_name.encode())
                message = {**message, "headers": [*message.get("headers", ()), name]}
            await send(message)

        try:
            call = None
            if len(given) == 1:
                call = forwarder.header.read(given[0], target=own_name, request=request)
        except MisdirectedError as error:
            self._warn(str(error))
            await _answer_misdirected(scope, receive, signed)
            return
        if call is None:
            await self._app(scope, receive, send)
        elif not self._is_own(scope):
            await _answer_misdirected(scope, receive, signed)
        else:
            await self._app(_as_it_was(scope, call), receive, signed)

    def _is_own(self, scope: Scope) -> bool:
        session_id = self._routes.session_id(scope["path"])
        return session_id is not None and scope["state"]["registry"].has(session_id)

    def _warn(self, why: str) -> None:
        if self._throttle.left_out(why, a_minute=1) is not None:
            log.warning("a call that another replica passed on is refused", why=why)


class SessionForwarding:
    """Passes calls of sessions that other replicas have on to these; the innermost middleware.

    A session that this process has costs one look into its memory.
    """

    def __init__(self, app: ASGIApp, *, routes: SessionRoutes) -> None:
        self._app = app
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        session_id = self._routes.session_id(scope["path"]) if scope["type"] == "http" else None
        if session_id is None or scope["state"]["registry"].has(session_id):
            await self._app(scope, receive, send)
        elif _IS_FORWARDED in scope["state"]:  # the session was here when the head of the call came
            await _answer_misdirected(scope, receive, send)
        elif (route := self._routes.route(scope)) is None:
            await self._app(scope, receive, send)
        else:
            scope["route"] = route
            await self._forward(scope, session_id, receive, send)

    async def _forward(self, scope: Scope, session_id: str, receive: Receive, send: Send) -> None:
        forwarder: Forwarder = scope["state"]["forwarder"]
        try:
            owner = await forwarder.owner_of(session_id)
        except Problem as problem:
            await answer_problem(scope, problem)(scope, receive, send)
            return
        if owner is None:
            await self._app(scope, receive, send)
            return
        written = handed_over(scope)
        has_body = scope["method"] not in SAFE_METHODS
        body = RepeatableBody(
            written or receive, is_streamed=written is not None, has_body=has_body
        )
        whole = await body.read_whole() if has_body and written is None else None
        forwarding = Forwarding(scope, session_id, body, whole)
        try:
            await _unless_hung_up(forwarder.forward(forwarding, owner, send), body)
        except NoOtherOwner:
            if forwarding.has_begun:
                await send(END)
                return
            if written is not None:
                hand_over(scope, body.replayed())
            await self._app(scope, receive if written else body.replayed(), send)
        except asyncio.CancelledError:  # this process stops, and the owner may go on
            if forwarding.has_begun or is_repeatable(scope):
                raise
            await answer_problem(scope, OutcomeUnknown())(scope, receive, send)
        except Problem as problem:
            if forwarding.has_begun:  # the reader of the stream asks again
                await send(END)
                return
            await answer_problem(scope, problem)(scope, receive, send)


async def _unless_hung_up(work: Coroutine[Any, Any, None], body: RepeatableBody) -> None:
    """Do `work` until it is done, or until the client has hung up."""
    doing, hung_up = asyncio.ensure_future(work), asyncio.ensure_future(body.hung_up())
    try:
        await asyncio.wait({doing, hung_up}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        hung_up.cancel()
        if not doing.done():
            doing.cancel()
        await asyncio.wait({doing, hung_up})
    if not doing.cancelled():
        doing.result()


async def _answer_misdirected(scope: Scope, receive: Receive, send: Send) -> None:
    answer = Response(status_code=HTTPStatus.MISDIRECTED_REQUEST, headers={"Connection": "close"})
    await answer(scope, receive, send)


def _as_it_was(scope: Scope, call: ForwardedCall) -> Scope:
    """The scope as the replica that forwards the call has seen it."""
    visitor = None if call.visitor is None else Visitor(*call.visitor)
    state = {**with_visitor(scope["state"], visitor), _IS_FORWARDED: True}
    return {**scope, "client": call.client, "scheme": call.scheme, "state": state}
