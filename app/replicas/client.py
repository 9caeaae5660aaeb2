"""Calls from one replica to another, over aiohttp's connections.

aiohttp is used without httpx, which joins headers that are sent twice, such as the two cookies of
an HTTP/2 proxy.
"""

import contextlib
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

import aiohttp
from multidict import CIMultiDict
from yarl import URL

CONNECT_SECONDS: Final = 2.0
"""How long a connection may take: replicas are near to each other."""

SILENT_SECONDS: Final = 60.0
"""How long an owner may send nothing: a session's events repeat its state every 15 s."""

IDLE_SECONDS: Final = 4.0
"""How long an unused connection is kept: less than the 5 s after which a replica closes it."""

MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024
"""The longest answer that is read whole; the list of a session's utterances has less than 2 MB."""

_MAX_HEAD_BYTES: Final = 32 * 1024
_SET_BY_AIOHTTP: Final = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")

_DEAD_PEER_OPTIONS: Final = {
    "TCP_KEEPIDLE": 5,
    "TCP_KEEPINTVL": 2,
    "TCP_KEEPCNT": 3,
    "TCP_USER_TIMEOUT": 10_000,
}
"""Socket options by which a machine that is gone is noticed within about 10 s, where they exist."""

Headers = Sequence[tuple[bytes, bytes]]


class ReplicaUnreachableError(Exception):
    """No connection to a replica could be made, and so nothing was sent."""


class ReplicaBrokeOffError(Exception):
    """A replica gave no whole answer, and may have carried the call out."""


@dataclass(frozen=True)
class ReplicaCall:
    """A call as it is sent: its method, its address with the query, its headers and its body.

    `body` is None where there is none. `is_streamed` tells that the body takes as long as its
    writer does, so that no answer is due meanwhile.
    """

    method: str
    url: str
    headers: Headers
    body: AsyncIterator[bytes] | None
    is_streamed: bool


class ReplicaAnswer:
    """The answer of a replica whose head has come."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers: Headers = response.raw_headers
        self.content_type = response.headers.get("Content-Type", "").partition(";")[0].strip()

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes; raises `ReplicaBrokeOffError`."""
        try:
            async for chunk in self._response.content.iter_any():
                yield chunk
        except (aiohttp.ClientError, OSError) as error:
            raise ReplicaBrokeOffError(type(error).__name__) from error

    async def read(self) -> bytes:
        """The whole body; raises `ReplicaBrokeOffError`, also when it is too long."""
        body = bytearray()
        async for chunk in self.chunks():
            body += chunk
            if len(body) > MAX_ANSWER_BYTES:
                raise ReplicaBrokeOffError("the answer is too long")
        return bytes(body)


class ReplicaClient:
    """Sends calls to replicas; each has its own connections, which are used again."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    @contextlib.asynccontextmanager
    async def send(self, call: ReplicaCall) -> AsyncIterator[ReplicaAnswer]:
        """The answer to a call; the call is closed after the block unless its answer was read.

        Raises `ReplicaUnreachableError` or `ReplicaBrokeOffError`.
        """
        silent_seconds = None if call.is_streamed else SILENT_SECONDS
        timeout = aiohttp.ClientTimeout(sock_connect=CONNECT_SECONDS, sock_read=silent_seconds)
        try:
            response = await self._session.request(
                call.method,
                URL(call.url, encoded=True),
                headers=CIMultiDict((_text(name), _text(value)) for name, value in call.headers),
                data=call.body,
                allow_redirects=False,
                timeout=timeout,
            )
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise ReplicaUnreachableError(type(error).__name__) from error
        except (aiohttp.ClientError, OSError) as error:
            raise ReplicaBrokeOffError(type(error).__name__) from error
        try:
            yield ReplicaAnswer(response)
        finally:
            response.close()


@contextlib.asynccontextmanager
async def open_replica_client() -> AsyncIterator[ReplicaClient]:
    """A client that follows no redirect, keeps no cookie, and asks no proxy of the environment."""
    async with aiohttp.ClientSession(
        # No limit: the connections that are answered here bound those that are passed on.
        connector=aiohttp.TCPConnector(
            limit=0, keepalive_timeout=IDLE_SECONDS, socket_factory=_socket
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=_SET_BY_AIOHTTP,
        max_line_size=_MAX_HEAD_BYTES,
        max_field_size=_MAX_HEAD_BYTES,
        trust_env=False,
    ) as session:
        yield ReplicaClient(session)


def _socket(address: aiohttp.AddrInfoType) -> socket.socket:
    family, kind, protocol, *_ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _DEAD_PEER_OPTIONS.items():
        if (option := getattr(socket, name, None)) is not None:
            made.setsockopt(socket.IPPROTO_TCP, option, value)
    return made


def _text(header: bytes) -> str:
    """A header as text that aiohttp sends as the same bytes: it writes UTF-8."""
    try:
        return header.decode()
    except UnicodeDecodeError:
        return header.decode("latin-1")
