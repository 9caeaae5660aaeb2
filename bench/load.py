"""A load generator with little overhead: prepared requests over persistent connections."""

import asyncio
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from statistics import quantiles
from typing import Final

_BODY_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_END_OF_HEAD: Final = b"\r\n\r\n"
_OK: Final = (b"HTTP/1.1 200", b"HTTP/1.1 201")
GIVE_UP_SECONDS: Final = 600
"""The longest time that one load may take."""


@dataclass(frozen=True)
class Load:
    """The result of a load: its total time, and the time of each call in milliseconds."""

    seconds: float
    times_ms: list[float]
    bodies: list[bytes]

    @property
    def calls(self) -> int:
        """How many calls were answered."""
        return len(self.times_ms)

    @property
    def rate(self) -> float:
        """The calls answered in a second."""
        return self.calls / self.seconds

    def percentile(self, percent: int) -> float:
        """The milliseconds within which `percent` of the calls were answered."""
        if self.calls == 1:
            return self.times_ms[0]
        return quantiles(self.times_ms, n=100, method="inclusive")[percent - 1]


def request(
    path: str, *, method: str = "POST", token: str | None = None, body: bytes = b"", host: str
) -> bytes:
    """The bytes of an HTTP request."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}"]
    if token is not None:
        lines.append(f"Authorization: Bearer {token}")
    if body:
        lines.append("Content-Type: application/json")
    if method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


async def load(
    port: int, requests: Sequence[bytes], connections: int, seconds: float = 0.0
) -> Load:
    """Send every request once, over so many connections; each sends one after the other.

    They are sent evenly over so many seconds, as far as the server keeps up. Raises `RuntimeError`
    at the first answer that is no success.
    """
    loop = asyncio.get_running_loop()
    connected: list[_Connection] = []
    try:
        for n in range(min(connections, len(requests))):
            of_this = partial(_Connection, requests[n::connections])
            _, connection = await loop.create_connection(of_this, "127.0.0.1", port)
            connected.append(connection)
        started = time.perf_counter()
        interval, now = seconds / len(requests), loop.time()
        for n, connection in enumerate(connected):
            connection.start(now + n * interval, interval * len(connected))
        async with asyncio.timeout(GIVE_UP_SECONDS):
            await asyncio.gather(*(connection.done for connection in connected))
        took = time.perf_counter() - started
    finally:
        for connection in connected:
            connection.close()
    return Load(
        took,
        [time_ms for connection in connected for time_ms in connection.times_ms],
        [body for connection in connected for body in connection.bodies],
    )


class _Connection(asyncio.Protocol):
    def __init__(self, requests: Sequence[bytes]) -> None:
        self._requests = iter(requests)
        self._received = b""
        self._next_at = self._interval = self._sent_at = 0.0
        self._transport: asyncio.WriteTransport | None = None
        self.times_ms: list[float] = []
        self.bodies: list[bytes] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.WriteTransport) -> None:  # type: ignore[override] # it is TCP's
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        if not self.done.done():
            self.done.set_exception(RuntimeError("the server closed a connection"))

    def start(self, at: float, interval: float) -> None:
        self._next_at, self._interval = at, interval
        self._send_next()

    def _send_next(self) -> None:
        following = next(self._requests, None)
        if following is None:
            self.done.set_result(None)
            return
        at, self._next_at = self._next_at, self._next_at + self._interval
        loop = asyncio.get_running_loop()
        if at > loop.time():
            loop.call_at(at, self._send, following)
        else:
            self._send(following)

    def _send(self, request: bytes) -> None:
        if self._transport is not None:
            self._sent_at = time.perf_counter()
            self._transport.write(request)

    def close(self) -> None:
        self.done.cancel()
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(_END_OF_HEAD)
        length = _BODY_LENGTH.search(self._received) if end >= 0 else None
        if length is None or len(self._received) < end + len(_END_OF_HEAD) + int(length[1]):
            return
        self.times_ms.append((time.perf_counter() - self._sent_at) * 1000)
        answer, self._received = self._received, b""
        if not answer.startswith(_OK):
            self.done.set_exception(RuntimeError(f"no success: {answer.decode('latin1')}"))
            return
        self.bodies.append(answer[end + len(_END_OF_HEAD) :])
        self._send_next()
