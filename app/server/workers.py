"""Several processes that serve one listening socket, and the process that watches them."""

import asyncio
import contextlib
import signal
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Final

import structlog

from app.server.process import exit_code, on_ending_signals

RESTART_SECONDS: Final = 1.0
"""How long after its death a worker is started again."""

MAX_DEATHS: Final = 5
DEATHS_SECONDS: Final = 60.0
"""`MAX_DEATHS` deaths within this time stop all workers: starting them again does not help."""

MISCONFIGURED: Final = 2
"""The exit code of a process with wrong settings, which it has printed."""

FAILED: Final = 1

log = structlog.get_logger("server")


class Workers:
    """Keeps `count` workers running until a signal asks this process to end.

    `command_of` makes the command of the worker with a number, from 1. Workers inherit the
    descriptors `inherited`. Their standard input closes when this process is killed. They are not
    in its process group, so Ctrl+C reaches them only through it.
    """

    def __init__(
        self,
        command_of: Callable[[int], Sequence[str]],
        count: int,
        inherited: Sequence[int],
        *,
        restart_seconds: float = RESTART_SECONDS,
    ) -> None:
        self._command_of = command_of
        self._count = count
        self._inherited = tuple(inherited)
        self._restart_seconds = restart_seconds
        self._running: set[Process] = set()
        self._deaths: deque[float] = deque(maxlen=MAX_DEATHS)
        self._stopping_signal = 0
        self._exit_code = 0

    async def run(self) -> int:
        """Run the workers; returns the exit code when all have ended."""
        loop = asyncio.get_running_loop()

        def handle(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a handler's signature
            loop.call_soon_threadsafe(self._stop, number)

        on_ending_signals(handle)
        async with asyncio.TaskGroup() as tasks:
            for number in range(1, self._count + 1):
                tasks.create_task(self._keep_running(number))
        return self._exit_code

    async def _keep_running(self, number: int) -> None:
        while not self._is_stopping():
            process = await asyncio.create_subprocess_exec(
                *self._command_of(number),
                stdin=PIPE,
                pass_fds=self._inherited,
                start_new_session=True,
            )
            self._running.add(process)
            if self._is_stopping():  # since before it was started
                _send(process, self._stopping_signal)
            code = await process.wait()
            self._running.discard(process)
            if self._is_stopping():
                self._exit_code = self._exit_code or (code if code >= 0 else exit_code(-code))
            else:
                self._note_death(number, code)
                await asyncio.sleep(self._restart_seconds)

    def _is_stopping(self) -> bool:
        return bool(self._stopping_signal)

    def _note_death(self, number: int, code: int) -> None:
        """Log that a worker has died unasked; stop all of them where another start is no use."""
        log.error("a worker has died", worker=number, exit_code=code)
        now = asyncio.get_running_loop().time()
        self._deaths.append(now)
        are_many = len(self._deaths) == MAX_DEATHS and now - self._deaths[0] < DEATHS_SECONDS
        if code == MISCONFIGURED or are_many:
            self._exit_code = code if code == MISCONFIGURED else FAILED
            self._stop(signal.SIGTERM)

    def _stop(self, number: int) -> None:
        """Pass a signal on to every worker; after the first no worker is started again."""
        self._stopping_signal = number
        for process in self._running:
            _send(process, number)


def _send(process: Process, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # it has just ended
        process.send_signal(number)
