"""The record of the calls to the emulator, and the context of each call.

`CallRecordingMiddleware` is the outermost layer. It records every call of the Control API, of the
catalog and of WHEP when the call arrives, gives every answer an `x-request-id`, and can drop the
connection.
"""

import re
import secrets
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from typing import Final, Literal, TypeAlias, cast

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.emulator.sessions import EmulatorSessions, RecordedCall, Session
from app.emulator.settings import EmulatorSettings
from app.kaltura.contract import CATALOG_PATH, MIRROR_PATH, CatalogCall, Operation

WHEP_PATH: Final = "/whep/session"

THUMBNAIL_PATH: Final = "/thumbnails"

Target: TypeAlias = Operation | CatalogCall | Literal["whep", "whep-delete"]
"""The operation that a call names: one of the Control API's, of the catalog's, or of WHEP."""

_SCOPE_KEY: Final = "emulator.context"
_REQUEST_ID: Final = re.compile(r"[\x21-\x7e]{1,128}")
_OPERATION_PATH: Final = re.compile(rf"{MIRROR_PATH}/([^/]+)/([^/]+)/?")
_WHEP_PATH: Final = re.compile(rf"{WHEP_PATH}/([^/]+)(/viewer/[^/]+)?")


class Disconnect(Enum):
    """How a connection is dropped: after sending its buffer, without sending it, or by a reset."""

    CLOSE = auto()
    ABORT = auto()
    RESET = auto()


DisconnectFunction: TypeAlias = Callable[[Disconnect], Awaitable[None]]


@dataclass(slots=True, eq=False)
class CallContext:
    """The context of one call under way; the handler of a create sets its session."""

    target: Target
    session: Session | None
    call: RecordedCall
    disconnect: DisconnectFunction
    keep_queue: bool = False
    """Whether an interrupt leaves the utterances in the queue (reference D8)."""


def context_of(scope: Scope) -> CallContext | None:
    """The context of a request; None for a path that is not an operation's."""
    return cast("CallContext | None", scope.get(_SCOPE_KEY))


class CallRecordingMiddleware:
    """Records every call in its session, and puts a `CallContext` into the request's scope."""

    def __init__(
        self, app: ASGIApp, settings: EmulatorSettings, sessions: EmulatorSessions
    ) -> None:
        self._app = app
        self._clock = settings.clock
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Record the call, pass it on, and record the status of its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(16)
        context = self._begin(scope, partial(_disconnect, receive, send))
        scope[_SCOPE_KEY] = context

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["x-request-id"] = request_id
                if context is not None:
                    context.call.status = message["status"]
                    self._settle(context)
            await send(message)

        try:
            await self._app(scope, receive, answer)
        finally:
            if context is not None:
                self._settle(context)

    def _begin(self, scope: Scope, disconnect: DisconnectFunction) -> CallContext | None:
        found = self._address(scope["method"], scope["path"])
        if found is None:
            return None
        target, session = found
        call = RecordedCall(at=self._clock(), operation=target, status=None)
        calls = self._sessions.unassigned_calls if session is None else session.calls
        calls.append(call)
        return CallContext(target, session, call, disconnect)

    def _address(self, method: str, path: str) -> tuple[Target, Session | None] | None:
        if method == "POST" and path.rstrip("/") in {MIRROR_PATH, f"{MIRROR_PATH}/create"}:
            return Operation.CREATE, None
        if method == "POST" and (match := _OPERATION_PATH.fullmatch(path)):
            session_id, name = match.groups()
            if name in set(Operation) - {Operation.CREATE}:
                return Operation(name), self._sessions.get(session_id)
        if method in {"POST", "DELETE"} and (match := _WHEP_PATH.fullmatch(path)):
            target: Target = "whep" if method == "POST" else "whep-delete"
            return target, self._sessions.with_whep_key(match[1])
        if method == "POST" and path == f"{CATALOG_PATH}/list":
            return CatalogCall.LIST, None
        if method == "GET" and path.startswith(f"{THUMBNAIL_PATH}/"):
            return CatalogCall.THUMBNAIL, None
        return None

    def _settle(self, context: CallContext) -> None:
        """Move the call of a create to the session that it has opened."""
        unassigned = self._sessions.unassigned_calls
        if context.session is not None and context.call in unassigned:
            unassigned.remove(context.call)
            context.session.calls.append(context.call)


async def _disconnect(receive: Receive, send: Send, manner: Disconnect) -> None:
    """Drop the connection.

    ASGI has no message for this: a server answers 500 for an application that sends nothing. The
    transport is reached through uvicorn's `send`, which is a method of the object that holds it.
    Under any other server, and in a test without one, a `ConnectionResetError` is raised.
    """
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:
        raise ConnectionResetError("the emulator hung up, as a fault demanded")
    if manner is Disconnect.RESET:
        # Closing a socket whose linger time is zero resets the connection.
        transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
    if manner is Disconnect.CLOSE:
        transport.close()
    else:
        transport.abort()
    while (await receive())["type"] != "http.disconnect":
        pass
