"""Replicas of the broker: on one Postgres, behind HAProxy, on a network that tests can break."""

import asyncio
import contextlib
import signal
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import asyncpg
import httpx

from app.kaltura.contract import MIRROR_PATH
from tests.support.haproxy import haproxy
from tests.support.postgres import Postgres, postgres
from tests.support.processes import COMMAND, READY_SECONDS, environment, free_port
from tests.support.tcp_proxy import TcpProxy, passing

EXIT_SECONDS: Final = 45
"""How long a replica that is asked to stop may take."""


@dataclass
class Replica:
    """One broker: it is reached by others, and reaches Postgres, through a `TcpProxy` each.

    Its processes come one after the other, always at the same address.
    """

    directory: Path
    port: int
    settings: dict[str, str]
    to_postgres: TcpProxy
    from_peers: TcpProxy
    exit_codes: list[int] = field(default_factory=list)
    """Of the processes that were asked to stop."""

    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where this replica answers, past the balancer."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """What all its processes have printed."""
        return self.directory / "log"

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process that was started last."""
        assert self._process is not None
        return self._process

    async def start(self) -> None:
        """Start a process, and wait until it answers."""
        with self.log.open("ab") as log:
            self._process = await asyncio.to_thread(
                subprocess.Popen,
                [COMMAND, "serve", "--port", str(self.port)],
                cwd=self.directory,
                env=environment(**self.settings),
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl+C ends what is around it first, and in order
            )
        async with asyncio.timeout(READY_SECONDS), httpx.AsyncClient(trust_env=False) as http:
            while not await self._answers(http):
                assert self.process.poll() is None, self.log.read_text(encoding="utf-8")
                await asyncio.sleep(0.1)
        await self.from_peers.listen()

    def kill(self) -> None:
        """End the process as a crash does."""
        self.process.kill()
        self.process.wait()
        self.from_peers.refuse()

    def pause(self) -> None:
        """Let the process do nothing, as on a machine that is out of memory."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused process go on."""
        self.process.send_signal(signal.SIGCONT)

    async def stop(self) -> None:
        """Ask the process to stop, and wait until it has; kill it after `EXIT_SECONDS`."""
        if self._process is None or self._process.poll() is not None:
            return
        self.process.terminate()
        try:
            code = await asyncio.to_thread(self.process.wait, EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            code = -signal.SIGKILL
        self.from_peers.refuse()
        self.exit_codes.append(code)

    async def _answers(self, http: httpx.AsyncClient) -> bool:
        try:
            return (await http.get(f"{self.url}/healthz")).is_success
        except httpx.TransportError:
            return False


@dataclass(frozen=True)
class Replicas:
    """Several replicas, the balancer before them at `url`, and what they share."""

    url: str
    each: list[Replica]
    postgres: Postgres
    database: str

    async def record(self) -> dict[str, bool]:
        """Every session in the database, and whether it is ended at Kaltura."""
        address = self.database.replace("+asyncpg", "")
        connection = await asyncpg.connect(address)
        try:
            rows = await connection.fetch("SELECT session_id, ended_upstream FROM sessions")
        finally:
            await connection.close()
        return {row["session_id"]: bool(row["ended_upstream"]) for row in rows}


@contextlib.asynccontextmanager
async def replicas(
    directory: Path, kaltura_url: str, count: int = 3, older: Path | None = None, /, **settings: str
) -> AsyncIterator[Replicas]:
    """So many replicas with these settings, as long as the block lasts.

    The first one runs the code of the tree `older`, where one is given.
    """
    async with contextlib.AsyncExitStack() as stack:
        server = stack.enter_context(postgres())
        database = server.new_database()
        each = []
        for number in range(1, count + 1):
            own = directory / f"replica-{number}"
            own.mkdir()
            port = free_port()
            to_postgres = await stack.enter_async_context(passing(server.port))
            from_peers = await stack.enter_async_context(passing(port))
            through_proxies = {
                "AVATAR_BASE_URL": f"{kaltura_url}{MIRROR_PATH}",
                "DATABASE_URL": _at_port(database, to_postgres.port),
                "REPLICA_URL": f"http://127.0.0.1:{from_peers.port}",
                "TRUSTED_PROXIES": "127.0.0.1",
            }
            code = {"PYTHONPATH": str(older)} if older and number == 1 else {}
            its_own = settings | through_proxies | code
            each.append(Replica(own, port, its_own, to_postgres, from_peers))
        stack.push_async_callback(_stop_all, each)
        for replica in each:
            await replica.start()
        addresses = [f"127.0.0.1:{replica.port}" for replica in each]
        balancer = stack.enter_context(haproxy(directory, addresses))
        yield Replicas(balancer.url, each, server, database)


async def _stop_all(each: list[Replica]) -> None:
    await asyncio.gather(*(replica.stop() for replica in each))


def _at_port(database: str, port: int) -> str:
    return urlsplit(database)._replace(netloc=f"broker@127.0.0.1:{port}").geturl()
