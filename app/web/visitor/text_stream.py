"""Streamed texts: bodies of lines, which are said while they are being written.

`BodyGuard` reads every other body whole before its route runs. A streamed one it leaves to the
route, which sees an empty body beside it.
"""

import codecs
import json
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Final

from fastapi import Request
from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers
from starlette.types import Receive, Scope

from app.problems import InvalidRequest
from app.web.visitor.model_events import text_in

NDJSON: Final = "application/x-ndjson"
EVENT_STREAM: Final = "text/event-stream"

MAX_LINE_BYTES: Final = 64 * 1024
MAX_EVENT_BYTES: Final = 256 * 1024
"""The most bytes of one event: a language model's last one may repeat its prompt and its answer."""

MAX_BYTES: Final = 4 * 1024 * 1024
"""The most bytes of one streamed text with its framing; each token may be a line."""

TURN_OF_WRITTEN: Final = "Names the turn of a text that is being written"
WRITTEN: Final = {
    NDJSON: {
        "schema": {
            "type": "string",
            "description": 'A text as it is being written, one `{"text": "..."}` a line, or the '
            "chunks of a language model",
            "examples": ['{"text": "Hello, "}\n{"text": "I am an avatar."}\n'],
        }
    },
    EVENT_STREAM: {
        "schema": {
            "type": "string",
            "description": "The same as server-sent events, such as those of OpenAI's "
            "`chat.completions` and `responses` and of Anthropic's `messages`",
            "examples": ['data: {"text": "Hello."}\n\n'],
        }
    },
}
"""The OpenAPI content of streamed bodies."""

_HANDED_OVER: Final = "written"
_LAST: Final = b"[DONE]"
"""How language models end their streams."""


def is_written(scope: Scope) -> bool:
    """Whether the body of a request is a streamed text."""
    path: str = scope["path"]
    if not (path.startswith("/api/avatar-sessions/") and path.endswith("/speak")):
        return False
    return _media_type(scope) in {NDJSON, EVENT_STREAM}


def hand_over(scope: Scope, receive: Receive) -> None:
    """Leave the body of a request to its route."""
    scope["state"][_HANDED_OVER] = receive


def handed_over(scope: Scope) -> Receive | None:
    """The `receive` of a body that was left to its route; None for every other request."""
    receive: Receive | None = scope["state"].get(_HANDED_OVER)
    return receive


def written_texts(request: Request) -> AsyncIterator[str] | None:
    """The texts of a streamed body; None for every other body."""
    receive = handed_over(request.scope)
    if receive is None:
        return None
    if _media_type(request.scope) == EVENT_STREAM:
        return _of_events(_lines(_chunks(receive), MAX_EVENT_BYTES))
    return _of_ndjson(_lines(_chunks(receive), MAX_LINE_BYTES))


async def _chunks(receive: Receive) -> AsyncIterator[bytes]:
    """The chunks of the body; one that breaks off counts as ended."""
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > MAX_BYTES:
            raise _unreadable(
                f"The body is too large; at most {MAX_BYTES} bytes are read.",
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            )
        yield chunk
        more = message.get("more_body", False)


async def _lines(chunks: AsyncIterator[bytes], most: int) -> AsyncIterator[bytes]:
    """The lines of `most` bytes at most; raises `InvalidRequest` for a longer one."""
    rest, mark = bytearray(), codecs.BOM_UTF8  # a byte-order mark, with which some writers begin
    async for chunk in chunks:
        first, *others = chunk.split(b"\n")
        rest += first
        for begun in others:
            yield _line(rest, most).removeprefix(mark)
            rest, mark = bytearray(begun), b""
        _require_short(len(rest), most, "line")
    if rest:
        yield _line(rest, most).removeprefix(mark)


def _line(read: bytearray, most: int) -> bytes:
    _require_short(len(read), most, "line")
    return bytes(read.removesuffix(b"\r"))


async def _of_ndjson(lines: AsyncIterator[bytes]) -> AsyncIterator[str]:
    async for line in lines:
        if line.strip():
            yield _text(line)


async def _of_events(lines: AsyncIterator[bytes]) -> AsyncIterator[str]:
    """The data of server-sent events; other fields are ignored."""
    data = bytearray()
    async for line in _ended(lines):
        if line.startswith(b"data:"):
            data += line.removeprefix(b"data:").removeprefix(b" ") + b"\n"
            _require_short(len(data), MAX_EVENT_BYTES, "event")
        elif not line and data:
            whole = bytes(data[:-1])
            data.clear()
            if whole == _LAST:
                return
            yield _text(whole)


async def _ended(lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The lines, and an empty one for a writer that leaves out the last."""
    async for line in lines:
        yield line
    yield b""


def _text(line: bytes) -> str:
    try:
        return text_in(json.loads(line))
    except (ValueError, RecursionError):
        raise _unreadable("A line is not JSON that can be read.", HTTPStatus.BAD_REQUEST) from None


def _media_type(scope: Scope) -> str:
    media_type, _ = parse_options_header(Headers(scope=scope).get("Content-Type"))
    return media_type.decode("latin1")


def _require_short(size: int, most: int, what: str) -> None:
    if size > most:
        raise _unreadable(
            f"The {what} is too long; at most {most} bytes of one are read.",
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        )


def _unreadable(detail: str, status: HTTPStatus) -> InvalidRequest:
    return InvalidRequest(detail, status=status)
