"""Brokers on one Postgres that reach each other on loopback, all in the process of the test."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI
from sqlalchemy import Connection, select, update

from app.db.database import Database
from app.main import Transports, create_app
from app.replicas.postgres_lease import PostgresLease
from app.replicas.table import REPLICAS, ReplicaState
from app.server.process import _server
from app.sessions.clock import Clocks
from app.sessions.store.repository import SESSIONS
from app.web.middleware.forwarder import Forwarder
from tests.support.doubles import FakeClock, FakeKaltura, settings


@dataclass(eq=False)
class JoinedBroker:
    """A broker that others reach at `url`."""

    app: FastAPI
    url: str
    server: uvicorn.Server
    serving: "asyncio.Task[None]"
    database: Database

    @property
    def name(self) -> str:
        """The random name by which rows know it."""
        return self.database.process_name

    @property
    def lease(self) -> PostgresLease:
        lease = self.database.process_locks
        assert isinstance(lease, PostgresLease)
        return lease

    @property
    def forwarder(self) -> Forwarder:
        forwarder: Forwarder = self.server.lifespan.state["forwarder"]
        return forwarder

    def client(self, **options: Any) -> httpx.AsyncClient:
        """A visitor who reaches this broker over a real connection."""
        return httpx.AsyncClient(base_url=self.url, trust_env=False, timeout=30, **options)

    async def take_over(self, of: "JoinedBroker") -> None:
        """Take the sessions into memory whose rows name another, as a lease does."""
        registry = self.server.lifespan.state["registry"]
        own = select(SESSIONS).where(SESSIONS.c.holder == of.name)
        for session in registry._store._readable(await self.database.read(own)):
            registry.add(session)

    def cut(self) -> None:
        """Break off every connection to it, as a kill does."""
        for connection in list(self.server.server_state.connections):
            connection.transport.abort()

    def close(self) -> None:
        """Break off every connection, and take no other."""
        for listening in self.server.servers:
            listening.close()
        self.cut()


class JoinedBrokers:
    """Starts brokers on one database; all speak to one Kaltura and have one wall clock."""

    def __init__(self, url: str, kaltura: FakeKaltura, clock: FakeClock) -> None:
        self.kaltura = kaltura
        self.clock = clock
        self.started: list[JoinedBroker] = []
        self._url = url

    async def start(self, *, clocks: Clocks | None = None, **changes: Any) -> JoinedBroker:
        """One more broker, in the table of replicas."""
        listening = socket.create_server(("127.0.0.1", 0))
        host, port = listening.getsockname()
        url = f"http://{host}:{port}"
        app = create_app(
            settings(database_url=self._url, **changes),
            transports=Transports(kaltura=self.kaltura),
            clocks=clocks or Clocks(wall=self.clock),
            listening_at=(host, port),
        )
        server = _server(app)
        serving = asyncio.create_task(server.serve([listening]))
        while not server.started:
            assert not serving.done(), serving
            await asyncio.sleep(0.01)
        state = server.lifespan.state
        broker = JoinedBroker(app, url, server, serving, state["usage"].database)
        self.started.append(broker)
        return broker

    async def declare_dead(self, broker: JoinedBroker, by: JoinedBroker) -> None:
        """Say of a broker that it is no more, as another does when its lease is over."""
        dead = {"state": ReplicaState.DEAD.value}
        await self._write(by, update(REPLICAS).where(REPLICAS.c.holder == broker.name).values(dead))

    async def give(self, broker: JoinedBroker, *, to: JoinedBroker) -> None:
        """Let the rows of its sessions name another."""
        own = SESSIONS.c.holder == broker.name
        await self._write(to, update(SESSIONS).where(own).values(holder=to.name))

    async def _write(self, broker: JoinedBroker, statement: Any) -> None:
        def work(connection: Connection) -> None:
            connection.execute(statement)

        await broker.database.write(work)

    async def aclose(self) -> None:
        for broker in self.started:
            broker.server.should_exit = True
        for broker in self.started:
            with contextlib.suppress(SystemExit):
                await broker.serving


@contextlib.asynccontextmanager
async def joined_brokers(
    url: str, kaltura: FakeKaltura, clock: FakeClock
) -> AsyncIterator[JoinedBrokers]:
    """Brokers on this database, stopped after the block."""
    brokers = JoinedBrokers(url, kaltura, clock)
    try:
        yield brokers
    finally:
        await brokers.aclose()
