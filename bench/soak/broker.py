"""The broker under test: it is killed and started again, always at the same address."""

import asyncio
import contextlib
import json
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import Any, Final

from bench.processes import free_port, start, stop, wait_until_ready

DATABASE: Final = "data/broker.db"


class Broker:
    """The broker's processes, one after the other, in one directory."""

    def __init__(self, directory: Path, settings: dict[str, str]) -> None:
        self._directory = directory
        self._settings = settings
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"http://127.0.0.1:{self._port}"
        self.killed_at: list[float] = []

    async def start(self) -> None:
        """Start a process, and wait until it answers."""
        command = ("-m", "app", "serve", "--port", str(self._port))
        self._process = start(self._directory, *command, **self._settings)
        await wait_until_ready(f"{self.url}/healthz")

    async def kill(self) -> None:
        """Kill the process, as a crash would, and start the next one."""
        self.killed_at.append(time.time())
        self._running.kill()
        self._running.wait()
        await self.start()

    async def stop(self) -> int:
        """Stop the process gracefully; returns its exit code."""
        return await asyncio.to_thread(stop, self._running)

    @property
    def memory(self) -> int:
        """The resident memory of the process, in MiB."""
        status = Path(f"/proc/{self._running.pid}/status").read_text(encoding="ascii")
        kilobytes = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(kilobytes.split()[1]) // 1024

    def record(self) -> dict[str, bool]:
        """Every session in the database, and whether the broker has ended it at Kaltura."""
        with contextlib.closing(sqlite3.connect(self._directory / DATABASE)) as database:
            rows = database.execute("SELECT session_id, ended_upstream FROM sessions")
            return {session_id: bool(ended) for session_id, ended in rows}

    def log(self) -> list[dict[str, Any]]:
        """The log of all processes, without lines that a kill cut off."""
        found = []
        with (self._directory / "log").open(encoding="utf-8") as lines:
            for line in lines:
                with contextlib.suppress(ValueError):
                    found.append(json.loads(line))
        return found

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None  # noqa: S101 - `start` comes first
        return self._process
