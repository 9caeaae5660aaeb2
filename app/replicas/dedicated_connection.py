"""A connection to Postgres outside of the pool: it renews the lease, and gets notifications."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import asyncpg

from app.db.postgres import Connect

FAILURES: Final = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""The errors of a statement when Postgres can't be reached, or does not answer in time."""


class DedicatedConnection:
    """One connection outside of the pool; a statement after a failure opens it anew.

    Each statement may take `seconds`, connecting included. All raise `FAILURES`.
    """

    def __init__(self, connect: Connect, *, seconds: float) -> None:
        self._connect = connect
        self._seconds = seconds
        self._connection: asyncpg.Connection | None = None
        self._handlers: dict[str, list[Callable[[str], None]]] = {}
        self._listening: set[str] = set()
        self._using = asyncio.Lock()

    def on_notify(self, channel: str, handler: Callable[[str], None]) -> None:
        """Call `handler` with the payload of each notification on a channel.

        Each new connection calls it with an empty payload, as notifications may have been missed.
        """
        self._handlers.setdefault(channel, []).append(handler)

    async def execute(self, statement: str, *arguments: Any) -> bool:
        """Run a statement, and return whether it changed a row."""
        async with self._using:
            try:
                async with asyncio.timeout(self._seconds):
                    connection = await self._opened()
                    status: str = await connection.execute(statement, *arguments)
            except BaseException:
                self._drop()
                raise
        return not status.endswith(" 0")

    async def local_address(self) -> str:
        """The address from which this machine reaches Postgres."""
        async with self._using, asyncio.timeout(self._seconds):
            connection = await self._opened()
        # asyncpg does not publish the address; over a Unix socket there is none.
        name = connection._transport.get_extra_info("sockname")  # noqa: SLF001
        return str(name[0]) if isinstance(name, tuple) else "127.0.0.1"

    def close(self) -> None:
        """Close the connection."""
        self._drop()

    async def _opened(self) -> asyncpg.Connection:
        connection = self._connection
        if connection is None or connection.is_closed():
            self._listening.clear()
            self._connection = connection = await self._connect()
        # Handlers may have been added after the connection was opened.
        for channel in self._handlers.keys() - self._listening:
            await connection.add_listener(channel, self._notified)
            self._listening.add(channel)
            self._call(channel, "")
        return connection

    def _notified(self, _: Any, __: int, channel: str, payload: object) -> None:
        self._call(channel, str(payload))

    def _call(self, channel: str, payload: str) -> None:
        for handler in self._handlers[channel]:
            handler(payload)

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
