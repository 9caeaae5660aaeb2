"""The injection of faults: answers that replace the real one, or alter it."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urljoin

from starlette.datastructures import URL, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.emulator.call_recording import CallContext, Disconnect, context_of
from app.emulator.faults import Fault, FaultKind, FaultList
from app.kaltura.contract import DocumentedRefusal, Refused


@dataclass(slots=True)
class BufferedResponse:
    """A complete HTTP answer in memory, before it is sent."""

    status: int = HTTPStatus.OK
    headers: dict[str, str | None] = field(default_factory=dict)
    body: bytes = b""

    @classmethod
    def of_json(cls, content: Any, status: int = HTTPStatus.OK) -> "BufferedResponse":
        """An answer with a JSON body."""
        return cls(status, {"content-type": "application/json"}, json.dumps(content).encode())

    async def send(self, send: Send, *, pause: float = 0, missing: int = 0) -> None:
        """Send the answer.

        With a `pause`, in seconds, it is sent byte by byte. Its Content-Length is `missing` bytes
        longer than its body.
        """
        headers = {**self.headers, "content-length": str(len(self.body) + missing)}
        await send(
            {
                "type": "http.response.start",
                "status": self.status,
                "headers": [
                    (name.lower().encode("latin-1"), value.encode("latin-1"))
                    for name, value in headers.items()
                    if value is not None
                ],
            }
        )
        step = 1 if pause else max(1, len(self.body))
        for start in range(0, len(self.body), step):
            part = self.body[start : start + step]
            await send({"type": "http.response.body", "body": part, "more_body": True})
            await asyncio.sleep(pause)
        if not missing:
            await send({"type": "http.response.body", "body": b""})


_JSON: Final = {"success": True, "sessionId": "0", "token": "0.0.0", "whepUrl": "http://127.0.0.1"}


def _refusal(fault: Fault) -> BufferedResponse:
    status = fault.status or HTTPStatus.INTERNAL_SERVER_ERROR
    body = fault.body
    if body is None:
        phrase = next((s.phrase for s in HTTPStatus if s == status), "Error")
        body = Refused(error=phrase).model_dump(by_alias=True)
    answer = BufferedResponse.of_json(body, status)
    return BufferedResponse(status, {**answer.headers, **fault.headers}, answer.body)


_REPLACEMENTS: Final[Mapping[FaultKind, Callable[[Fault], BufferedResponse]]] = {
    FaultKind.STATUS: _refusal,
    FaultKind.SUCCESS_FALSE: lambda _: BufferedResponse.of_json(
        {"success": False, "error": "Not this time"}
    ),
    FaultKind.EXCEPTION: lambda _: BufferedResponse.of_json(
        {
            "objectType": "KalturaAPIException",
            "code": "INVALID_KS",
            "message": "Invalid KS, as a fault demanded",
        }
    ),
    FaultKind.NOT_JSON: lambda _: BufferedResponse(
        200, {"content-type": "text/html"}, b"<h1>Bad gateway</h1>"
    ),
    FaultKind.WRONG_TYPES: lambda _: BufferedResponse.of_json(
        {"success": "yes", **dict.fromkeys(_JSON, 7)}
    ),
    FaultKind.EMPTY: lambda _: BufferedResponse(200, {"content-type": "application/json"}),
    FaultKind.HUGE: lambda fault: BufferedResponse.of_json({**_JSON, "padding": "x" * fault.bytes}),
    FaultKind.REDIRECT: lambda fault: BufferedResponse(302, {"location": fault.location or "/"}),
}
"""For each kind of fault that replaces the real answer, a function that makes its answer."""


class FaultInjectionMiddleware:
    """Injects the faults of a list into matching calls; all other requests pass unchanged."""

    def __init__(self, app: ASGIApp, faults: FaultList) -> None:
        self._app = app
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Inject the first fault that matches the call, or pass the request on."""
        context = context_of(scope)
        fault = self._faults.take(context) if context else None
        if context is None or fault is None:
            await self._app(scope, receive, send)
        elif fault.kind in _REPLACEMENTS:
            await _REPLACEMENTS[fault.kind](fault).send(send)
        else:
            await self._inject(fault, context, scope, receive, send)

    async def _inject(
        self, fault: Fault, context: CallContext, scope: Scope, receive: Receive, send: Send
    ) -> None:
        match fault.kind:
            case FaultKind.RESET:
                await context.disconnect(Disconnect.RESET)
            case FaultKind.LOST_ANSWER:
                await self._real_response(scope, receive)
                await context.disconnect(Disconnect.ABORT)
            case FaultKind.HANG:
                await _wait_for_disconnect(receive, 600 if fault.seconds is None else fault.seconds)
                await context.disconnect(Disconnect.ABORT)
            case FaultKind.TRUNCATED:
                await BufferedResponse.of_json(_JSON).send(send, missing=64)
                await context.disconnect(Disconnect.CLOSE)
            case FaultKind.DRIP:
                pause = 1.0 if fault.seconds is None else fault.seconds
                await BufferedResponse.of_json(_JSON).send(send, pause=pause)
            case FaultKind.GONE_404 | FaultKind.OVERRIDE | FaultKind.ABSOLUTE_LOCATION:
                answer = await self._real_response(scope, receive)
                await _altered(answer, fault, str(URL(scope=scope))).send(send)
            case FaultKind.DELAY:
                await self._app(scope, receive, _delayed(send, fault.seconds or 0))
            case _:
                context.keep_queue = fault.kind is FaultKind.KEEP_QUEUE
                await self._app(scope, receive, send)

    async def _real_response(self, scope: Scope, receive: Receive) -> BufferedResponse:
        """Carry out the call, and return its answer instead of sending it."""
        answer = BufferedResponse()

        async def keep(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = dict(MutableHeaders(scope=message).items())
            else:
                answer.body += message.get("body", b"")

        await self._app(scope, receive, keep)
        return answer


def _delayed(send: Send, seconds: float) -> Send:
    async def late(message: Message) -> None:
        if message["type"] == "http.response.start":
            await asyncio.sleep(seconds)
        await send(message)

    return late


def _altered(answer: BufferedResponse, fault: Fault, url: str) -> BufferedResponse:
    if fault.kind is FaultKind.GONE_404 and answer.status == HTTPStatus.GONE:
        refusal = DocumentedRefusal.SESSION_NOT_FOUND
        return BufferedResponse.of_json(Refused(error=refusal.error).model_dump(), refusal.status)
    if fault.kind is FaultKind.ABSOLUTE_LOCATION and (location := answer.headers.get("location")):
        answer.headers["location"] = urljoin(url, location)
    if fault.kind is FaultKind.OVERRIDE:
        answer.status = fault.status or answer.status
        answer.headers |= {name.lower(): value for name, value in fault.headers.items()}
        if isinstance(fault.body, dict):
            content = json.loads(answer.body or b"{}") | fault.body
            content = {name: value for name, value in content.items() if value is not None}
            answer.body = json.dumps(content).encode()
    return answer


async def _wait_for_disconnect(receive: Receive, seconds: float) -> None:
    async def left() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    try:
        await asyncio.wait_for(left(), seconds)
    except TimeoutError:
        return
