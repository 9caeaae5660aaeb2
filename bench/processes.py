"""Starting and stopping processes of this repository, with explicit settings only."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import aiohttp

from bench.processor import on_core

ROOT: Final = Path(__file__).parent.parent
READY_SECONDS: Final = 40
STOP_SECONDS: Final = 20


def start(directory: Path, *arguments: str, **settings: str) -> subprocess.Popen[bytes]:
    """Start a program in a directory, and append its output to the file `log` there."""
    return _start(directory, [sys.executable, *arguments], settings)


def _start(
    directory: Path, command: Sequence[str], settings: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    with (directory / "log").open("ab") as log:
        return subprocess.Popen(  # noqa: S603 - our own programs
            command,
            cwd=directory,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **settings},
            stdout=log,
            stderr=log,
        )


def stop(process: subprocess.Popen[bytes]) -> int:
    """Terminate a process, kill it after `STOP_SECONDS`, and return its exit code."""
    process.terminate()
    try:
        return process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


@contextmanager
def process(directory: Path, *arguments: str, **settings: str) -> Iterator[int]:
    """Run a program for the duration of the block, as `start` does; yields its process id."""
    started = start(directory, *arguments, **settings)
    try:
        yield started.pid
    finally:
        stop(started)


@contextmanager
def process_on_core(
    core: int, directory: Path, command: Sequence[str], settings: Mapping[str, str]
) -> Iterator[int]:
    """Run a program on one processor core for the duration of the block; yields its process id."""
    with on_core(core):
        started = _start(directory, command, settings)
    try:
        yield started.pid
    finally:
        stop(started)


async def wait_until_ready(url: str) -> None:
    """Wait until `url` answers with success, at most `READY_SECONDS`."""
    async with asyncio.timeout(READY_SECONDS), aiohttp.ClientSession() as http:
        while True:
            try:
                async with http.get(url, raise_for_status=True):
                    return
            except aiohttp.ClientError:
                await asyncio.sleep(0.1)


def free_port() -> int:
    """A port of the loopback address that nobody listens on at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port
