"""The broker of a soak: killed and started again, always at one address."""

import asyncio
import contextlib
import json
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import Any, Final

from bench.processes import answers, free_port, start, stop

DATABASE: Final = "data/broker.db"


class Broker:
    """One process after the other in one directory."""

    def __init__(self, directory: Path, settings: dict[str, str]) -> None:
        self._directory = directory
        self._settings = settings
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"http://127.0.0.1:{self._port}"
        self.killed_at: list[float] = []

    async def start(self) -> None:
        """Start it, and wait until it answers."""
        command = ("-m", "app", "serve", "--port", str(self._port))
        self._process = start(self._directory, *command, **self._settings)
        await answers(f"{self.url}/healthz")

    async def kill(self) -> None:
        """End it as a crash does, and start the next."""
        self.killed_at.append(time.time())
        self._running.kill()
        self._running.wait()
        await self.start()

    async def stop(self) -> int:
        """Ask it to stop; its exit code."""
        return await asyncio.to_thread(stop, self._running)

    @property
    def memory(self) -> int:
        """How much of the machine's memory it has, in MB."""
        status = Path(f"/proc/{self._running.pid}/status").read_text(encoding="ascii")
        kilobytes = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(kilobytes.split()[1]) // 1024

    def record(self) -> dict[str, bool]:
        """Every session on record, and whether it is ended at Kaltura."""
        with contextlib.closing(sqlite3.connect(self._directory / DATABASE)) as database:
            rows = database.execute("SELECT session_id, ended_upstream FROM sessions")
            return {session_id: bool(ended) for session_id, ended in rows}

    def log(self) -> list[dict[str, Any]]:
        """What all its processes have logged; a line that a kill cut off is left out."""
        found = []
        with (self._directory / "log").open(encoding="utf-8") as lines:
            for line in lines:
                with contextlib.suppress(ValueError):
                    found.append(json.loads(line))
        return found

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None  # noqa: S101 - nobody asks before the start
        return self._process
