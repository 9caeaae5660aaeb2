"""One call on its way through the emulator: what it names, and what became of it.

`ExchangeMiddleware` is the outermost layer. It records every call of the Control API and of WHEP
when it arrives, gives every answer an `x-request-id`, and knows how to hang up on the caller.
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

from app.emulator.sessions import Call, Session, Sessions
from app.emulator.settings import EmulatorSettings
from app.kaltura.contract import MIRROR_PATH, Operation

WHEP_PATH: Final = "/whep/session"

Target: TypeAlias = Operation | Literal["whep", "whep-delete"]
"""What a call asks for."""

_SCOPE_KEY: Final = "emulator.exchange"
_REQUEST_ID: Final = re.compile(r"[\x21-\x7e]{1,128}")
_OPERATION_PATH: Final = re.compile(rf"{MIRROR_PATH}/([^/]+)/([^/]+)/?")
_WHEP_PATH: Final = re.compile(rf"{WHEP_PATH}/([^/]+)(/viewer/[^/]+)?")


class Farewell(Enum):
    """How a connection is dropped: after what was sent, without it, or with a reset."""

    CLOSE = auto()
    ABORT = auto()
    RESET = auto()


HangUp: TypeAlias = Callable[[Farewell], Awaitable[None]]


@dataclass(slots=True, eq=False)
class Exchange:
    """One call under way; the handler fills in what only it knows."""

    target: Target
    session: Session | None
    call: Call
    hang_up: HangUp
    keep_queue: bool = False
    """Whether an interrupt is to leave what waits in the queue (reference D8)."""


def exchange_of(scope: Scope) -> Exchange | None:
    """Return the exchange of a request, or None for a path that is no operation."""
    return cast("Exchange | None", scope.get(_SCOPE_KEY))


class ExchangeMiddleware:
    """Records calls and names them; see the module."""

    def __init__(self, app: ASGIApp, settings: EmulatorSettings, sessions: Sessions) -> None:
        self._app = app
        self._clock = settings.clock
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Name the call, pass it on, and write down what became of it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked_for = Headers(scope=scope).get("x-request-id", "")
        request_id = asked_for if _REQUEST_ID.fullmatch(asked_for) else secrets.token_hex(16)
        exchange = self._begin(scope, partial(_hang_up, receive, send))
        scope[_SCOPE_KEY] = exchange

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["x-request-id"] = request_id
                if exchange is not None:
                    exchange.call.status = message["status"]
                    self._settle(exchange)
            await send(message)

        try:
            await self._app(scope, receive, answer)
        finally:
            if exchange is not None:
                self._settle(exchange)

    def _begin(self, scope: Scope, hang_up: HangUp) -> Exchange | None:
        found = self._address(scope["method"], scope["path"])
        if found is None:
            return None
        target, session = found
        call = Call(at=self._clock(), operation=target, status=None)
        calls = self._sessions.stray_calls if session is None else session.calls
        calls.append(call)
        return Exchange(target, session, call, hang_up)

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
        return None

    def _settle(self, exchange: Exchange) -> None:
        """Give the record to the session that the call turned out to be about."""
        strays = self._sessions.stray_calls
        if exchange.session is not None and exchange.call in strays:
            strays.remove(exchange.call)
            exchange.session.calls.append(exchange.call)


async def _hang_up(receive: Receive, send: Send, farewell: Farewell) -> None:
    """Drop the connection.

    ASGI has no way to do so: a server answers 500 for an application that sends nothing. But the
    `send` of uvicorn is a method of an object that holds the connection. In any other server, and
    in a test without one, the caller gets a ConnectionResetError or what the server makes of it.
    """
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:
        raise ConnectionResetError("the emulator hung up, as a fault demanded")
    if farewell is Farewell.RESET:
        # To close a socket that lingers for no time is to reset it.
        transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
    if farewell is Farewell.CLOSE:
        transport.close()
    else:
        transport.abort()
    while (await receive())["type"] != "http.disconnect":
        pass
