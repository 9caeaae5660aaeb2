"""ASGI middleware that reads each body whole, and bounds it, before it is parsed."""

import asyncio
import re
from http import HTTPStatus
from typing import Final

from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.kaltura.contract import Operation
from app.problems import InvalidRequest
from app.sessions.audio.recordings import MAX_AUDIO_BYTES
from app.web.bounds import WebBounds
from app.web.error_responses import answer_full, answer_problem, answer_slow
from app.web.middleware.guards import SAFE_METHODS
from app.web.visitor.text_stream import hand_over, is_written

MAX_NESTED: Final = 64
"""The most arrays and objects in one JSON body; those of the API have less than ten."""

MAX_PARTS: Final = 16
"""The most parts of one form; that of the API has three."""

_AUDIO_PATHS: Final = ("/speak-audio", f"/{Operation.SAY_AUDIO}")
_FORM_BYTES: Final = 64 * 1024
_JSON_BYTES: Final = 16 * 1024
_JSON_BYTES_PER_CHARACTER: Final = 12  # a character outside the BMP, escaped: \ud83d\ude00
_JSON_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
"""Matches a string without an end too, so that the search takes linear time."""


class _Refused(Exception):  # noqa: N818 - it is an answer, not an error
    """Raised for a body that is refused; `answer` is the response to send."""

    def __init__(self, answer: Response) -> None:
        super().__init__()
        self.answer = answer


class BodyGuard:
    """Refuses bodies that are too large, too slow, too deep, or of another type.

    The body of a streamed text is not read here; `app/web/visitor/text_stream.py` bounds its lines.
    """

    def __init__(self, app: ASGIApp, *, max_text_length: int, bounds: WebBounds) -> None:
        self._app = app
        self._bounds = bounds
        self._json_bytes = _JSON_BYTES + _JSON_BYTES_PER_CHARACTER * max_text_length
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in SAFE_METHODS:
            await self._app(scope, receive, send)
            return
        if is_written(scope):
            hand_over(scope, receive)
            await self._app(scope, _replayed(b"", receive), send)
            return
        is_audio = scope["path"].endswith(_AUDIO_PATHS)
        try:
            body = await self._read(scope, receive, is_audio=is_audio)
            try:
                _require_readable(scope, body, is_audio=is_audio)
                await self._app(scope, _replayed(body, receive), send)
            finally:
                self._under_way -= len(body)
        except ClientDisconnect:
            return  # the client has left: there is nobody to answer
        except _Refused as refused:
            await refused.answer(scope, receive, send)

    async def _read(self, scope: Scope, receive: Receive, *, is_audio: bool) -> bytes:
        """Read a body, and count it among those in use; raises `_Refused` or `ClientDisconnect`."""
        limit = MAX_AUDIO_BYTES + _FORM_BYTES if is_audio else self._json_bytes
        declared = Headers(scope=scope).get("Content-Length", "")
        if declared.isdecimal() and int(declared[:18]) > limit:
            raise _too_large(scope, limit)
        bounds, started = self._bounds, asyncio.get_running_loop().time()
        chunks: list[bytes] = []
        size, more = 0, True
        try:
            while more:
                seconds = bounds.body_seconds + size / bounds.body_bytes_per_second
                message = await _next_message(scope, receive, started + seconds)
                chunk: bytes = message.get("body", b"")
                size += len(chunk)
                self._under_way += len(chunk)
                self._require_room(scope, size, limit)
                chunks.append(chunk)
                more = message.get("more_body", False)
        except BaseException:
            self._under_way -= size
            raise
        return b"".join(chunks)

    def _require_room(self, scope: Scope, size: int, limit: int) -> None:
        """Raise `_Refused` for a body longer than `limit`, or when all bodies are too large."""
        if size > limit:
            raise _too_large(scope, limit)
        if self._under_way > self._bounds.bodies_bytes:
            raise _Refused(answer_full(scope))


async def _next_message(scope: Scope, receive: Receive, deadline: float) -> Message:
    """The next part of a body; raises `_Refused` when it is late, or `ClientDisconnect`."""
    try:
        async with asyncio.timeout_at(deadline):
            message = await receive()
    except TimeoutError:
        raise _Refused(answer_slow(scope)) from None
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    return message


def _require_readable(scope: Scope, body: bytes, *, is_audio: bool) -> None:
    """Raises `_Refused` for a body of another type, or one that could overload a parser."""
    if not body:
        return
    media_type, options = parse_options_header(Headers(scope=scope).get("Content-Type"))
    if not _is_of_type(media_type.decode("latin1"), is_audio=is_audio):
        wanted = "multipart/form-data" if is_audio else "application/json"
        raise _invalid(
            scope, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"The Content-Type must be {wanted}."
        )
    if is_audio:
        parts = body.count(b"--" + options.get(b"boundary", b""))
        if parts > MAX_PARTS + 1:  # the last boundary ends the form
            raise _invalid(scope, HTTPStatus.BAD_REQUEST, "The form has too many parts.")
    elif _is_nested(body) or b"\0" in body:  # NUL: not UTF-8, as JSON has to be (RFC 8259)
        raise _invalid(scope, HTTPStatus.BAD_REQUEST, "The body is not JSON that can be read.")


def _is_nested(body: bytes) -> bool:
    """Whether a body has so many arrays and objects that they could be nested too deeply."""
    if body.count(b"[") + body.count(b"{") <= MAX_NESTED:
        return False
    bare = _JSON_STRING.sub(b"", body)
    return bare.count(b"[") + bare.count(b"{") > MAX_NESTED


def _is_of_type(media_type: str, *, is_audio: bool) -> bool:
    if is_audio:
        return media_type == "multipart/form-data"
    return media_type == "application/json" or (
        media_type.startswith("application/") and media_type.endswith("+json")
    )


def _too_large(scope: Scope, limit: int) -> _Refused:
    detail = f"The body is too large; at most {limit} bytes are read."
    return _invalid(scope, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)


def _invalid(scope: Scope, status: HTTPStatus, detail: str) -> _Refused:
    return _Refused(answer_problem(scope, InvalidRequest(detail, status=status)))


def _replayed(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives `body` first, and then the server's messages (a disconnect)."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
