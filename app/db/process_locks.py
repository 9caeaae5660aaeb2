"""Which processes use a database, and which of them are no more.

Each holds a lock of its own name. The kernel, or Postgres, lets go of it when the process dies,
however it dies, so that who is dead is known and never guessed.
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
"""Whoever lost its lock, because Postgres was started anew, judges nobody for so long: the others
have lost theirs too.
"""


class ProcessLocks(Protocol):
    """The locks of those who use one database."""

    async def hold(self) -> None:
        """Have one's own lock, now and, should it get lost, again."""

    async def is_held(self, holder: str) -> bool:
        """Whether another process of this name still runs."""

    def release(self) -> None:
        """Let go of one's own lock."""


class NoOtherProcess:
    """A database in memory is its process's alone."""

    async def hold(self) -> None:
        """See `ProcessLocks`."""

    async def is_held(self, holder: str) -> bool:  # noqa: ARG002 - there is none
        """See `ProcessLocks`."""
        return False

    def release(self) -> None:
        """See `ProcessLocks`."""


class FileProcessLocks:
    """Each locks a file of its own name beside the database."""

    def __init__(self, folder: Path, own: str) -> None:
        self._folder = folder
        self._own = own
        self._own_lock: int | None = None

    async def hold(self) -> None:
        """See `ProcessLocks`; the lock does not get lost, but its file may be deleted."""
        if self._own_lock is not None and not os.fstat(self._own_lock).st_nlink:
            self.release()
        if self._own_lock is None:
            self._folder.mkdir(exist_ok=True)
            self._own_lock = self._try_lock(self._own, os.O_CREAT)

    async def is_held(self, holder: str) -> bool:
        """See `ProcessLocks`; a dead one's file is removed."""
        lock = self._try_lock(holder)
        if lock is None:
            return (self._folder / holder).exists()
        self._remove(holder, lock)
        return False

    def release(self) -> None:
        """See `ProcessLocks`."""
        if self._own_lock is not None:
            self._remove(self._own, self._own_lock)
            self._own_lock = None

    def _try_lock(self, holder: str, flags: int = 0) -> int | None:
        """A descriptor with the lock on a holder's file; None when there is none to be had."""
        try:
            descriptor = os.open(self._folder / holder, os.O_RDWR | flags, 0o600)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return descriptor

    def _remove(self, holder: str, lock: int) -> None:
        (self._folder / holder).unlink(missing_ok=True)
        os.close(lock)


class PostgresProcessLocks:
    """Each has an advisory lock on a connection that it keeps."""

    def __init__(self, engine: AsyncEngine, own: str) -> None:
        self._engine = engine
        self._own = own
        self._kept: AsyncConnection | None = None
        self._driver: Any = None
        self._judges_from = 0.0

    async def hold(self) -> None:
        """See `ProcessLocks`; raises `SQLAlchemyError` or `OSError`."""
        if self._driver is not None and not self._driver.is_closed():
            return
        if self._kept is not None:
            self._judges_from = time.monotonic() + LOST_SECONDS
            with contextlib.suppress(SQLAlchemyError, OSError):
                await self._kept.invalidate()
                await self._kept.close()
        # No transaction is left open on it for as long as the process lives.
        self._kept = await self._engine.execution_options(isolation_level="AUTOCOMMIT").connect()
        await self._kept.execute(_LOCK, {"key": _key(self._own)})
        self._driver = (await self._kept.get_raw_connection()).driver_connection

    async def is_held(self, holder: str) -> bool:
        """See `ProcessLocks`."""
        if time.monotonic() < self._judges_from:
            return True
        async with self._engine.begin() as connection:
            is_free = await connection.scalar(_TRY_LOCK, {"key": _key(holder)})
        return not is_free

    def release(self) -> None:
        """See `ProcessLocks`."""
        if self._driver is not None:
            self._driver.terminate()

    async def aclose(self) -> None:
        """Close the kept connection."""
        if self._kept is not None:
            with contextlib.suppress(SQLAlchemyError, OSError):
                await self._kept.invalidate()
                await self._kept.close()
            self._kept = None


_LOCK: Final = text("SELECT pg_advisory_lock(:key)")
_TRY_LOCK: Final = text("SELECT pg_try_advisory_xact_lock(:key)")
"""Given back at the end of the transaction."""


def _key(holder: str) -> int:
    """Postgres names locks by numbers of 64 bits."""
    try:
        number = int(holder, 16) % 2**64
    except ValueError:
        number = hash_of(holder)
    return number - 2**64 if number >= 2**63 else number


def hash_of(name: str) -> int:
    """A number for a name that is none of ours."""
    return int.from_bytes(name.encode()[:8].rjust(8, b"\0"), "big")
