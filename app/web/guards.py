"""Pure ASGI guards around every route: what is refused, bounded and stamped before it runs."""

import asyncio
import re
import secrets
import time
from http import HTTPStatus
from typing import Final

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.kaltura.contract import Operation
from app.problems import CrossSiteRequest, InvalidRequest
from app.sessions.recordings import MAX_AUDIO_BYTES
from app.web.answers import answer_bug, answer_problem, answer_stopping
from app.web.origins import OriginPolicy

REQUEST_ID: Final = "X-Request-ID"
_SANE_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_AUDIO_PATHS: Final = ("/speak-audio", f"/{Operation.SAY_AUDIO}")
_FORM_BYTES: Final = 64 * 1024
_JSON_BYTES: Final = 16 * 1024
_JSON_BYTES_PER_CHARACTER: Final = 12  # a character outside the BMP, escaped: \ud83d\ude00

log = structlog.get_logger("request")


class RequestContext:
    """Gives each request an id, one log line, and an answer even when a bug stops it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(REQUEST_ID, "")
        request_id = given if _SANE_ID.fullmatch(given) else secrets.token_hex(8)
        scope["state"] = {**scope.get("state", {}), "request_id": request_id}
        status = 0
        started = time.perf_counter()

        async def stamped(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, stamped)
            except asyncio.CancelledError:
                if status:
                    raise
                await answer_stopping(scope)(scope, receive, stamped)
            except Exception:
                log.exception("bug")
                if status:
                    raise  # half an answer is out; only closing the connection is left
                await answer_bug(scope)(scope, receive, stamped)
            finally:
                log.info(
                    "request",
                    method=scope["method"],
                    path=scope["path"],
                    status=status,
                    duration_ms=round((time.perf_counter() - started) * 1000, 1),
                )


class SecurityHeaders:
    """Headers that every answer carries; a route's own value of one wins."""

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self._app = app
        self._headers = {
            "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Permissions-Policy": "camera=(), geolocation=(), microphone=(self), autoplay=(self)",
            "Cache-Control": "no-store",
        }
        if https:
            self._headers["Strict-Transport-Security"] = "max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def armoured(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, armoured if scope["type"] == "http" else send)


class CrossSiteGuard:
    """Refuses what a page of another site made the browser send (see `OriginPolicy`)."""

    def __init__(self, app: ASGIApp, *, policy: OriginPolicy) -> None:
        self._app = app
        self._policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in _SAFE_METHODS:
            headers = Headers(scope=scope)
            if self._policy.is_cross_site(headers):
                await answer_problem(scope, CrossSiteRequest())(scope, receive, send)
                return
        await self._app(scope, receive, send)


class BodyGuard:
    """Reads the body whole, bounded, of the right type, before anything parses it."""

    def __init__(self, app: ASGIApp, *, max_text_length: int) -> None:
        self._app = app
        self._json_bytes = _JSON_BYTES + _JSON_BYTES_PER_CHARACTER * max_text_length

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in _SAFE_METHODS:
            await self._app(scope, receive, send)
            return
        is_audio = scope["path"].endswith(_AUDIO_PATHS)
        limit = MAX_AUDIO_BYTES + _FORM_BYTES if is_audio else self._json_bytes
        try:
            body = await _bounded_body(scope, receive, limit)
        except ClientDisconnect:
            return  # half a request is no request
        problem = None
        if body is None:
            problem = InvalidRequest(
                f"The body is too large; at most {limit} bytes are read.",
                status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            )
        elif body and not _is_of_type(scope, is_audio=is_audio):
            wanted = "multipart/form-data" if is_audio else "application/json"
            problem = InvalidRequest(
                f"The Content-Type must be {wanted}.", status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE
            )
        if problem is not None:
            await answer_problem(scope, problem)(scope, receive, send)
            return
        await self._app(scope, _replayed(body or b"", receive), send)


def _is_of_type(scope: Scope, *, is_audio: bool) -> bool:
    kind = Headers(scope=scope).get("Content-Type", "").partition(";")[0].strip().lower()
    if is_audio:
        return kind == "multipart/form-data"
    return kind == "application/json" or (
        kind.startswith("application/") and kind.endswith("+json")
    )


async def _bounded_body(scope: Scope, receive: Receive, limit: int) -> bytes | None:
    """The body; None when it is longer than `limit`, or says that it will be."""
    declared = Headers(scope=scope).get("Content-Length", "")
    if declared.isdecimal() and int(declared[:18]) > limit:
        return None
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > limit:
            return None
        if not message.get("more_body", False):
            return bytes(body)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives `body` first, and then whatever comes (a disconnect)."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
