"""Locks that tell which of the processes that used a SQLite database are still running.

Each process holds a lock on its own name. The kernel releases the lock when the process dies for
any reason, so no timeout has to guess whether a process is dead. Processes that share Postgres may
run on several machines, so they have leases instead (`app.replicas`).
"""

import fcntl
import os
import secrets
from pathlib import Path
from typing import Protocol


def new_process_name() -> str:
    """A random name for a process, which no other has had."""
    return secrets.token_hex(8)


class ProcessLocks(Protocol):
    """The locks of the processes that use one database."""

    @property
    def name(self) -> str:
        """The random name of this process, which rows have in their column `holder`."""

    async def acquire(self) -> None:
        """Acquire this process's own lock, unless it is held already."""

    async def is_held(self, name: str) -> bool:
        """Whether the lock of another process is held, which means that it still runs."""

    def release(self) -> None:
        """Release this process's own lock."""


class SingleProcessLocks:
    """The locks of a database that no other process uses, as one in memory."""

    def __init__(self) -> None:
        self.name = new_process_name()

    async def acquire(self) -> None:
        """Do nothing: no other process could see a lock."""

    async def is_held(self, name: str) -> bool:  # noqa: ARG002 - there is no other process
        """False: no other process can use the database."""
        return False

    def release(self) -> None:
        """Do nothing: there is no lock."""


class FileProcessLocks:
    """Locks on files, one a process, in a folder beside a SQLite database."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.name = new_process_name()
        self._own_lock: int | None = None

    async def acquire(self) -> None:
        """Lock this process's own file, and a new one when the file was deleted."""
        if self._own_lock is not None and not os.fstat(self._own_lock).st_nlink:
            self.release()
        if self._own_lock is None:
            self._folder.mkdir(exist_ok=True)
            self._own_lock = self._try_lock(self.name, os.O_CREAT)

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
            self._remove(self.name, self._own_lock)
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
