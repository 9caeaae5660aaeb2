"""What every connection is held to before there is a request that a guard could look at.

uvicorn itself bounds neither how many connections there are, nor how long one may take over the
head of a request or over reading its answer, nor how large a head or a trailer may be.
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

MAX_HEAD_BYTES: Final = 32 * 1024
"""Also what may come of a body's frame, chunk extensions and trailers, with nothing of the body."""

MAX_URL_BYTES: Final = 8 * 1024
MAX_HEADERS: Final = 100

_MAPPED: Final = "::ffff:"

log = structlog.get_logger("connection")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionBounds:
    """Bounds that no setting changes; tests bring narrower ones."""

    most: int = 1000
    """The next connections are answered 503; beyond twice as many are closed without an answer."""

    head_seconds: float = 10.0
    """How long a client may owe what nobody waits for but the connection."""

    unread_seconds: float = 20.0
    """How long a client may read nothing of what waits for it."""


class GuardedConnection(HttpToolsProtocol):
    """uvicorn's protocol, with bounds.

    A deadline runs whenever no request is being answered: before the whole head of one is there,
    and while a body goes on that is not read any more. Those that are read are bounded by
    whoever reads them (`app/web/middleware/bodies.py`). Another runs while an answer is not read.
    """

    _deadline: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None
    _answered: RequestResponseCycle | None = None
    _is_in_head = False
    _unfinished_bytes = 0
    _got_on = False
    _refusal = HTTPStatus.BAD_REQUEST

    def __init__(self, *arguments: Any, bounds: ConnectionBounds, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._bounds = bounds

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Take a connection, if there is room for one more."""
        super().connection_made(transport)
        self.client = _of_ipv4(self.client)
        room = most_connections(self._bounds.most)
        if len(self.connections) > 2 * room:
            transport.abort()
        elif len(self.connections) > room:
            self.app = _overcrowded
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection.

        uvicorn tells the request that came last; it may be another that is being answered.
        """
        if self._answered is not None and not self._answered.response_complete:
            self._answered.disconnected = True
            self._answered.message_event.set()
        super().connection_lost(exc)
        self._forget_deadline()
        self._forget_unread()

    def data_received(self, data: bytes) -> None:
        """Parse what came, and bound what is no whole head and no body: the parser keeps all of it.

        Where nothing comes after an answer, uvicorn closes by itself.
        """
        self._got_on = False
        self._unset_keepalive_if_required()
        try:
            self._parse(data)
        except HttpParserError:
            self._refuse(self._refusal)
        self._unfinished_bytes = 0 if self._got_on else self._unfinished_bytes + len(data)
        if self._unfinished_bytes > MAX_HEAD_BYTES:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        self._watch()

    def pause_writing(self) -> None:
        """More of an answer waits than should; it must be read soon."""
        super().pause_writing()
        self._must_be_read()

    def resume_writing(self) -> None:
        """Most of it is read."""
        super().resume_writing()
        if not self.transport.is_closing():
            self._forget_unread()

    def on_response_complete(self) -> None:
        """Begin the next answer, or close when this was the last."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._must_be_read()

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection on which nothing was asked any more."""
        super().timeout_keep_alive_handler()
        self._must_be_read()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answered = cycle
        if cycle.waiting_for_100_continue:
            app = _last_unless_continued(app, cycle)
        super()._start_asgi_task(cycle, app)

    def _parse(self, data: bytes) -> None:
        """Read requests; an upgrade that one offers is ignored (RFC 9110, section 7.8).

        The parser takes all that follows an offer for the other protocol, the request's own body
        too, and can't be told otherwise. So it is given the head again, without the offer.
        """
        rest = memoryview(data)
        while True:
            try:
                self.parser.feed_data(rest)
            except HttpParserUpgrade as offered:
                head = self._head_without_offer()
                self.parser = HttpRequestParser(self)  # the other one may want no more requests
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # like uvicorn
                self.parser.feed_data(head)
                rest = rest[offered.args[0] :]
            else:
                return

    def _head_without_offer(self) -> bytes:
        version = self.parser.get_http_version().encode()
        lines = [self.parser.get_method() + b" " + self.url + b" HTTP/" + version]
        lines += [name + b": " + value for name, value in self.headers if name != b"upgrade"]
        return b"\r\n".join([*lines, b"", b""])

    # What the parser calls; an exception here refuses the request

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._is_in_head = True

    def on_url(self, url: bytes) -> None:
        """The next piece of the address."""
        super().on_url(url)
        if len(self.url) > MAX_URL_BYTES:
            self._refusal = HTTPStatus.REQUEST_URI_TOO_LONG
            raise ValueError

    def on_header(self, name: bytes, value: bytes) -> None:
        """The next header."""
        super().on_header(name, value)
        if len(self.headers) > MAX_HEADERS:
            self._refusal = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            raise ValueError

    def on_headers_complete(self) -> None:
        """The head is whole, and the request begins to be answered; without an offer (`_parse`)."""
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":  # whose offer is not in a header
                raise ValueError
            return
        self._is_in_head = False
        self._got_on = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """The next piece of a body."""
        self._got_on = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The body is whole; behind an offer nothing of it was read yet."""
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def _watch(self) -> None:
        cycle: RequestResponseCycle | None = self.cycle
        if (cycle is not None and not cycle.response_complete) or self.transport.is_closing():
            self._forget_deadline()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(self._bounds.head_seconds, self._give_up)

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        if self._is_in_head:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        self.transport.close()
        self._must_be_read()

    def _must_be_read(self) -> None:
        """See to it that what waits is read: closing alone would wait for that as well."""
        if self._unread is None:
            self._look_again_at(self.transport.get_write_buffer_size())

    def _look_again_at(self, waiting: int) -> None:
        seconds = self._bounds.unread_seconds
        self._unread = self.loop.call_later(seconds, self._abort_unless_less, waiting)

    def _abort_unless_less(self, waited: int) -> None:
        waiting = self.transport.get_write_buffer_size()
        if waiting < waited:
            self._look_again_at(waiting)
        else:
            self.transport.abort()

    def _forget_unread(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _refuse(self, status: HTTPStatus) -> None:
        """Answer, and close: what comes next can't be told from what is refused."""
        if self.transport.is_closing():
            return
        self._is_in_head = False
        answer = _problem(status)
        lines = [f"HTTP/1.1 {status.value} {status.phrase}".encode()]
        lines += [name + b": " + value for name, value in answer.raw_headers]
        self.transport.write(b"\r\n".join([*lines, b"", bytes(answer.body)]))
        self.transport.close()
        self._must_be_read()


def _last_unless_continued(app: ASGI3Application, cycle: RequestResponseCycle) -> ASGI3Application:
    """`app`, for a client that sends a body when it gets `100 Continue`.

    Where it gets an answer instead, only the end of the connection says whether the body follows.
    """

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_last(message: Message) -> None:
            if cycle.waiting_for_100_continue and cycle.more_body and not cycle.body:
                cycle.keep_alive = False
            await send(message)

        await app(scope, receive, send_last)  # type: ignore[arg-type] # uvicorn's types are ASGI's

    return answer  # type: ignore[return-value] # likewise


def _of_ipv4(client: tuple[str, int] | None) -> tuple[str, int] | None:
    """The address as IPv4 writes it, where a socket of IPv6 has mapped it."""
    if client is None or not client[0].startswith(_MAPPED):
        return client
    return client[0].removeprefix(_MAPPED), client[1]


async def _overcrowded(scope: Scope, receive: Receive, send: Send) -> None:
    """The application of those who are one too many."""
    await _problem(HTTPStatus.SERVICE_UNAVAILABLE)(scope, receive, send)


def _problem(status: HTTPStatus) -> Response:
    """A problem that its status says all about (RFC 9457); the connection ends with it."""
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
