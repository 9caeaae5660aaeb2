"""A limit of streamed answers, since each of them holds a connection."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Final

from fastapi.sse import ServerSentEvent, format_sse_event
from pydantic import BaseModel
from starlette.responses import StreamingResponse
from starlette.types import Send

from app.problems import RateLimited

RETRY_SECONDS: Final = 5

MIN_RETRY_MS: Final = 500
MAX_RETRY_MS: Final = 4500
"""Milliseconds after which the readers of a process that stops ask again, each after its own."""


@dataclass(eq=False)
class OpenStream:
    """One streamed answer; those of one session share a `name`.

    With `may_be_closed` a newer one may take its place, because its reader asks again. When it is
    closed as the process stops, its reader is told to ask again in `retry_ms`.
    """

    name: str
    may_be_closed: bool = True
    retry_ms: int | None = None
    _is_closed: bool = False
    _life: asyncio.Timeout | None = None

    def close(self) -> None:
        """End the answer, even while it waits for a reader that does not read."""
        self._is_closed = True
        if self._life is not None:
            self._life.reschedule(0)

    @contextlib.asynccontextmanager
    async def lasting(self) -> AsyncIterator[None]:
        """Open while the block lasts; `close` leaves the block early."""
        life = asyncio.timeout(0 if self._is_closed else None)
        try:
            async with life:
                self._life = life
                yield
        except TimeoutError:
            if not life.expired():
                raise
        finally:
            self._life = None


class StreamLimit:
    """Limits the open answers: of one name, where the oldest makes room, and of all names.

    Otherwise a reader whose connection was lost unnoticed would keep its place for good.
    """

    def __init__(self, *, of_one: int, of_all: int) -> None:
        self._of_one = of_one
        self._of_all = of_all
        self._open: list[OpenStream] = []
        self._is_stopping = False

    @contextlib.contextmanager
    def one_more(self, name: str = "", *, may_be_closed: bool = True) -> Iterator[OpenStream]:
        """One more answer while the block lasts; raises `RateLimited` when there is no room."""
        of_name = [stream for stream in self._open if stream.name == name]
        oldest = next((stream for stream in of_name if stream.may_be_closed), None)
        if len(of_name) >= self._of_one and oldest is not None:
            self._open.remove(oldest)
            oldest.close()
        elif len(of_name) >= self._of_one or len(self._open) >= self._of_all:
            raise RateLimited(
                "As much is followed or downloaded as may be at once.", retry_after=RETRY_SECONDS
            )
        stream = OpenStream(name, may_be_closed)
        self._open.append(stream)
        if self._is_stopping:
            _send_elsewhere(stream)
        try:
            yield stream
        finally:
            if stream in self._open:
                self._open.remove(stream)

    def close(self) -> None:
        """Close every answer that may be closed, now and later, because the process stops."""
        self._is_stopping = True
        for stream in self._open:
            _send_elsewhere(stream)


def _send_elsewhere(stream: OpenStream) -> None:
    """Close a stream; its reader asks again later, and not all readers at the same time."""
    if stream.may_be_closed:
        stream.retry_ms = MIN_RETRY_MS + secrets.randbelow(MAX_RETRY_MS - MIN_RETRY_MS)
        stream.close()


class EventStream(StreamingResponse):
    """A response of server-sent events, until they end or their stream is closed.

    FastAPI's own response has tasks between the events and the reader, which fail and are logged as
    bugs when a reader hangs up.
    """

    media_type = "text/event-stream"

    def __init__(self, events: AsyncIterator[ServerSentEvent], stream: OpenStream) -> None:
        # Otherwise nginx keeps events back until its buffer is full.
        super().__init__(_encoded(events), headers={"X-Accel-Buffering": "no"})
        self._stream = stream

    async def stream_response(self, send: Send) -> None:
        """Send the events as they come, and the end of the answer."""
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
        )
        async with self._stream.lasting():
            async for body in self.body_iterator:
                await send({"type": "http.response.body", "body": body, "more_body": True})
        retry_ms = self._stream.retry_ms
        last = b"" if retry_ms is None else format_sse_event(retry=retry_ms)
        await send({"type": "http.response.body", "body": last, "more_body": False})


async def _encoded(events: AsyncIterator[ServerSentEvent]) -> AsyncIterator[bytes]:
    async for event in events:
        data = event.data
        yield format_sse_event(
            data_str=data.model_dump_json() if isinstance(data, BaseModel) else None,
            event=event.event,
            id=event.id,
            retry=event.retry,
            comment=event.comment,
        )
