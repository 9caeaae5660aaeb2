"""A broker of this process at a port, for callers that are no part of it."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ADDRESS: Final = "127.0.0.2"
"""Not where a load balancer of another test may still look for a replica that had this port."""


@dataclass
class Served:
    """Where it is, and the method and status of each request that it has answered."""

    url: str
    answered: list[tuple[str, int]] = field(default_factory=list)


@asynccontextmanager
async def served(app: ASGIApp) -> AsyncIterator[Served]:
    """An app whose lifespan has begun."""
    with socket.create_server((ADDRESS, 0)) as listener:
        broker = Served(f"http://{ADDRESS}:{listener.getsockname()[1]}")

        async def noted(scope: Scope, receive: Receive, send: Send) -> None:
            async def sent(message: Message) -> None:
                if message["type"] == "http.response.start":
                    broker.answered.append((scope["method"], int(message["status"])))
                await send(message)

            await app(scope, receive, sent)

        config = uvicorn.Config(noted, lifespan="off", log_config=None)
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup([listener])
        try:
            yield broker
        finally:
            server.force_exit = True  # callers keep their connections
            await server.shutdown([listener])
