"""Locks that tell which of the processes that used a database are still running.

Each process holds a lock on its own name. The kernel, or Postgres, releases the lock when the
process dies for any reason, so no timeout has to guess whether a process is dead.
"""

import contextlib
import fcntl
import os
import time
from pathlib import Path
from typing import Any, Final, Protocol

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

LOST_SECONDS: Final = 15
"""How long a process that lost its lock takes every other for running.

When Postgres restarts, all processes lose their locks, and need time to acquire them again.
"""


class ProcessLocks(Protocol):
    """The locks of the processes that use one database."""

    async def acquire(self) -> None:
        """Acquire this process's own lock, unless it is held already."""

    async def is_held(self, name: str) -> bool:
        """Whether the lock of another process is held, which means that it still runs."""

    def release(self) -> None:
        """Release this process's own lock."""


class SingleProcessLocks:
    """The locks of a database in memory, which no other process can use."""

    async def acquire(self) -> None:
        """Do nothing: no other process could see a lock."""

    async def is_held(self, name: str) -> bool:  # noqa: ARG002 - there is no other process
        """False: no other process can use the database."""
        return False

    def release(self) -> None:
        """Do nothing: there is no lock."""


class FileProcessLocks:
    """Locks on files, one a process, in a folder beside a SQLite database."""

    def __init__(self, folder: Path, own: str) -> None:
        self._folder = folder
        self._own = own
        self._own_lock: int | None = None

    async def acquire(self) -> None:
        """Lock this process's own file, and a new one when the file was deleted."""
        if self._own_lock is not None and not os.fstat(self._own_lock).st_nlink:
            self.release()
        if self._own_lock is None:
            self._folder.mkdir(exist_ok=True)
            self._own_lock = self._try_lock(self._own, os.O_CREAT)

    async def is_held(self, name: str) -> bool:
        """Whether another process's file is locked; the file of a dead process is removed."""
        lock = self._try_lock(name)
        if lock is None:
            return (self._folder / name).exists()
        self._remove(name, lock)
        return False

    def release(self) -> None:
        """Unlock and remove this process's own file."""
        if self._own_lock is not None:
            self._remove(self._own, self._own_lock)
            self._own_lock = None

    def _try_lock(self, name: str, flags: int = 0) -> int | None:
        """A descriptor that locks a process's file; None when it is locked or does not exist."""
        try:
            descriptor = os.open(self._folder / name, os.O_RDWR | flags, 0o600)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return descriptor

    def _remove(self, name: str, lock: int) -> None:
        (self._folder / name).unlink(missing_ok=True)
        os.close(lock)


class PostgresProcessLocks:
    """Advisory locks of Postgres, each held by a connection that its process keeps open."""

    def __init__(self, engine: AsyncEngine, own: str) -> None:
        self._engine = engine
        self._own = own
        self._kept: AsyncConnection | None = None
        self._driver: Any = None
        self._trusts_from = 0.0
        """From when on, in monotonic seconds, a lock that is free means a dead process."""

    async def acquire(self) -> None:
        """Acquire this process's own lock, again when its connection was lost.

        Raises `SQLAlchemyError` or `OSError`.
        """
        if self._driver is not None and not self._driver.is_closed():
            return
        if self._kept is not None:
            self._trusts_from = time.monotonic() + LOST_SECONDS
            with contextlib.suppress(SQLAlchemyError, OSError):
                await self._kept.invalidate()
                await self._kept.close()
        # Autocommit: no transaction must stay open for as long as the process lives.
        self._kept = await self._engine.execution_options(isolation_level="AUTOCOMMIT").connect()
        await self._kept.execute(_LOCK, {"key": _key(self._own)})
        self._driver = (await self._kept.get_raw_connection()).driver_connection

    async def is_held(self, name: str) -> bool:
        """Whether another process's lock is held.

        For `LOST_SECONDS` after this process lost its own lock, True for every name.
        """
        if time.monotonic() < self._trusts_from:
            return True
        async with self._engine.begin() as connection:
            is_free = await connection.scalar(_TRY_LOCK, {"key": _key(name)})
        return not is_free

    def release(self) -> None:
        """Release this process's own lock, by cutting the connection that holds it."""
        if self._driver is not None:
            self._driver.terminate()

    async def aclose(self) -> None:
        """Close the connection that holds the lock."""
        if self._kept is not None:
            with contextlib.suppress(SQLAlchemyError, OSError):
                await self._kept.invalidate()
                await self._kept.close()
            self._kept = None


_LOCK: Final = text("SELECT pg_advisory_lock(:key)")
_TRY_LOCK: Final = text("SELECT pg_try_advisory_xact_lock(:key)")
"""The attempt to lock another process's name; the transaction's end releases it."""


def _key(name: str) -> int:
    """The signed 64-bit number that Postgres has for the lock of a process's name."""
    try:
        number = int(name, 16) % 2**64
    except ValueError:  # a name that no process of this version has
        number = int.from_bytes(name.encode()[:8].rjust(8, b"\0"), "big")
    return number - 2**64 if number >= 2**63 else number
