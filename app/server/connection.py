"""Limits on connections that apply before any middleware sees a request.

uvicorn limits neither the number of connections, nor the time for sending a request's head or for
reading its answer, nor the size of a head or of trailers.
"""

import asyncio
import json
import secrets
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import structlog
from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from app.server.descriptors import most_connections
from app.server.joined_writes import JoinedWrites

MAX_HEAD_BYTES: Final = 32 * 1024
"""The largest head of a request, and the longest run of chunk extensions or trailers."""

MAX_URL_BYTES: Final = 8 * 1024
MAX_HEADERS: Final = 100

_IPV4_MAPPED: Final = "::ffff:"

log = structlog.get_logger("connection")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionBounds:
    """The limits of connections, which no setting changes; tests bring narrower ones."""

    most: int = 1000
    """How many connections are served; more are answered 503, beyond twice as many are closed."""

    head_seconds: float = 10.0
    """How long a connection may be without a request that is being answered."""

    unread_seconds: float = 20.0
    """How long a client may read nothing while part of an answer waits for it."""


class LimitedConnection(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 protocol with limits on time and size.

    One deadline (`HEAD_SECONDS`) runs whenever no request is being answered: until the head of a
    request is complete, and while a body goes on after its answer. A body that the application
    reads is limited in `app/web/middleware/bodies.py`. The other deadline (`UNREAD_SECONDS`) runs
    while the client does not read its answer.
    """

    _deadline: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None
    _answered: RequestResponseCycle | None = None
    _is_in_head = False
    _unfinished_bytes = 0
    _has_progressed = False
    _refusal = HTTPStatus.BAD_REQUEST

    def __init__(self, *arguments: Any, bounds: ConnectionBounds, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._bounds = bounds

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # uvicorn's signature
        """Accept a connection, or refuse it when there are too many."""
        super().connection_made(transport)
        self.client = _unmapped(self.client)
        limit = most_connections(self._bounds.most)
        if len(self.connections) > 2 * limit:
            transport.abort()
        elif len(self.connections) > limit:
            self.app = _unavailable
        self._set_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the request that is being answered, and cancel the deadlines.

        uvicorn tells only the request that came last, which with pipelining may be another.
        """
        if self._answered is not None and not self._answered.response_complete:
            self._answered.disconnected = True
            self._answered.message_event.set()
        super().connection_lost(exc)
        self._cancel_deadline()
        self._cancel_unread()

    def data_received(self, data: bytes) -> None:
        """Parse received bytes, and limit how many may come without completing a head or a body.

        httptools buffers a header until it is complete, so without this limit memory would grow.
        """
        self._has_progressed = False
        self._unset_keepalive_if_required()
        try:
            self._parse(data)
        except HttpParserError:
            self._refuse(self._refusal)
        self._unfinished_bytes = 0 if self._has_progressed else self._unfinished_bytes + len(data)
        if self._unfinished_bytes > MAX_HEAD_BYTES:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        self._set_deadline()

    def pause_writing(self) -> None:
        """Stop writing, as the buffer is full, and give the client time to read from it."""
        super().pause_writing()
        self._require_reading()

    def resume_writing(self) -> None:
        """Go on writing, as the client has read most of the buffer."""
        super().resume_writing()
        if not self.transport.is_closing():
            self._cancel_unread()

    def on_response_complete(self) -> None:
        """Begin the next answer, or close when this was the last one."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._require_reading()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle keep-alive connection."""
        super().timeout_keep_alive_handler()
        self._require_reading()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answered = cycle
        cycle.transport = JoinedWrites(cycle.transport, self.loop)  # type: ignore[assignment] # it is one
        if cycle.waiting_for_100_continue:
            app = _last_unless_continued(app, cycle)
        super()._start_asgi_task(cycle, app)

    def _parse(self, data: bytes) -> None:
        """Parse requests, and ignore the upgrades that they offer (RFC 9110, section 7.8).

        After an offer httptools takes everything, the request's own body too, for the other
        protocol. So a new parser is fed the same head without the offer, and then the rest.
        """
        rest = memoryview(data)
        while True:
            try:
                self.parser.feed_data(rest)
            except HttpParserUpgrade as offered:
                head = self._head_without_offer()
                self.parser = HttpRequestParser(self)  # the old one may parse no more requests
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn
                self.parser.feed_data(head)
                rest = rest[offered.args[0] :]
            else:
                return

    def _head_without_offer(self) -> bytes:
        version = self.parser.get_http_version().encode()
        lines = [self.parser.get_method() + b" " + self.url + b" HTTP/" + version]
        lines += [name + b": " + value for name, value in self.headers if name != b"upgrade"]
        return b"\r\n".join([*lines, b"", b""])

    # The parser's callbacks; an exception in one refuses the request

    def on_message_begin(self) -> None:
        """Begin a request's head."""
        super().on_message_begin()
        self._is_in_head = True

    def on_url(self, url: bytes) -> None:
        """Add the next piece of the URL, up to `MAX_URL_BYTES`."""
        super().on_url(url)
        if len(self.url) > MAX_URL_BYTES:
            self._refusal = HTTPStatus.REQUEST_URI_TOO_LONG
            raise ValueError

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add the next header, up to `MAX_HEADERS`."""
        super().on_header(name, value)
        if len(self.headers) > MAX_HEADERS:
            self._refusal = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            raise ValueError

    def on_headers_complete(self) -> None:
        """Begin to answer a request whose head is complete, unless it offers an upgrade.

        A head with an offer is parsed again (`_parse`).
        """
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":  # its offer is not a header to remove
                raise ValueError
            return
        self._is_in_head = False
        self._has_progressed = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Pass on the next piece of a body."""
        self._has_progressed = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Finish a request, unless its head is to be parsed again (`_parse`)."""
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def _set_deadline(self) -> None:
        """Start the head's deadline, or cancel it while a request is being answered."""
        cycle: RequestResponseCycle | None = self.cycle
        if (cycle is not None and not cycle.response_complete) or self.transport.is_closing():
            self._cancel_deadline()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(self._bounds.head_seconds, self._time_out)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _time_out(self) -> None:
        if self._is_in_head:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        self.transport.close()
        self._require_reading()

    def _require_reading(self) -> None:
        """Abort the connection unless the client goes on reading; closing it waits for that too."""
        if self._unread is None:
            self._check_later(self.transport.get_write_buffer_size())

    def _check_later(self, unread_bytes: int) -> None:
        seconds = self._bounds.unread_seconds
        self._unread = self.loop.call_later(seconds, self._abort_unless_less, unread_bytes)

    def _abort_unless_less(self, previous: int) -> None:
        unread_bytes = self.transport.get_write_buffer_size()
        if unread_bytes < previous:
            self._check_later(unread_bytes)
        else:
            self.transport.abort()

    def _cancel_unread(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _refuse(self, status: HTTPStatus) -> None:
        """Answer with an error, and close: where the next request begins is unknown."""
        if self.transport.is_closing():
            return
        self._is_in_head = False
        answer = _problem(status)
        lines = [f"HTTP/1.1 {status.value} {status.phrase}".encode()]
        lines += [name + b": " + value for name, value in answer.raw_headers]
        self.transport.write(b"\r\n".join([*lines, b"", bytes(answer.body)]))
        self.transport.close()
        self._require_reading()


def _last_unless_continued(app: ASGI3Application, cycle: RequestResponseCycle) -> ASGI3Application:
    """Wrap `app` for a client that sends its body only after `100 Continue`.

    When the application answers without reading the body, the connection is closed: whether the
    body will still follow can't be known.
    """

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_last(message: Message) -> None:
            if cycle.waiting_for_100_continue and cycle.more_body and not cycle.body:
                cycle.keep_alive = False
            await send(message)

        await app(scope, receive, send_last)  # type: ignore[arg-type] # uvicorn's types are ASGI's

    return answer  # type: ignore[return-value] # uvicorn's types are ASGI's


def _unmapped(client: tuple[str, int] | None) -> tuple[str, int] | None:
    """The client's address, as plain IPv4 where it is an IPv4-mapped IPv6 address."""
    if client is None or not client[0].startswith(_IPV4_MAPPED):
        return client
    return client[0].removeprefix(_IPV4_MAPPED), client[1]


async def _unavailable(scope: Scope, receive: Receive, send: Send) -> None:
    """The application for connections beyond the limit: it answers 503."""
    await _problem(HTTPStatus.SERVICE_UNAVAILABLE)(scope, receive, send)


def _problem(status: HTTPStatus) -> Response:
    """A problem+json answer of type `about:blank` (RFC 9457), with `Connection: close`."""
    request_id = secrets.token_hex(8)
    log.info("refused", request_id=request_id, status=status.value)
    document = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": status.description or status.phrase,
        "requestId": request_id,
    }
    headers = {"Connection": "close", "X-Request-ID": request_id, "Cache-Control": "no-store"}
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = "5"
    return Response(
        json.dumps(document), status, headers=headers, media_type="application/problem+json"
    )
