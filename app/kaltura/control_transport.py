"""The HTTP transport of Kaltura's API: HTTP/1.1 requests and answers that are sent and read whole.

Libraries that stream both take five times the processor time of such a call: with aiohttp below
httpx a whole speak costs 12% more.
"""

import asyncio
import socket
import ssl
import time
from collections import defaultdict, deque
from collections.abc import Callable
from functools import cached_property
from typing import Final, NamedTuple

import aiohappyeyeballs
import httptools
import httpx

KEEP_WARM_SECONDS: Final = 75
"""How long an idle connection is kept: more than a visitor's pause of a minute."""

MAX_READ_BYTES: Final = 2 * 1024 * 1024
"""The longest answer, head included, that is read; `HttpClient` then accepts half of it at most."""

NEXT_ADDRESS_SECONDS: Final = 0.25
"""How long one address of a host may take until the next is tried too (RFC 8305)."""


class Origin(NamedTuple):
    """Where connections lead to."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: httpx.URL) -> "Origin":
        """The origin of a URL with the scheme http or https."""
        port = url.port or (443 if url.scheme == "https" else 80)
        return cls(url.scheme, url.raw_host.decode("ascii"), port)


class ControlTransport(httpx.AsyncBaseTransport):
    """Sends requests, each over a connection that no other request uses meanwhile.

    It follows no redirects, keeps no cookies, takes no proxy and sends nothing twice. The number of
    connections has no limit: an end must not wait for those on which Kaltura is silent. Whoever
    waits for an answer sets a deadline; a call that is cancelled closes its connection.

    Raises `httpx.ConnectError` when nothing was sent, and another `httpx.TransportError` when no
    whole answer came.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._idle: defaultdict[Origin, deque[_Connection]] = defaultdict(deque)
        """The connections of each origin that are not used, the last used last."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, and return its answer, whose body has been read."""
        content = _head(request) + await request.aread()
        origin = Origin.of(request.url)
        connection = self._take(origin) or await self._connect(origin)
        try:
            response = await connection.exchange(content)
        except BaseException:
            connection.close()
            raise
        self._give_back(origin, connection)
        return response

    async def aclose(self) -> None:
        """Close the connections that are not used."""
        for idle in self._idle.values():
            for connection in idle:
                connection.close()
        self._idle.clear()

    def _take(self, origin: Origin) -> "_Connection | None":
        """A connection that is open and idle; None where there is none."""
        idle = self._idle[origin]
        while idle:
            connection = idle.pop()
            if self._is_usable(connection):
                return connection
            connection.close()
        return None

    def _give_back(self, origin: Origin, connection: "_Connection") -> None:
        idle = self._idle[origin]
        while idle and not self._is_usable(idle[0]):
            idle.popleft().close()
        connection.idle_since = self._monotonic()
        idle.append(connection)

    def _is_usable(self, connection: "_Connection") -> bool:
        is_old = self._monotonic() - connection.idle_since > KEEP_WARM_SECONDS
        return connection.is_open and not is_old

    async def _connect(self, origin: Origin) -> "_Connection":
        loop = asyncio.get_running_loop()
        encrypted = origin.scheme == "https"
        try:
            addresses = await loop.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
            connected = await aiohappyeyeballs.start_connection(
                addresses, happy_eyeballs_delay=NEXT_ADDRESS_SECONDS, interleave=1
            )
            _, connection = await loop.create_connection(
                _Connection,
                sock=connected,
                ssl=self._tls if encrypted else None,
                server_hostname=origin.host if encrypted else None,
            )
        except OSError as error:
            raise httpx.ConnectError("no connection") from error
        return connection

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """Made at the first connection that needs it: the authorities take 20 ms to read."""
        return ssl.create_default_context()


class _Connection(asyncio.Protocol):
    """One connection, over which one request after the other is sent."""

    def __init__(self) -> None:
        self.idle_since = 0.0
        self._transport: asyncio.Transport | None = None
        self._answer: _Answer | None = None
        """The answer that is awaited; None while the connection is idle."""

        self._keeps_alive = True

    @property
    def is_open(self) -> bool:
        """Whether another request can be sent."""
        return self._keeps_alive and not (self._transport is None or self._transport.is_closing())

    async def exchange(self, request: bytes) -> httpx.Response:
        """Send the bytes of a request, and read the answer."""
        assert self._transport is not None  # noqa: S101 - asyncio has called `connection_made`
        self._answer = answer = _Answer()
        self._transport.write(request)
        try:
            response = await answer.whole
        finally:
            self._answer = None
            answer.release()
        self._keeps_alive = answer.keeps_alive
        return response

    def close(self) -> None:
        """Close the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # it is TCP's
        """Called by asyncio: the connection is open."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Called by asyncio: a part of an answer; what nobody asked for closes the connection."""
        if self._answer is None or self._answer.whole.done():
            self.close()
        else:
            self._answer.read(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio: the connection is closed."""
        if self._answer is not None:
            self._answer.end(exc)


class _Answer:
    """An answer while it arrives; its methods `on_...` are called by the parser."""

    def __init__(self) -> None:
        self.whole: asyncio.Future[httpx.Response] = asyncio.get_running_loop().create_future()
        self.keeps_alive = False
        self._parser = httptools.HttpResponseParser(self)
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._left = MAX_READ_BYTES
        self._is_in_body = False

    def read(self, data: bytes) -> None:
        """Read a part of the answer."""
        self._left -= len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(httpx.RemoteProtocolError("no HTTP answer"), error)
        if self._left < 0:
            self._fail(httpx.RemoteProtocolError("the answer is too long"))

    def end(self, cause: Exception | None) -> None:
        """Note that the connection is closed, which also ends an answer without a length."""
        names = {name.lower() for name, _ in self._headers}
        if self._is_in_body and not names & {b"content-length", b"transfer-encoding"}:
            self._finish()
        else:
            self._fail(httpx.ReadError("the connection was closed"), cause)

    def release(self) -> None:
        """Release the parser, which refers to this answer too.

        Python's collector need not find the two, which was most of its work: 3% of a speak.
        """
        del self._parser

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._is_in_body = True

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() < httpx.codes.OK:  # an interim answer
            self._headers.clear()
            self._is_in_body = False
        else:
            self.keeps_alive = self._parser.should_keep_alive()
            self._finish()

    def on_message_begin(self) -> None:
        if self.whole.done():
            self.keeps_alive = False  # more came than was asked for

    def _finish(self) -> None:
        if not self.whole.done():
            status, body = self._parser.get_status_code(), httpx.ByteStream(b"".join(self._body))
            self.whole.set_result(httpx.Response(status, headers=self._headers, stream=body))

    def _fail(self, error: httpx.TransportError, cause: BaseException | None = None) -> None:
        if not self.whole.done():
            error.__cause__ = cause
            self.whole.set_exception(error)


def _head(request: httpx.Request) -> bytes:
    """The head of a request as it is sent; raises `httpx.LocalProtocolError` for a line break."""
    lines = [
        b"%s %s HTTP/1.1" % (request.method.encode("ascii"), request.url.raw_path),
        *(b"%s: %s" % header for header in request.headers.raw),
    ]
    head = b"\r\n".join(lines)
    if head.count(b"\n") != len(lines) - 1 or head.count(b"\r") != len(lines) - 1:
        raise httpx.LocalProtocolError("a line break in a header")
    return head + b"\r\n\r\n"
