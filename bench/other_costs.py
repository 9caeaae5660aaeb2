"""The broker's other costs: creates, followers of events, memory and its start."""

import asyncio
import socket
import time
from pathlib import Path
from statistics import median
from typing import Final

from bench.load import request
from bench.plan import Plan
from bench.processor import memory_bytes, processor_seconds
from bench.servers import BROKER, HOST, SAID_SECONDS, BenchmarkSession, Server, server

CONNECTIONS: Final = 32
FOLLOWERS_EACH: Final = 4
MOST_FOLLOWERS: Final = 400
"""The most followers in this benchmark; the broker allows 500."""

PAGES: Final = 20
EVENT: Final = b"event: utterance"


async def print_other_costs(plan: Plan, directory: Path, base_url: str) -> None:
    """Print the other costs, measured in a broker that has no session at first."""
    async with server(BROKER, directory, base_url) as broker:
        print("\nOther costs of the broker:")
        _show("start until ready", broker.start_seconds * 1000, "ms of processor time")
        first, *others = [_first_byte_ms(broker.port) for _ in range(PAGES)]
        _show("first byte of the page", first, "ms, of the first page")
        _show("", median(others), "ms, of each after it")
        await _grow(plan, broker)
        await _follow(plan, broker)


async def _grow(plan: Plan, broker: Server) -> None:
    """Print the cost of a create, and of a speak at several numbers of live sessions.

    It is always the same sessions that are spoken in, since the first of several speaks in a row
    costs more than the others.
    """
    empty = memory_bytes(broker.process_id)
    for count in plan.grown_to:
        created = await broker.open(count - len(broker.sessions), CONNECTIONS)
        await broker.speak(len(broker.sessions), CONNECTIONS)
        spoken = await broker.speak(plan.calls, CONNECTIONS, plan.grown_to[0])
        grown = (memory_bytes(broker.process_id) - empty) / len(broker.sessions)
        print(f"  with {count} live sessions:")
        _show("create", created.cpu_ms, "ms of processor time")
        _show("speak", spoken.cpu_ms, "ms of processor time")
        _show("memory of a session", grown / 1024, "KB")


async def _follow(plan: Plan, broker: Server) -> None:
    """Print the cost of an event to one follower, from speaks with and without followers."""
    broker.sessions = broker.sessions[: min(plan.sessions, MOST_FOLLOWERS // FOLLOWERS_EACH)]
    calls = plan.calls // len(broker.sessions) * len(broker.sessions)
    alone = await _spent_ms(broker, calls)
    followers = [
        await _Follower.of(broker.port, session)
        for session in broker.sessions
        for _ in range(FOLLOWERS_EACH)
    ]
    try:
        await asyncio.sleep(1)  # each follower first gets the earlier events
        told = sum(follower.events for follower in followers)
        followed = await _spent_ms(broker, calls)
        events = sum(follower.events for follower in followers) - told
    finally:
        for follower in followers:
            follower.close()
    _show("event to one follower", (followed - alone) / events * 1000, "us of processor time")


async def _spent_ms(broker: Server, calls: int) -> float:
    """The processor time of speaks until all of them are said, in milliseconds."""
    before = processor_seconds(broker.process_id)
    await broker.speak(calls, CONNECTIONS)
    await asyncio.sleep(-(-calls // len(broker.sessions)) * SAID_SECONDS)
    return (processor_seconds(broker.process_id) - before) * 1000


def _first_byte_ms(port: int) -> float:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        started = time.perf_counter()
        connection.sendall(request("/", method="GET", host=HOST))
        connection.recv(1)
        return (time.perf_counter() - started) * 1000


def _show(name: str, value: float, unit: str) -> None:
    print(f"{name:>36}{value:>20.2f} {unit}")


class _Follower(asyncio.Protocol):
    """Follows a session's events, and counts them."""

    def __init__(self, session: BenchmarkSession) -> None:
        self._session = session
        self._transport: asyncio.Transport | None = None
        self.events = 0

    @classmethod
    async def of(cls, port: int, session: BenchmarkSession) -> "_Follower":
        loop = asyncio.get_running_loop()
        _, follower = await loop.create_connection(lambda: cls(session), "127.0.0.1", port)
        return follower

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # it is TCP's
        self._transport = transport
        transport.write(self._session.request("events", method="GET"))

    def data_received(self, data: bytes) -> None:
        self.events += data.count(EVENT)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
